"""A plan as a pull-request comment: the summary first, then the objects by action, details folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.core.plan import Plan

from .rows import TITLES, Detail, Row, rows, sentence
from .text import access_sentence

LIMIT = 65_535
"""GitHub refuses a longer comment."""

CUT = "\n\n_Cut here: GitHub takes no longer comment. The whole plan is in the job's artefact and summary._\n"


def plan_markdown(plan: Plan, about: str = "", limit: int = LIMIT) -> str:
    """The comment, at most `limit` characters long; open folds are closed where it is cut."""
    lines = list(_lines(plan, about))
    if len("\n".join(lines)) <= limit:
        return "\n".join(lines)
    kept: list[str] = []
    room = limit - len(CUT) - len("\n```\n\n</details>\n")
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join(kept) + _closing(kept) + CUT


def _closing(lines: Iterable[str]) -> str:
    lines = tuple(lines)
    fences = sum(line.startswith("```") for line in lines)
    folds = sum(line.startswith("<details>") for line in lines) - sum(line == "</details>" for line in lines)
    return ("\n```\n" if fences % 2 else "") + ("\n</details>\n" if folds else "")


def _lines(plan: Plan, about: str) -> Iterator[str]:
    header = plan.header
    yield f"<!-- reconciler:plan environment={header.environment} digest={plan.digest} -->"
    yield f"### Plan for `{header.environment}` at `{header.commit[:7] or 'no commit'}`{' (uncommitted changes)' if header.dirty else ''}"
    yield ""
    yield f"**{sentence(plan)}**{f' {about}' if about else ''}"
    yield ""
    yield from _blocks(plan)
    changed = rows(plan)
    for action, title in TITLES.items():
        group = [row for row in changed if row.action is action]
        if group:
            yield from _group(title, group)
    if plan.notes:
        yield from _fold(f"Notes ({len(plan.notes)})", [f"- {escape(note)}" for note in plan.notes])
    yield f"Digest `{plan.digest}`"


def _blocks(plan: Plan) -> Iterator[str]:
    """What a reviewer must not miss stands unfolded."""
    for refusal in plan.refusals:
        yield f"> :no_entry: **{refusal.guard.value}** {escape(refusal.address)} {escape(refusal.message)}"
    if plan.refusals:
        yield ""
    for one in plan.unknown:
        yield f"> :grey_question: `{one.kind}` {escape(one.prefix) or '(all)'} in {one.place} could not be read: lacks {escape(one.missing)}"
    if plan.unknown:
        yield ""
    if plan.access:
        yield "#### Access"
        yield from (f"- {escape(access_sentence(entry))}" for entry in plan.access)
        yield ""


def _group(title: str, group: list[Row]) -> Iterator[str]:
    yield f"#### {title} ({len(group)})"
    yield ""
    for row in group:
        remark = f" **{escape(row.remark)}**" if row.remark else ""
        head = f"<code>{row.sign} {escape(row.address)}</code>{remark} {escape(row.origin)}"
        if row.details:
            yield from _fold(head, ["```diff", *_diff(row.details), "```"])
        else:
            yield f"- {head}"
    yield ""


def _fold(summary: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"<details><summary>{summary}</summary>"
    yield ""
    yield from lines
    yield ""
    yield "</details>"


def _diff(details: Iterable[Detail]) -> Iterator[str]:
    for detail in details:
        if detail.sign != "+":
            yield _fenced(f"- {detail.label}: {detail.before}")
        if detail.sign != "-":
            yield _fenced(f"+ {detail.label}: {detail.after}")


def _fenced(line: str) -> str:
    """A value must not close the fence that it is shown in."""
    return line.replace("```", "'''").replace("\n", " ")


def escape(text: str) -> str:
    """Plain text inside markdown and HTML: names come from pull requests and may try to be markup."""
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("`", "&#96;"), ("@", "&#64;"), ("|", "&#124;"), ("[", "&#91;"), ("!", "&#33;")):
        text = text.replace(sign, entity)
    return text.replace("\n", " ").replace("*", "&#42;").replace("_", "&#95;")
