"""The report on rotations: what is due or in trouble, and how many rotations came to their end."""

from __future__ import annotations

from typing import Any

from reconciler.core.rotated import Ended, RotationReport
from reconciler.core.standing import standing_json

from .markdown import escape
from .rotation import HEADING, NO_SECRET, ordered, remarks, status_cells, totals
from .runs import table
from .tables import markdown_table


def report_text(found: RotationReport) -> str:
    if not found.standings:
        return NO_SECRET
    return "\n".join([_headline(found), "", table(_cells(found)), "", *remarks(found.standings, found.at)]).rstrip()


def report_markdown(found: RotationReport) -> str:
    title = f"### Rotation in {escape(found.environment)}\n"
    if not found.standings:
        return f"{title}\n{NO_SECRET}"
    notes = [f"- {escape(line)}" for line in remarks(found.standings, found.at)]
    return "\n".join([title, _headline(found), "", markdown_table(_cells(found)), *(["", *notes] if notes else [])])


def report_json(found: RotationReport) -> dict[str, Any]:
    """Rates are null where no rotation ended."""
    rows = [
        {**standing_json(one), "reason": one.reason or None, **_ended(found, one.path)._asdict(), "rate": _rate(_ended(found, one.path))}
        for one in ordered(found.standings)
    ]
    summary = {
        "secrets": len(rows),
        "overdue": sum(one.overdue for one in found.standings),
        "due_soon": sum(one.warn for one in found.standings),
        "held": sum(one.phase == "HELD" for one in found.standings),
        "orphaned": sum(one.phase == "ORPHANED" for one in found.standings),
        "in_trouble": sum(one.in_trouble for one in found.standings),
        **_all(found)._asdict(),
        "rate": _rate(_all(found)),
    }
    return {"environment": found.environment, "since": found.since or None, "summary": summary, "secrets": rows}


def _headline(found: RotationReport) -> str:
    every, period = _all(found), f" since {found.since[:16]}" if found.since else ""
    rate = _rate(every)
    if rate is None:
        return f"{totals(found.standings)} No rotation came to an end{period}."
    count = every.succeeded + every.failed
    return f"{totals(found.standings)} {every.succeeded:,} of {count:,} rotations ({rate:.0%}) came to their end{period}."


def _cells(found: RotationReport) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [(*HEADING, "done", "failed")]
    for one in ordered(found.standings):
        ended = _ended(found, one.path)
        rows.append((*status_cells(one, found.at), f"{ended.succeeded:,}", f"{ended.failed:,}"))
    return rows


def _ended(found: RotationReport, path: str) -> Ended:
    return found.ended.get(path, Ended())


def _all(found: RotationReport) -> Ended:
    """Of the secrets that are declared now."""
    ended = [_ended(found, one.path) for one in found.standings]
    return Ended(sum(one.succeeded for one in ended), sum(one.failed for one in ended))


def _rate(ended: Ended) -> float | None:
    count = ended.succeeded + ended.failed
    return round(ended.succeeded / count, 4) if count else None
