"""Plans as lines for a terminal or a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.guard import Guard, Refusal
from reconciler.core.plan import Plan, Unknown
from reconciler.core.values import visible

from .access import access_effects
from .rows import IRREVERSIBLE, Row, rows, sentence
from .structures import NONE, Detail

Paint = Callable[[str, str], str]
"""(text, style) -> text; styles: create, update, delete, danger, quiet, strong."""

_STYLES = {"+": "create", "~": "update", "-": "delete", "±": "delete", IRREVERSIBLE: "danger", "=": "quiet", "x": "quiet"}
# Columns are as wide as what stands in them, up to these: one long name must not push all others out of sight.
WIDEST_ADDRESS, WIDEST_LABEL, WIDEST_VALUE = 64, 44, 32
MOST_SHOWN = 20  # refusals of one guard, or gaps: what is wrong has become clear by then, and JSON has them all


def plain(text: str, _style: str) -> str:
    return text


def plan_text(plan: Plan, about: str = "", cost: str = "", paint: Paint = plain, *, unmanaged: bool = False) -> str:
    """A whole plan. `about`: the instances; `cost`: what reading took; `unmanaged`: with the names of what is beside it."""
    commit = plan.header.commit[:7] or "no commit"
    dirty = " with uncommitted changes" if plan.header.dirty else ""
    lines = [paint(f"{plan.header.environment} at {commit}{dirty}", "strong") + (f"  {about}" if about else ""), ""]
    changed = rows(plan)
    width = _width((row.address for row in changed), WIDEST_ADDRESS)
    for row in changed:
        lines.extend(_row(row, width, paint))
    if changed:
        lines.append("")
    lines.extend(_access(plan.access))
    lines.extend(_unknown(plan.unknown, paint))
    lines.extend(_notes(plan.notes))
    lines.extend(_refusals(plan.refusals, paint))
    if unmanaged and plan.unmanaged:
        lines.extend(["Unmanaged", *(f"  {address}" for address in plan.unmanaged), ""])
    lines.append(paint(sentence(plan), "strong") + (f" {cost}" if cost else ""))
    return "\n".join(lines)


def _width(texts: Iterable[str], widest: int) -> int:
    return max((len(text) for text in texts if len(text) <= widest), default=0)


def _row(row: Row, width: int, paint: Paint) -> Iterator[str]:
    sign = paint(row.sign, _STYLES[row.sign])
    tail = "  ".join(part for part in (row.remark and paint(row.remark, "danger"), row.origin and paint(row.origin, "quiet")) if part)
    yield f"  {sign} {row.address:<{width}}  {tail}".rstrip()
    yield from detail_lines(row.details, paint)


def detail_lines(details: Sequence[Detail], paint: Paint = plain) -> Iterator[str]:
    """The lines below one object."""
    labels = _width((detail.label for detail in details), WIDEST_LABEL)
    values = _width((detail.before or NONE for detail in details if detail.sign == "~" and detail.after), WIDEST_VALUE)
    for detail in details:
        yield _detail(detail, labels, values, paint)


def _detail(detail: Detail, labels: int, values: int, paint: Paint) -> str:
    sign = paint(detail.sign, _STYLES[detail.sign]) if detail.sign != "~" else " "
    head = f"    {sign} {detail.label:<{labels}}"
    if detail.sign != "~" or detail.before == detail.after:
        return f"{head}  {detail.after or detail.before}".rstrip()
    return f"{head}  {detail.before or NONE:<{values}}  ->  {detail.after or NONE}"


def _access(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    found = access_effects(entries)
    if not found:
        return
    yield "Access"
    for subject, clauses in found:
        if len(clauses) == 1:
            yield f"  {subject} {clauses[0]}"
        else:
            yield f"  {subject}"
            yield from (f"    {clause}" for clause in clauses)
    yield ""


def _unknown(unknown: Iterable[Unknown], paint: Paint) -> Iterator[str]:
    unknown = tuple(unknown)
    if not unknown:
        return
    yield paint("Could not be read, so nothing is planned there:", "danger")
    yield from (f"  {line}" for line in first_few(map(unknown_sentence, unknown)))
    policies = sorted({one.policy for one in unknown if one.policy})
    if policies:
        yield "  This grants what is missing:"
        yield from (f"    {visible(line)}" for policy in policies for line in policy.split("\n"))
    yield ""


def unknown_sentence(one: Unknown) -> str:
    """`vault.approle_role approle/ in primary/team: lacks read on auth/approle/role/*`"""
    # Without a policy that grants it, it is no capability that is missing: the words say what else.
    return visible(f"{one.kind} {one.prefix or '(all)'} in {one.place}: {'lacks ' if one.policy else ''}{one.missing}")


def _notes(notes: Iterable[str]) -> Iterator[str]:
    notes = tuple(notes)
    if notes:
        yield from (f"note: {visible(note)}" for note in notes)
        yield ""


def by_guard(refusals: Iterable[Refusal]) -> Mapping[Guard, list[Refusal]]:
    """Refusals under the guard that they are lifted by."""
    groups: dict[Guard, list[Refusal]] = {}
    for one in refusals:
        groups.setdefault(one.guard, []).append(one)
    return groups


def lift(guard: Guard) -> str:
    return f"Lift it with --allow {guard.value} or an approval document."


def first_few(sentences: Iterable[str]) -> Iterator[str]:
    """The first ones, and how many more there are."""
    sentences = tuple(sentences)
    yield from sentences[:MOST_SHOWN]
    if len(sentences) > MOST_SHOWN:
        yield f"and {len(sentences) - MOST_SHOWN:,} more"


def _refusals(refusals: Iterable[Refusal], paint: Paint) -> Iterator[str]:
    for guard, found in by_guard(refusals).items():
        head = paint(f"Refused by {guard.value}:", "danger")
        if len(found) == 1:
            yield f"{head} {_refusal(found[0])}. {lift(guard)}"
            continue
        yield f"{head} {len(found):,} objects. {lift(guard)}"
        yield from (f"  {line}" for line in first_few(map(_refusal, found)))
    if refusals:
        yield ""


def _refusal(one: Refusal) -> str:
    """What is lost stands in the object's own row, right above."""
    return visible(one.address) if one.guard is Guard.IRREVERSIBLE else refusal_sentence(one)


def refusal_sentence(one: Refusal) -> str:
    return visible(f"{one.address}: {one.message}" if one.address else one.message)
