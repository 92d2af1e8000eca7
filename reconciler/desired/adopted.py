"""Declarations of what lives already, as files: documents, what must not stand in them, and which file holds which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.core.address import Address
from reconciler.core.kind import Kinds
from reconciler.core.resource import Resource, Spec, default_of

from .expressions import OPEN
from .output import document_of, write_yaml
from .scan import scan

MAX_FILE_CHARACTERS = 1_000_000  # a fifth of what is read, and as much as an editor likes
_UNUSUAL = re.compile(r"[^\w.-]+")
_WHOLE = re.compile(r"\$\{\{ ref\('([^']+)'\)\.(\w+) \}\}")
_PLACED = frozenset({"ref", "attribute"})

Document = dict[str, Any]


class File(NamedTuple):
    """One file to be: its path below the folder that is written to, and the objects in it, in order."""

    path: str
    text: str
    addresses: tuple[Address, ...]
    lines: tuple[int, ...]  # where each begins

    def at(self, line: int) -> Address | None:
        """The object that stands at a line."""
        return next((address for address, start in zip(reversed(self.addresses), reversed(self.lines), strict=True) if start <= line), None)


def documents(kinds: Kinds, resources: Mapping[Address, Resource[Any]]) -> dict[Address, Document]:
    """The document of each resource, as people write it."""
    found = {}
    for address, resource in resources.items():
        document = document_of(resource)
        differing = {name: value for name, value in document["spec"].items() if _differs(resource.spec, name)}
        spec = kinds[address.kind].spell(differing)
        found[address] = {**document, "spec": {name: _with_maps(value) for name, value in spec.items()}}
    return found


def _differs(spec: Spec, name: str) -> bool:
    return bool(getattr(spec, name) != default_of(type(spec), name))


def _with_maps(value: Any) -> Any:
    """Write a string that is one reference as the map it is short for."""
    if isinstance(value, str):
        whole = _WHOLE.fullmatch(value)
        return {"ref": whole[1], "attribute": whole[2]} if whole else value
    if isinstance(value, Mapping):
        return {key: _with_maps(entry) for key, entry in value.items()}
    return [_with_maps(entry) for entry in value] if isinstance(value, list) else value


def hidden(resources: Mapping[Address, Resource[Any]]) -> dict[Address, tuple[str, ...]]:
    """Fields that no document may hold: plaintext credentials, and text that would be read as an expression.

    Empty for an object whose very name is such.
    """
    found = {}
    for address, resource in resources.items():
        document = document_of(resource)
        outside = {key: value for key, value in document.items() if key != "spec"}
        names = [name for name, value in document["spec"].items() if any(scan(value, ("spec", name))) or _is_read_otherwise(value)]
        if names or _is_read_otherwise(outside):
            found[address] = () if _is_read_otherwise(outside) else tuple(sorted(names))
    return found


def _is_read_otherwise(value: Any) -> bool:
    if isinstance(value, str):
        return OPEN in value and OPEN in "".join(_WHOLE.split(value)[:: _WHOLE.groups + 1])
    if isinstance(value, Mapping):
        return value.keys() == _PLACED or any(_is_read_otherwise(entry) for pair in value.items() for entry in pair)
    return isinstance(value, list) and any(map(_is_read_otherwise, value))


def file_of(address: Address, mount: str) -> str:
    """Where an object's document goes: one file for each instance, namespace, kind and mount."""
    backend, _, kind = address.kind.partition(".")
    place = backend if address.place.instance == "primary" else f"{backend}-{address.place.instance}"
    parts = (place, *address.place.namespace.split("/"), kind, *mount.split("/"))
    return "/".join(_clean(part) for part in parts if part) + ".yaml"


def _clean(part: str) -> str:
    return _UNUSUAL.sub("-", part).strip(".") or "-"


def arrange(paths: Mapping[Address, str], written: Mapping[Address, Document]) -> Iterator[File]:
    """Put documents into files, in the order of addresses; what grows too long goes on in another file."""
    by_path: dict[str, list[Address]] = {}
    for address in sorted(written):
        by_path.setdefault(paths[address], []).append(address)
    for path, addresses in sorted(by_path.items()):
        for number, part in enumerate(_parts(addresses, written), 1):
            yield _file(path if number == 1 else numbered(path, number), part, written)


def numbered(path: str, number: int) -> str:
    """The same path with a number before its ending."""
    folder, slash, name = path.rpartition("/")
    stem, dot, ending = name.partition(".yaml")
    return f"{folder}{slash}{stem}-{number}{dot}{ending}"


def _parts(addresses: Iterable[Address], written: Mapping[Address, Document]) -> Iterator[list[Address]]:
    part: list[Address] = []
    size = 0
    for address in addresses:
        size += len(str(written[address])) * 2  # at most twice as long in YAML
        if part and size > MAX_FILE_CHARACTERS:
            yield part
            part, size = [], 0
        part.append(address)
    yield part


def _file(path: str, addresses: list[Address], written: Mapping[Address, Document]) -> File:
    texts = [write_yaml([written[address]]) for address in addresses]
    lines, line = [], 1
    for text in texts:
        lines.append(line)
        line += text.count("\n") + 1
    return File(path, "---\n".join(texts), tuple(addresses), tuple(lines))
