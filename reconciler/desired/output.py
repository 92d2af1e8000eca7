"""Desired state as YAML again: what `render` prints. Reading it gives the same resources."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from reconciler.core.guard import Approval
from reconciler.core.resource import ORDINARY, Resource
from reconciler.core.secret import Secret
from reconciler.core.values import parse_duration, show_duration

from .documents import Exempt
from .load import Desired
from .parse import core_word

_WIDTH = 120
_INDENT = 40  # and the key before it: more than most lists have

_Dumper: type[Any] = yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper


class _Writer(_Dumper):  # type: ignore[misc]  # the C dumper or the Python one, as the interpreter has it
    """Quotes what YAML 1.2 would read as something else than text, and keeps the lines of long texts."""

    def ignore_aliases(self, _value: object) -> bool:
        return True


def _text(writer: Any, text: str) -> Any:
    style = "|" if "\n" in text else None if _stays_text(text) else '"'
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _stays_text(text: str) -> bool:
    try:
        return core_word(text) == text
    except ValueError:
        return False


def _list(writer: Any, entries: list[Any]) -> Any:
    """A short list of words stands on one line, as people write it."""
    short = all(isinstance(entry, str | int | float) and "\n" not in str(entry) for entry in entries)
    inline = short and sum(len(str(entry)) + 4 for entry in entries) <= _WIDTH - _INDENT
    return writer.represent_sequence("tag:yaml.org,2002:seq", entries, flow_style=inline)


_Writer.add_representer(str, _text)
_Writer.add_representer(list, _list)


def to_yaml(desired: Desired) -> str:
    """Write every document of an environment, in the order of addresses, each below the line that declares it."""
    return "---\n".join(_documents(desired)) or "# nothing is declared\n"


def write_yaml(documents: Iterable[Mapping[str, Any]]) -> str:
    """Write documents as YAML 1.2 text that reads as the same values."""
    return "---\n".join(_dump(document) for document in documents)


def document_of(resource: Resource[Any]) -> dict[str, Any]:
    """The document that would declare a resource: what was declared, without defaults."""
    address, lifecycle = resource.address, resource.lifecycle
    document: dict[str, Any] = {"kind": address.kind, "name": address.name}
    if address.place.instance != "primary":
        document["instance"] = address.place.instance
    if address.place.namespace:
        document["namespace"] = address.place.namespace
    if resource.labels:
        document["labels"] = dict(resource.labels)
    if lifecycle != ORDINARY:
        moved = {"moved_from": str(lifecycle.moved_from)} if lifecycle.moved_from else {}
        document["lifecycle"] = {**_declared(lifecycle), **moved}
    return {**document, "spec": _declared(resource.spec)}


def _documents(desired: Desired) -> Iterator[str]:
    for address in sorted(desired.resources):
        resource = desired.resources[address]
        yield f"# {resource.origin}\n{_dump(document_of(resource))}"
    lifts: list[Approval | Exempt] = [*desired.approvals, *desired.exceptions]
    for lift in lifts:
        yield _dump(_lift(lift))


def _lift(lift: Approval | Exempt) -> dict[str, Any]:
    subject = {"guard": lift.guard} if isinstance(lift, Approval) else {"check": lift.check}
    about = {"address": lift.pattern, "reason": lift.reason, "approver": lift.approver, "expires": lift.expires.isoformat()}
    return {"kind": "approval" if isinstance(lift, Approval) else "exception", "name": lift.name, "spec": {**subject, **about}}


def _dump(document: Mapping[str, Any]) -> str:
    text: str = yaml.dump(document, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False)
    return text


def _declared(model: BaseModel) -> dict[str, Any]:
    written = {}
    for name, field in type(model).model_fields.items():
        if name in model.model_fields_set:
            value = getattr(model, name)
            is_duration = any(getattr(part, "func", None) is parse_duration for part in field.metadata)
            written[field.alias or name] = show_duration(value) if is_duration and value else _plain(value)
    return written


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        made = {"generate": _declared(value.generate), "to": value.source} if value.generate else None
        return made or {"from": value.source}
    if isinstance(value, BaseModel):
        return _declared(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list | frozenset | set):
        return [_plain(entry) for entry in value]
    return value.isoformat() if isinstance(value, datetime.date) else value
