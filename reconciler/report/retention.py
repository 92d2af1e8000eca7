"""Retention for people: what is due to go, what stays and why, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from reconciler.core.values import show_duration, visible

SORTS = {"audit_log": "audit log", "secret_versions": "secret versions", "backups": "backups"}
YEAR = 365 * 86400
SHOWN = 20
"""Lines of one sort: whoever needs them all takes the JSON."""


def retention_text(found: Mapping[str, Any]) -> str:
    """What goes first, then what stays although it is old enough."""
    keeps = ", ".join(f"{SORTS.get(name, name)} {_span(seconds)}" for name, seconds in found["keeps"].items())
    where = found["document"] or "no document: these are the defaults"
    lines = [f"{found['environment']}: keeps {keeps} ({where})"]
    lines += _going(found) if found["done"] is None else _done(found)
    if found["staying"]:
        lines += ["", "Old enough, and stay:", *_staying(found["staying"])]
    if found["unread"]:
        lines += ["", "Could not be looked at:", *(f"  {one}" for one in found["unread"])]
    metrics = f"Metrics are kept by Prometheus: --storage.tsdb.retention.time={_span(found['keeps']['metrics'])}"
    return "\n".join(map(visible, [*lines, "", metrics]))


def _span(seconds: int) -> str:
    """A duration as people declare it: in years where it is whole ones."""
    years, rest = divmod(seconds, YEAR)
    return f"{years}y" if years and not rest else show_duration(seconds)


def _going(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["going"]:
        yield "Nothing is due."
        return
    for sort, things in groupby(found["going"], key=lambda one: one["sort"]):
        yield from ["", *_listed(_heading(sort, found), list(things))]
    yield ""
    yield f"{_counted(found['going'])} would go. Nothing was changed: --yes does it."


def _done(found: Mapping[str, Any]) -> Iterator[str]:
    gone = [one for one in found["done"] if not one["error"]]
    yield (
        f"{_counted(gone)} {'is' if len(gone) == 1 else 'are'} gone."
        if gone
        else "Nothing was due."
        if not found["done"]
        else "Nothing is gone."
    )
    for one in found["done"]:
        if one["error"]:
            yield f"error: {_thing(one)} stays: {one['error']}"


def _heading(sort: str, found: Mapping[str, Any]) -> str:
    verb = {"audit_log": f"goes to {found['archive']}", "secret_versions": "are destroyed", "backups": "are deleted"}[sort]
    return f"{SORTS[sort]} {verb}:"


def _listed(heading: str, things: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield heading
    yield from (f"  {_thing(one)}, {_age(one)}" for one in things[:SHOWN])
    if len(things) > SHOWN:
        yield f"  and {len(things) - SHOWN:,} more (-o json lists all)"


def _thing(one: Mapping[str, Any]) -> str:
    if one["sort"] == "secret_versions":
        return f"{one['name']} version {one['version']} in {one['place']}"
    return f"{one['name']} ({one['version']})" if one["version"] else one["name"]


def _age(one: Mapping[str, Any]) -> str:
    word = {"audit_log": "ended", "secret_versions": "replaced", "backups": "made"}[one["sort"]]
    return f"{word} {one['ended'][:10]}"


def _staying(staying: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    reasons = Counter((one["sort"], one["reason"]) for one in staying)
    for (sort, reason), count in reasons.items():
        first = next(one for one in staying if (one["sort"], one["reason"]) == (sort, reason))
        more = f" and {count - 1:,} more" if count > 1 else ""
        yield f"  {_thing(first)}{more}: {reason}"


def _counted(things: Sequence[Mapping[str, Any]]) -> str:
    units = {"audit_log": "segment", "secret_versions": "version", "backups": "backup"}
    counts = Counter(units[one["sort"]] for one in things)
    return ", ".join(f"{count:,} {unit}{'s' * (count != 1)}" for unit, count in counts.items())
