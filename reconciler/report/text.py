"""Plans and outcomes as lines for a terminal or a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from reconciler.core.guard import Refusal
from reconciler.core.plan import Plan, Unknown

from .rows import IRREVERSIBLE, Detail, Row, rows, sentence

Paint = Callable[[str, str], str]
"""(text, style) -> text; styles: create, update, delete, danger, quiet, strong."""

_STYLES = {"+": "create", "~": "update", "-": "delete", "±": "delete", IRREVERSIBLE: "danger", "=": "quiet", "x": "quiet"}
WIDTH = 52  # of the first column: most addresses fit, and the origin stays in sight


def plain(text: str, _style: str) -> str:
    return text


def plan_text(plan: Plan, about: str = "", cost: str = "", paint: Paint = plain) -> str:
    """A whole plan. `about`: the instances; `cost`: what reading took."""
    commit = plan.header.commit[:7] or "no commit"
    dirty = " with uncommitted changes" if plan.header.dirty else ""
    lines = [paint(f"{plan.header.environment} at {commit}{dirty}", "strong") + (f"  {about}" if about else ""), ""]
    for row in rows(plan):
        lines.extend(_row(row, paint))
    if plan.changes:
        lines.append("")
    lines.extend(_access(plan.access))
    lines.extend(_unknown(plan.unknown, paint))
    lines.extend(_notes(plan.notes))
    lines.extend(_refusals(plan.refusals, paint))
    lines.append(paint(sentence(plan), "strong") + (f" {cost}" if cost else ""))
    return "\n".join(lines)


def _row(row: Row, paint: Paint) -> Iterator[str]:
    sign = paint(row.sign, _STYLES[row.sign])
    tail = "  ".join(part for part in (paint(row.remark, "danger") if row.remark else "", paint(row.origin, "quiet")) if part)
    yield f"  {sign} {row.address:<{WIDTH}}{tail}".rstrip()
    for detail in row.details:
        yield _detail(detail, paint)


def _detail(detail: Detail, paint: Paint) -> str:
    sign = paint(detail.sign, _STYLES[detail.sign]) if detail.sign != "~" else " "
    label = f"    {sign} {detail.label:<30}"
    if detail.before and detail.after:
        return f"{label} {detail.before} -> {detail.after}"
    if detail.sign == "~":
        return f"{label} {detail.before or '(none)'} -> {detail.after or '(none)'}"
    return f"{label} {detail.after or detail.before}".rstrip()


def _access(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    entries = tuple(entries)
    if not entries:
        return
    yield "Access"
    for entry in entries:
        yield f"  {access_sentence(entry)}"
    yield ""


def access_sentence(entry: Mapping[str, Any]) -> str:
    """`role x gains read on path (4 secrets)`"""
    parts = [f"{verb} {', '.join(entry[verb])}" for verb in ("gains", "loses") if entry[verb]]
    secrets = entry.get("secrets")
    count = f" ({secrets:,} secret{'s' if secrets != 1 else ''})" if secrets else ""
    return f"{entry['subject']} {' and '.join(parts)} on {entry['path']}{count}"


def _unknown(unknown: Iterable[Unknown], paint: Paint) -> Iterator[str]:
    unknown = tuple(unknown)
    if not unknown:
        return
    yield paint("Could not be read, so nothing is planned there:", "danger")
    for one in unknown:
        yield f"  {one.kind} {one.prefix or '(all)'} in {one.place}: lacks {one.missing}"
    policies = sorted({one.policy for one in unknown if one.policy})
    if policies:
        yield "  This grants what is missing:"
        yield from (f"    {line}" for policy in policies for line in policy.splitlines())
    yield ""


def _notes(notes: Iterable[str]) -> Iterator[str]:
    notes = tuple(notes)
    if notes:
        yield from (f"note: {note}" for note in notes)
        yield ""


def _refusals(refusals: Iterable[Refusal], paint: Paint) -> Iterator[str]:
    refusals = tuple(refusals)
    for one in refusals:
        subject = f" {one.address}:" if one.address else ""
        yield f"{paint(f'Refused by {one.guard.value}:', 'danger')}{subject} {one.message}"
    for guard in sorted({one.guard.value for one in refusals}):
        yield f"  Lift it with --allow {guard} or an approval document."
    if refusals:
        yield ""
