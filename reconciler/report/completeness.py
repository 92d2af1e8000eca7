"""Completeness for people: what was written past the log, and what the log tells that is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.values import visible

from .runs import table

SHOWN = 50  # of a sort; the JSON has all


def completeness_text(found: Mapping[str, Any]) -> str:
    """What does not fit first, then what each store has."""
    name, count = found["environment"], sum(store["versions"] for store in found["stores"])
    lines = []
    if not found["stores"]:
        return f"{name} declares no store (write `stores: {{vault: {{mount: MOUNT}}}}` in its file)."
    if found["findings"]:
        things = "1 thing does" if len(found["findings"]) == 1 else f"{len(found['findings']):,} things do"
        lines.append(f"{name}: {things} not fit between the stores and the audit log.")
    elif found["unread"]:
        lines.append(f"{name}: not known to be complete, since not everything could be read.")
    else:
        lines.append(f"{name}: each of {count:,} versions has its outcome in the audit log, or is accounted for below.")
    lines += _listed([_finding(one) for one in found["findings"]])
    lines += _listed([f"  not read: {one['store']} {one['path']}: {one['reason']}" for one in found["unread"]])
    lines += ["", table(_rows(found["stores"])), *_remarks(found)]
    return "\n".join(map(_visible_lines, lines))


def _finding(one: Mapping[str, Any]) -> str:
    made = f", made {one['made']}" if one["made"] and one["made"] not in one["message"] else ""
    entries = f" (entry {', '.join(map(str, one['entries']))})" if one["entries"] else ""
    written = f"; written by {', '.join(one['written_by'])}" if one["written_by"] else ""
    return f"  {one['sort']}: {one['store']} {one['path']} version {one['version']}{made}: {one['message']}{entries}{written}"


def _listed(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:SHOWN]
    if len(lines) > SHOWN:
        yield f"  and {len(lines) - SHOWN:,} more (-o json has all)"


def _rows(stores: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    heading = ("store", "secrets", "versions", "matched", "unsure", "before", "archived", "undated", "gone")
    return [heading, *((one["store"], *(f"{one[name]:,}" for name in heading[1:])) for one in stores)]


def _remarks(found: Mapping[str, Any]) -> Iterator[str]:
    def total(name: str) -> int:
        return sum(int(store[name]) for store in found["stores"])

    if total("unsure"):
        yield f"unsure: {total('unsure'):,} may be of writes whose answer was lost or that failed:"
        yield from _listed(
            [
                f"  {one['store']} {one['path']} version {one['version']}, made {one['made']}: {one['action']}"
                + (f" (entry {one['entry']})" if one["entry"] >= 0 else "")
                for one in found["unsure"]
            ]
        )
    if total("before"):
        begins = f", which begins at {found['log_begins']}" if found["log_begins"] else ": nothing was ever recorded"
        yield f"before: {total('before'):,} are older than the audit log{begins}"
    if total("archived"):
        yield f"archived: {total('archived'):,} were made in a time whose lines are in an archive"
    if total("undated"):
        yield f"undated: of {total('undated'):,} the store does not say any more when they were made, since they were destroyed"
    if total("gone"):
        yield f"gone: {total('gone'):,} that the log names were deleted, or let go by a store that keeps a number of versions"
    if found["elsewhere"]:
        yield f"{found['elsewhere']:,} writes went to stores that are not declared any more"


def _visible_lines(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))
