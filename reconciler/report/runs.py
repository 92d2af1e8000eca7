"""Runs, outcomes, versions of an object and the lock, for people and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.change import Action
from reconciler.core.plan import Plan
from reconciler.core.run import AppliedVersion, ObjectRecord, RunRecord
from reconciler.core.values import visible

from .rows import recorded
from .tables import markdown_table
from .text import detail_lines

_LISTED = 60  # a screen or so; above that, what went wrong would be lost among what did not


def applied_json(plan: Plan, run: str = "", outcomes: Sequence[ObjectRecord] = ()) -> dict[str, Any]:
    """The JSON of `apply` and `rollback`. `run` is empty where nothing was begun."""
    shown = [{"address": one.address, "action": one.action, "outcome": one.outcome, "error": one.error or None} for one in outcomes]
    refusals = [{"guard": one.guard.value, "address": one.address, "message": one.message} for one in plan.refusals]
    answer = {"run": run or None, "commit": plan.header.commit or None, "digest": plan.digest, "outcomes": shown}
    return {**answer, "refusals": refusals} if refusals else answer


def applied_text(plan: Plan, run: str, outcomes: Sequence[ObjectRecord], cost: str) -> str:
    """A line for each object, or where there are many for each that was not simply done; then a summary."""
    shown = outcomes if len(outcomes) <= _LISTED else [one for one in outcomes if one.outcome != "applied" or one.error]
    lines = [f"  {one.outcome:<8} {one.action:<8} {one.address}{f': {one.error}' if one.error else ''}" for one in shown]
    lines.extend(f"note: {note}" for note in plan.notes)
    counts = Counter(one.outcome for one in outcomes)
    said = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items())) or "nothing to change"
    lines.append(f"{plan.header.environment} at {plan.header.commit[:7]}: {said}. Run {run}. {cost}".rstrip())
    return "\n".join(map(visible, lines))


def runs_text(runs: Sequence[RunRecord]) -> str:
    """A table, newest first."""
    return table(_run_cells(runs)) if runs else "Nothing was applied yet."


def runs_markdown(runs: Sequence[RunRecord]) -> str:
    """The same for a page."""
    return markdown_table(_run_cells(runs)) if runs else "Nothing was applied."


def _run_cells(runs: Sequence[RunRecord]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("run", "what", "commit", "started", "outcome", "changes", "by")]
    for run in runs:
        # An apply counts by action, and what it left unchanged; other runs count by what they recorded.
        counted = (*Action, *(name for name in run.summary if "." in name))
        changes = ", ".join(f"{run.summary[action]} {action}" for action in counted if run.summary.get(action))
        outcome = "running, or killed" if run.outcome == "running" else run.outcome
        rows.append((run.id, run.sort, run.commit[:7], run.started, outcome, changes or "none", run.actor))
    return rows


def run_json(run: RunRecord) -> dict[str, Any]:
    return {**{name: value for name, value in run._asdict().items() if name != "chunk"}, "summary": dict(run.summary)}


def versions_text(address: str, versions: Sequence[AppliedVersion]) -> str:
    """What each run did to one object, newest first."""
    if not versions:
        return f"No run changed {address}."
    lines = [address]
    for run, record in versions:
        lines.append(f"  {run.started}  run {run.id}  commit {run.commit[:7]}  {run.sort}: {record.action}, {record.outcome}")
        if record.after is not None:
            lines.extend(detail_lines(tuple(recorded(record.before, record.after))))
    return "\n".join(map(visible, lines))


def version_json(version: AppliedVersion) -> dict[str, Any]:
    run, record = version
    about = {"run": run.id, "commit": run.commit, "started": run.started, "sort": run.sort}
    return {**about, "action": record.action, "outcome": record.outcome, "spec": record.after}


def lock_text(held: Mapping[str, Any] | None) -> str:
    """Who holds the lock, in one sentence."""
    if held is None:
        return "Nobody holds the lock."
    return f"Held by {held['owner']} on {held['host']} (run {held['run']}) since {held['since']}, until {held['until']} unless renewed."


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
