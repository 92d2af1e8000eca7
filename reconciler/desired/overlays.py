"""Overlays: `desired-state/overlays/ENVIRONMENT/*.yaml`, patches of single documents for one environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from reconciler.core.address import Address, parse_address
from reconciler.core.errors import Problem

from .documents import problem
from .source import Document, Patch
from .tree import OVERLAYS
from .wording import Fault, faults

# A patch that names one of these is onto the document; any other is onto its spec.
_DOCUMENT_KEYS = frozenset(("spec", "labels", "lifecycle"))
_FIXED = frozenset(("kind", "name", "instance", "namespace", "environments", "template"))


class Overlay(NamedTuple):
    """One patch, and the address of the document that it is for."""

    address: Address
    patch: Patch


def _address(given: object) -> Address:
    return parse_address(str(given))


class _Overlay(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    address: Annotated[Address, BeforeValidator(_address)]
    patch: dict[str, Any]


def environment_of(path: str) -> str:
    """The environment that an overlay file belongs to; empty if it lies in none."""
    name, slash, _ = path.removeprefix(OVERLAYS).partition("/")
    return name if slash else ""


def misplaced(paths: Iterable[str], environments: Iterable[str]) -> Iterator[Problem]:
    """Overlay files that no environment would ever read."""
    known = set(environments)
    for path in paths:
        name = environment_of(path)
        if name not in known:
            what = f"there is no environment `{name}`" if name else "lies in no environment's folder"
            yield Problem(path, "", what, f"overlays are {OVERLAYS}ENVIRONMENT/*.yaml")


def read_overlay(document: Document) -> Overlay | list[Problem]:
    """Read one overlay, or say what is wrong with it."""
    try:
        overlay = _Overlay.model_validate(document.body)
    except ValidationError as error:
        return [problem(document, str(document.body.get("address", "")), fault) for fault in faults(error, _Overlay, document.body)]
    fixed = sorted(_FIXED & overlay.patch.keys())
    if fixed:
        fault = Fault(("patch", fixed[0]), f"a patch cannot change `{fixed[0]}`", "declare another document")
        return [problem(document, str(overlay.address), fault)]
    onto_document = bool(_DOCUMENT_KEYS & overlay.patch.keys())
    patch = Patch(document, overlay.patch, 0) if onto_document else Patch(document, {"spec": overlay.patch}, 1)
    return Overlay(overlay.address, patch)


def patched(document: Document, patches: Iterable[Patch]) -> Document:
    """Apply patches in order."""
    for patch in patches:
        document = document._replace(body=merge(document.body, patch.body), patches=(*document.patches, patch))
    return document


def merge(value: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7386): null removes a key, maps merge, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for key, entry in patch.items():
        if entry is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), entry)
    return merged
