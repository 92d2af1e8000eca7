"""A plan as a pull-request comment: the summary first, then the objects by action, details folded.

What stands in it comes from a pull request, so all of it may try to be markup. Values stand in fenced blocks, whose
lines begin with a sign and so cannot close them; everything else has every character that could mean something to
markdown or HTML written as an entity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.plan import Plan
from reconciler.core.values import visible

from .access import access_effects
from .rows import TITLES, Row, rows, sentence
from .structures import NONE, Detail
from .text import by_guard, first_few, lift, refusal_sentence, unknown_sentence

LIMIT = 65_535
"""GitHub refuses a longer comment."""
FOLDED_FROM = 20  # objects of one action, or lines of access: more of them are a fold of their own
DESTROYING = 2  # the first groups, which are never folded

CUT = "\n\n_Cut here: GitHub takes no longer comment. The whole plan is in the job's artefact and summary._\n"
_FENCE, _OPEN, _CLOSE = "```", "<details>", "</details>"
# What means something anywhere, at the edge of a word, or at the beginning of a line.
_MARKUP = re.compile(r"[&<>`*~|$\\\[\]]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[-+=:]|(?<=^\d)[.)]|(?<=^\d\d)[.)]")


def plan_markdown(plan: Plan, about: str = "", limit: int = LIMIT) -> str:
    """The comment, at most `limit` characters long; open folds and fences are closed where it is cut."""
    lines = _single_blanks(_lines(plan, about))
    whole = "\n".join(lines) + "\n"
    return whole if len(whole) <= limit else _cut(lines, limit)


def _single_blanks(lines: Iterable[str]) -> list[str]:
    kept = [""]
    for line in lines:
        if line or kept[-1]:
            kept.append(line)
    return kept[1:]


def _cut(lines: Sequence[str], limit: int) -> str:
    kept: list[str] = []
    length, fenced, folds = len(CUT), False, 0
    for line in lines:
        fenced_then = fenced != line.startswith(_FENCE)
        folds_then = folds + line.startswith(_OPEN) - (line == _CLOSE)
        if length + len(line) + 1 + len(_closing(fenced_then, folds_then)) > limit:
            break
        kept.append(line)
        length, fenced, folds = length + len(line) + 1, fenced_then, folds_then
    return "\n".join(kept) + _closing(fenced, folds) + CUT


def _closing(fenced: bool, folds: int) -> str:
    return (f"\n{_FENCE}" if fenced else "") + f"\n\n{_CLOSE}" * folds


def _lines(plan: Plan, about: str) -> Iterator[str]:
    header = plan.header
    yield f"<!-- reconciler:plan environment={header.environment} digest={plan.digest} -->"
    dirty = " with uncommitted changes" if header.dirty else ""
    yield f"### Plan for `{header.environment}` at `{header.commit[:7] or 'no commit'}`{dirty}"
    yield ""
    yield f"**{sentence(plan)}**{f' {escape(about)}' if about else ''}"
    yield ""
    yield f"<sub>Digest <code>{plan.digest}</code></sub>"
    yield ""
    yield from _alarms(plan)
    changed = rows(plan)
    for place, (action, title) in enumerate(TITLES.items()):
        group = [row for row in changed if row.action is action]
        if group:
            yield from _group(f"{title} ({len(group):,})", group, folded=place >= DESTROYING and len(group) >= FOLDED_FROM)
    if plan.notes:
        yield from _fold(f"Notes ({len(plan.notes):,})", [f"- {escape(note)}" for note in plan.notes])


def _alarms(plan: Plan) -> Iterator[str]:
    """What a reviewer must not miss stands unfolded."""
    for guard, found in by_guard(plan.refusals).items():
        yield "> [!CAUTION]"
        yield f"> **Refused by `{guard.value}`.** {lift(guard)}"
        yield ">"
        yield from (f"> - {escape(line)}" for line in first_few(refusal_sentence(one) for one in found))
        yield ""
    if plan.unknown:
        yield "> [!WARNING]"
        yield "> **Could not be read, so nothing is planned there:**"
        yield ">"
        yield from (f"> - {escape(line)}" for line in first_few(map(unknown_sentence, plan.unknown)))
        yield ""
        policies = sorted({one.policy for one in plan.unknown if one.policy})
        # Set in by four, so that no line of it can end the fence.
        granting = [f"    {visible(line)}" for policy in policies for line in policy.split("\n")]
        yield from _fold("The policy that grants it", ["```hcl", *granting, _FENCE]) if granting else ()
    effects = list(_access(plan.access))
    if len(effects) >= FOLDED_FROM:
        yield from _fold(f"<b>Access ({len(plan.access):,})</b>", effects)
    elif effects:
        yield from ("#### Access", "", *effects, "")


def _access(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for subject, clauses in access_effects(entries):
        if len(clauses) == 1:
            yield f"- {escape(subject)} {escape(clauses[0])}"
        else:
            yield f"- {escape(subject)}"
            yield from (f"  - {escape(clause)}" for clause in clauses)


def _group(title: str, group: Iterable[Row], *, folded: bool) -> Iterator[str]:
    lines = (line for row in group for line in _object(row))
    if folded:
        yield from _fold(f"<b>{title}</b>", lines)
        return
    yield f"#### {title}"
    yield ""
    yield from lines
    yield ""


def _object(row: Row) -> Iterator[str]:
    remark = f" <b>{escape(row.remark)}</b>" if row.remark else ""
    origin = f" <sub>{escape(row.origin)}</sub>" if row.origin else ""
    # As code: GitHub looks for no @names, #numbers or emoji in it, and it can be copied as it is.
    head = f"<code>{row.sign} {_inert(row.address)}</code>{remark}{origin}"
    if row.details:
        yield from _fold(head, ["```diff", *_diff(row.details), _FENCE])
    else:
        yield f"- {head}"


def _fold(summary: str, lines: Iterable[str]) -> Iterator[str]:
    """Blank lines around what is folded, or GitHub takes it for HTML."""
    yield ""
    yield f"{_OPEN}<summary>{summary}</summary>"
    yield ""
    yield from lines
    yield ""
    yield _CLOSE
    yield ""


def _diff(details: Iterable[Detail]) -> Iterator[str]:
    for detail in details:
        if detail.sign != "+" and detail.before != detail.after:
            yield f"- {detail.label}: {detail.before or NONE}"
        if detail.sign != "-":
            yield f"+ {detail.label}: {detail.after or NONE}"


def escape(text: str) -> str:
    """Plain text in markdown or HTML: no markup, no mention of a person, no link."""
    # GitHub looks for mentions after it has read the entities: what stands behind the sign must be no name.
    return re.sub("@|(?<!&)#", lambda found: f"{found[0]}&#8203;", _inert(text))


def _inert(text: str) -> str:
    entities = _MARKUP.sub(lambda found: f"&#{ord(found[0])};", visible(" ".join(text.split())))
    return entities.replace("://", ":&#8203;//").replace("www.", "www&#8203;.")
