"""The audit log for people: what a verification found, and what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.values import visible

from .runs import table


def verdict_text(found: Mapping[str, Any]) -> str:
    """What a verification says, what is wrong first."""
    name = found["environment"]
    lines = []
    if found["findings"]:
        lines.append(f"{name}: the audit log is not what was recorded.")
        lines += [f"  {_finding(one)}" for one in found["findings"]]
    else:
        segments = f"{found['segments']:,} segment{'s' * (found['segments'] != 1)}"
        lines.append(f"{name}: {found['entries']:,} entries in {segments} are what was recorded, the newest at {found['newest']}.")
    if found["checkpoint"]:
        lines.append(f"Checkpoint over {found['checkpoint']['size']:,} entries, signed by {found['checkpoint']['signed_by']}.")
    if found["uncommitted"]:
        lines.append(f"{found['uncommitted']:,} entries of processes that run, or were killed, are not in the log yet.")
    if found["unanswered"]:
        lines.append("No outcome was recorded of:")
        lines += [
            f"  {one['action']} {one['resource']} (commit {one['commit'][:7] or 'none'}, run {one['run']})" for one in found["unanswered"]
        ]
    lines += [f"note: {one}" for one in found["notes"]]
    lines.append("This cannot see: " + "; ".join(found["unseen"]) + ".")
    return "\n".join(map(visible, lines))


def _finding(one: Mapping[str, Any]) -> str:
    entry = f"entry {one['entry']:,}" if one["entry"] is not None else ""
    place = ", ".join(part for part in (entry, one["where"]) if part)
    return f"{one['sort']}: {place}: {one['what']}" if place else f"{one['sort']}: {one['what']}"


def search_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table, oldest first."""
    if not rows:
        return "Nothing fits."
    shown = [("entry", "time", "what", "on", "outcome", "run", "by")]
    for one in rows:
        entry = f"{one['entry']}" if one["entry"] is not None else "-"
        outcome = one["outcome"] or ("none recorded" if one["type"] == "intent" else "")
        shown.append((entry, one["time"][:19] + "Z", one["action"], one["resource"], outcome, one["run"], one["by"]))
    return "\n".join(map(visible, table(shown).splitlines()))
