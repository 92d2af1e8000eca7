"""A plan as rows for people: what matters first, durations as people write them, lists as what was added and taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import WithJsonSchema

from reconciler.core.change import Action, Change, Field
from reconciler.core.plan import Plan
from reconciler.core.resource import KNOWN_AFTER_APPLY, Spec, server_values
from reconciler.core.values import canonical_json, show_duration

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
    Action.REPLACE: "Replace (delete and create)",
    Action.UPDATE: "Update",
    Action.CREATE: "Create",
    Action.ADOPT: "Adopt (already as declared)",
    Action.FORGET: "Forget (no longer managed)",
}
IRREVERSIBLE = "!"
DURATION = "seconds"


class Detail(NamedTuple):
    """One line below an object: a sign, what it is about, and both sides as text ("" where absent)."""

    sign: str
    label: str
    before: str
    after: str


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
    return Row(sign, change.action, str(change.address), str(change.origin or ""), remark, tuple(_details(change)))


def _details(change: Change[Any]) -> Iterator[Detail]:
    if change.action is Action.DELETE:
        return  # what is lost is said in the remark; every field of a dead object is noise
    durations = _durations(change.after if change.after is not None else change.before)
    for field in change.fields():
        if change.action is Action.CREATE and _is_default(change.after, field):
            continue
        yield from _field(field, durations, created=change.before is None)


def _durations(spec: Spec | None) -> frozenset[str]:
    fields = type(spec).model_fields.items() if spec is not None else ()
    return frozenset(
        f"/{name}"
        for name, shape in fields
        for entry in shape.metadata
        if isinstance(entry, WithJsonSchema) and (entry.json_schema or {}).get("x-unit") == DURATION
    )


def _is_default(spec: Spec | None, field: Field) -> bool:
    if field.after in ([], {}, None, ""):
        return True
    shape = type(spec).model_fields.get(field.path[1:]) if spec is not None else None
    return shape is not None and not shape.is_required() and shape.get_default(call_default_factory=True, validated_data={}) == field.after


def _field(field: Field, durations: frozenset[str], *, created: bool) -> Iterator[Detail]:
    label = field.path[1:].replace("/", ".").replace("~1", "/").replace("~0", "~")
    before, after = field.before, field.after
    if isinstance(before, list | None) and isinstance(after, list | None):
        yield from _list(label, before or [], after or [], created=created)
        return
    if field.path in durations:
        before, after = (show_duration(side) if isinstance(side, int) else side for side in (before, after))
    sign = "+" if before is None else "-" if after is None else "~"
    yield Detail(sign, label, show(before), show(after))


def _list(label: str, before: Sequence[Any], after: Sequence[Any], *, created: bool) -> Iterator[Detail]:
    if all(isinstance(entry, dict) and "path" in entry for entry in (*before, *after)):
        yield from _rules(before, after)
    elif any(isinstance(entry, dict) for entry in (*before, *after)):
        yield from _structures(label, before, after)
    elif created:
        yield Detail("+", label, "", show(after))
    else:
        yield Detail("~", label, show(before), show(after))


def _rules(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[Detail]:
    """Policy rules, one line a path."""
    old, new = ({rule["path"]: rule for rule in side} for side in (before, after))
    for path in sorted({*old, *new}):
        if old.get(path) != new.get(path):
            sign = "~" if path in old and path in new else "+" if path in new else "-"
            yield Detail(sign, path, _rule(old.get(path)), _rule(new.get(path)))


def _rule(rule: Mapping[str, Any] | None) -> str:
    if rule is None:
        return ""
    more = {key: value for key, value in rule.items() if key not in ("path", "capabilities") and value not in (None, {}, [], "", 0)}
    text = ", ".join(rule.get("capabilities", ()))
    return f"{text} with {canonical_json(more)}" if more else text


def _structures(label: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Detail]:
    """Lists of maps, such as IAM statements: what was added, taken or changed inside, found by deepdiff."""
    if not before or not after:
        sign = "+" if after else "-"
        yield from (Detail(sign, label, "" if after else show(entry), show(entry) if after else "") for entry in after or before)
        return
    from deepdiff import DeepDiff  # slow to import, and only this needs it

    found = DeepDiff(list(before), list(after), ignore_order=True, verbose_level=2, threshold_to_diff_deeper=0)
    for path, change in sorted((found.get("values_changed") or {}).items()):
        yield Detail("~", label + path.removeprefix("root"), show(change["old_value"]), show(change["new_value"]))
    for sign, keys in (("+", ("iterable_item_added", "dictionary_item_added")), ("-", ("iterable_item_removed", "dictionary_item_removed"))):
        for key in keys:
            for path, value in sorted((found.get(key) or {}).items()):
                yield Detail(sign, label + path.removeprefix("root"), show(value) if sign == "-" else "", show(value) if sign == "+" else "")
    for path, change in sorted((found.get("type_changes") or {}).items()):
        yield Detail("~", label + path.removeprefix("root"), show(change["old_value"]), show(change["new_value"]))


def show(value: Any) -> str:
    """A value on one line, without quotes where none are needed."""
    if value is None:
        return ""
    if isinstance(value, str):
        return KNOWN_AFTER_APPLY if "${{" in value and any(server_values(value)) else value if value.isprintable() else repr(value)
    if isinstance(value, list) and not any(isinstance(entry, dict | list) for entry in value):
        return ", ".join(map(show, value)) or "(none)"
    return canonical_json(value)


def sentence(plan: Plan) -> str:
    """The summary in words: `1 to create, 2 to update. 1,204 unchanged, 17 unmanaged.`"""
    counts = plan.summary
    parts = [f"{counts[action.value]:,} to {action.value}" for action in Action if counts[action.value]]
    first = ", ".join(parts) if parts else "Nothing to change" if plan.complete else "Nothing to change in what could be read"
    return f"{first}. {counts['unchanged']:,} unchanged, {counts['unmanaged']:,} unmanaged."
