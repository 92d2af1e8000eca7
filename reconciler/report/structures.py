"""Values and lists of maps on one line each: policy rules, IAM statements, and whatever else is nested.

deepdiff shows what differs inside them. It never decides whether something does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.core.resource import KNOWN_AFTER_APPLY, server_values
from reconciler.core.values import canonical_json, show_duration, visible

NONE = "(none)"


class Detail(NamedTuple):
    """One line below an object: a sign, what it is about, and both sides as text ("" where absent)."""

    sign: str
    label: str
    before: str
    after: str


def show(value: Any) -> str:
    """A value on one line, without quotes where none are needed."""
    if value is None:
        return ""
    if isinstance(value, str):
        return KNOWN_AFTER_APPLY if "${{" in value and any(server_values(value)) else visible(value)
    if isinstance(value, list) and not any(isinstance(entry, dict | list) for entry in value):
        return ", ".join(map(show, value)) or NONE
    if isinstance(value, dict) and "Effect" in value:
        return _statement(value)
    return canonical_json(value)


def _statement(statement: Mapping[str, Any]) -> str:
    """An IAM statement as a sentence: `Allow kms:Decrypt on * if {...}`."""
    words = [str(statement["Effect"])]
    for key, before in (("Action", ""), ("NotAction", "all but"), ("Resource", "on"), ("NotResource", "on all but")):
        if key in statement:
            words += [before, show(statement[key])]
    for key, before in (("Principal", "for"), ("NotPrincipal", "for all but")):
        who = statement.get(key)
        if who is not None:
            words += [before, ", ".join(f"{sort} {show(names)}" for sort, names in who.items()) if isinstance(who, dict) else show(who)]
    if statement.get("Condition"):
        words += ["if", canonical_json(statement["Condition"])]
    return " ".join(word for word in words if word)


def rules(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> Iterator[Detail]:
    """Policy rules, one line a path. Rules of one path may differ in when they end."""
    old, new = ({(rule["path"], rule.get("expiration") or ""): rule for rule in side} for side in (before, after))
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            sign = "~" if key in old and key in new else "+" if key in new else "-"
            yield Detail(sign, visible(key[0]), _rule(old.get(key)), _rule(new.get(key)))


def _rule(rule: Mapping[str, Any] | None) -> str:
    if rule is None:
        return ""
    text = ", ".join(rule.get("capabilities", ()))
    more = {key: value for key, value in rule.items() if key not in ("path", "capabilities") and value not in (None, {}, [], "", 0)}
    shown = [f"{key} {show_duration(value) if key.endswith('_ttl') else show(value)}" for key, value in more.items()]
    return f"{text} with {', '.join(shown)}" if shown else text


def structures(label: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Detail]:
    """Lists of maps: what was added, taken or changed inside. Entries are known by a name, else by what is most alike."""
    identity = next((key for key in _NAMES if _names(before, key) and _names(after, key)), None)
    if identity is None:
        yield from _inside(label, list(before), list(after)) if before and after else _plain(label, before, after)
        return
    old, new = ({str(entry[identity]): entry for entry in side} for side in (before, after))
    for name in sorted({*old, *new}):
        here = f"{label}[{visible(name)}]"
        if name not in old or name not in new:
            yield from _plain(here, [old[name]] if name in old else [], [new[name]] if name in new else [])
        elif old[name] != new[name]:
            yield from _inside(here, old[name], new[name])


_NAMES = ("Sid", "name", "key", "id")


def _names(entries: Sequence[Any], key: str) -> bool:
    """Whether each entry has a name of its own under this key."""
    names = [str(entry.get(key) or "") if isinstance(entry, dict) else "" for entry in entries]
    return bool(names) and all(names) and len(set(names)) == len(names)


def _plain(label: str, before: Sequence[Any], after: Sequence[Any]) -> Iterator[Detail]:
    yield from (Detail("+", label, "", show(entry)) for entry in after)
    yield from (Detail("-", label, show(entry), "") for entry in before)


def _inside(label: str, before: Any, after: Any) -> Iterator[Detail]:
    from deepdiff import DeepDiff  # slow to import, and only this needs it

    # Without pairs across a list, a statement that gains an action is one thing, not one taken and another added.
    found = DeepDiff(before, after, ignore_order=True, verbose_level=2, threshold_to_diff_deeper=0, cutoff_distance_for_pairs=0.9)
    for sort in ("values_changed", "type_changes"):
        for path, change in sorted((found.get(sort) or {}).items()):
            yield Detail("~", label + _spelled(path), show(change["old_value"]), show(change["new_value"]))
    for sign, verb in (("+", "added"), ("-", "removed")):
        for sort in (f"dictionary_item_{verb}", f"iterable_item_{verb}"):
            for path, value in sorted((found.get(sort) or {}).items()):
                here = label + _spelled(path, entry=sort.startswith("iterable"))
                yield Detail(sign, here, show(value) if sign == "-" else "", show(value) if sign == "+" else "")


def _spelled(path: str, *, entry: bool = False) -> str:
    """deepdiff's `root['Action'][0]` as ours: `.Action[0]`; an entry that was added or taken has no number worth saying."""
    from deepdiff.path import parse_path

    parts: list[str | int] = parse_path(path)  # type: ignore[no-untyped-call]  # deepdiff is not typed
    return "".join(f"[{part}]" if isinstance(part, int) else f".{visible(part)}" for part in (parts[:-1] if entry else parts))
