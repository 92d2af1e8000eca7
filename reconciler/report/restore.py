"""Restores in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..core.tried import Tried
from ..core.values import visible

MOST = 20  # lines of one sort; the JSON has all
_VERDICTS = {
    "works": "works",
    "refused": "is refused by its target",
    "unsure": "could not be tried",
    "untested": "cannot be tried",
    "lacking": "is not there",
}


def plan_text(id: str, rows: Sequence[dict[str, Any]]) -> str:
    """What a restore would do: `rows` have part, id, action, writes and why."""
    lines = [f"Restore of {id}"]
    for part in dict.fromkeys(row["part"] for row in rows):
        of_part = [row for row in rows if row["part"] == part]
        todo = [row for row in of_part if row["action"] in ("create", "finish")]
        there = sum(row["action"] == "same" for row in of_part)
        lines.append(f"  {part}: {_written(part, todo)}{f', {there:,} there already' if there and part not in _WHOLE else ''}")
    lines += _listed("There already, and more:", [row for row in rows if row["action"] == "same" and row["why"]])
    lines += _listed("Not what was backed up, and not written over:", [row for row in rows if row["action"] == "newer"])
    return "\n".join(map(visible, lines))


def _listed(title: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    shown = [f"  {' '.join((row['part'], row['id'])).rstrip()}: {row['why']}" for row in rows[:MOST]]
    more = [f"  and {len(rows) - MOST:,} more"] if len(rows) > MOST else []
    return ["", title, *shown, *more] if rows else []


_WHOLE = ("ledger", "audit")


def _written(part: str, todo: Sequence[dict[str, Any]]) -> str:
    if not todo:
        return "nothing to write"
    count = sum(row["writes"] for row in todo)
    return f"{count:,} entries" if part in _WHOLE else f"{count:,} versions of {len(todo):,} secrets and states of rotations"


def tried_text(rows: Sequence[Tried]) -> str:
    """What became of each credential."""
    return "\n".join(visible(line) for line in _tried_lines(rows))


def _tried_lines(rows: Sequence[Tried]) -> Iterator[str]:
    for row in rows:
        why = f" ({row.why})" if row.why else ""
        yield f"  {row.path} {_VERDICTS[row.verdict]}{why}: {_fate(row)}"
    held = sum(not row.released for row in rows)
    if held:
        yield f"{held:,} still held: `reconcile restore --probe` tries them again, `reconcile rotate release PATH` lets one go untried"


def _fate(row: Tried) -> str:
    if not row.released:
        return "HELD"
    return f"rotated anew, {row.became}" if row.became else "released"
