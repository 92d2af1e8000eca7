"""A plan as rows for people: what matters first, durations as people write them, defaults left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reconciler.core.change import Action, Change, Field, differences
from reconciler.core.plan import Plan
from reconciler.core.resource import Spec
from reconciler.core.secret import CHANGED, NOT_COMPARED, SHOWN
from reconciler.core.values import show_duration, visible

from .structures import Detail, rules, show, structures

SIGNS = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "±",
    Action.DELETE: "-",
    Action.ADOPT: "=",
    Action.FORGET: "x",
}
TITLES = {
    Action.DELETE: "Delete",
    Action.REPLACE: "Replace: delete and create anew",
    Action.UPDATE: "Update",
    Action.CREATE: "Create",
    Action.ADOPT: "Adopt: already as declared",
    Action.FORGET: "Forget: no longer managed",
}
IRREVERSIBLE = "!"
READABLE = 60  # characters of a list; a longer one is shown as what was added and taken


class Row(NamedTuple):
    """One changed object."""

    sign: str
    action: Action
    address: str
    origin: str
    remark: str
    details: tuple[Detail, ...]


def rows(plan: Plan) -> tuple[Row, ...]:
    """The changes of a plan, those that destroy first."""
    rank = {action: place for place, action in enumerate(TITLES)}
    ordered = sorted(plan.changes, key=lambda change: (not change.loses, rank[change.action], change.address))
    return tuple(_row(change) for change in ordered)


def _row(change: Change[Any]) -> Row:
    remark = change.loses and f"{change.action.value}: loses {change.loses}"
    sign = IRREVERSIBLE if change.loses else SIGNS[change.action]
    origin = str(change.origin or "")
    return Row(sign, change.action, visible(str(change.address)), visible(origin), visible(remark), tuple(_details(change)))


def _details(change: Change[Any]) -> Iterator[Detail]:
    spec: Spec | None = change.after
    if spec is None:
        return  # what is lost is said in the remark; every field of a dead object is noise
    created = change.before is None
    durations = _durations(type(spec))
    for field in change.fields():
        if not created or not _is_default(type(spec), field):
            yield from _field(field, durations, created=created)


def recorded(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Iterator[Detail]:
    """The lines below an object as a ledger recorded it: without its kind, so durations are seconds and defaults not known."""
    for field in differences(before, after):
        if before is not None or field.after not in ([], {}, None, "", 0):
            yield from _field(field, frozenset(), created=before is None)


@cache  # one entry a kind
def _durations(spec: type[Spec]) -> frozenset[str]:
    """The paths of fields that are durations, wherever they are nested."""
    schema = spec.model_json_schema()

    def walk(node: Mapping[str, Any], path: str) -> Iterator[str]:
        if node.get("x-unit") == "seconds":
            yield path
        shared = [schema["$defs"][node["$ref"].rpartition("/")[2]]] if "$ref" in node else []
        for one in (*shared, *node.get("anyOf", ())):
            yield from walk(one, path)
        for name, one in node.get("properties", {}).items():
            yield from walk(one, f"{path}/{name}")

    return frozenset(walk(schema, ""))


def _is_default(spec: type[Any], field: Field) -> bool:
    if field.after in ([], {}, None, ""):
        return True
    shape = _shape(spec, field.path.split("/")[1:])
    if shape is None or shape.is_required():
        return False
    return bool(shape.get_default(call_default_factory=True, validated_data={}) == field.after)


def _shape(spec: type[Any], path: list[str]) -> FieldInfo | None:
    """The declaration of a field, in nested models too; None for the keys of a map."""
    shape: FieldInfo | None = spec.model_fields.get(path[0])
    if len(path) == 1 or shape is None:
        return shape
    inner = (one for one in (shape.annotation, *get_args(shape.annotation)) if isinstance(one, type) and issubclass(one, BaseModel))
    model = next(inner, None)
    return _shape(model, path[1:]) if model else None


def _field(field: Field, durations: frozenset[str], *, created: bool) -> Iterator[Detail]:
    label = visible(".".join(part.replace("~1", "/").replace("~0", "~") for part in field.path.split("/")[1:]))
    before, after = field.before, field.after
    if isinstance(before, list | None) and isinstance(after, list | None):
        yield from _list(label, before or [], after or [], created=created)
        return
    if field.path in durations:
        before, after = (show_duration(side) if isinstance(side, int) else side for side in (before, after))
    if before == SHOWN and after in (CHANGED, NOT_COMPARED):
        before = after  # the one word says it all
    sign = "+" if before is None else "-" if after is None else "~"
    yield Detail(sign, label, show(before), show(after))


def _list(label: str, before: Sequence[Any], after: Sequence[Any], *, created: bool) -> Iterator[Detail]:
    entries = (*before, *after)
    if all(isinstance(entry, dict) and "path" in entry and "capabilities" in entry for entry in entries):
        yield from rules(before, after)
    elif any(isinstance(entry, dict | list) for entry in entries):
        yield from structures(label, before, after)
    elif created:
        yield Detail("+", label, "", show(after))
    elif len(show(before)) + len(show(after)) <= READABLE or set(map(repr, before)) == set(map(repr, after)):
        yield Detail("~", label, show(before), show(after))
    else:
        yield from (Detail("+", label, "", show(entry)) for entry in after if entry not in before)
        yield from (Detail("-", label, show(entry), "") for entry in before if entry not in after)


def sentence(plan: Plan) -> str:
    """The summary in words: `1 to create, 2 to update. 1,204 unchanged, 17 unmanaged.`"""
    counts = plan.summary
    parts = [f"{counts[action.value]:,} to {action.value}" for action in Action if counts[action.value]]
    first = ", ".join(parts) if parts else "Nothing to change" if plan.complete else "Nothing to change in what could be read"
    return f"{first}. {counts['unchanged']:,} unchanged, {counts['unmanaged']:,} unmanaged."
