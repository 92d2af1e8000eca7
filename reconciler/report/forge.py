"""What the server writes on a forge. Each comment begins with a marker, by which it is found again and kept up to date."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.values import visible

from .markdown import LIMIT, escape

SHOWN = 50  # outcomes: those that went wrong first
LOG_LIMIT = 40_000
_DIGEST = re.compile(r"digest=(sha256:[0-9a-f]{64})? ")


def plan_marker(environment: str) -> str:
    return f"<!-- reconciler:plan environment={environment} "


def apply_marker(environment: str) -> str:
    return f"<!-- reconciler:apply environment={environment} "


def answer_marker(comment: str) -> str:
    return f"<!-- reconciler:answer comment={comment} "


def digest_in(body: str) -> str:
    """The digest that a comment's first line names; empty where it names none."""
    found = _DIGEST.search(body.partition("\n")[0])
    return (found[1] or "") if found else ""


def no_plan_markdown(environment: str, log: str) -> str:
    """The comment where there is no plan. Without a digest no apply takes it for a reviewed one."""
    return f"{plan_marker(environment)}digest= -->\n### No plan for `{environment}`\n\n{quoted(log)}"


def fork_markdown(environment: str, commit: str, valid: bool, log: str) -> str:
    """The comment on a pull request from a fork, which is only validated."""
    said = "The desired state is valid." if valid else "The desired state is not valid:"
    remedy = f"Somebody who may push can have it planned, after a look at it: `/reconcile plan {commit[:12]}`"
    lines = (f"### No plan for `{environment}`: a fork", "", f"{said} {remedy}" if valid else said)
    return f"{plan_marker(environment)}digest= -->\n" + "\n".join(lines) + ("\n" if valid else f"\n\n{quoted(log)}")


def outcome_markdown(environment: str, commit: str, title: str, answer: Mapping[str, Any] | None, log: str, fresh: str = "") -> str:
    """The comment after an apply. `fresh`: what the plan is now, where something has to be decided."""
    head = f"{apply_marker(environment)}digest={digest_in(fresh)} -->\n### {escape(title)} (`{environment}` at `{commit[:7]}`)\n"
    body = "\n".join([head, *_outcomes(answer), *_refusals(answer), "", quoted(log)])
    # The fresh plan last: it is what may be cut, and it stands without its marker, so that no apply takes it for the reviewed one.
    rest = fresh.partition("\n")[2]
    return f"{body}\n\n{rest}"[:LIMIT] if rest else body[:LIMIT]


def answer_markdown(comment: str, author: str, text: str) -> str:
    """The reply to a command."""
    return f"{answer_marker(comment)}-->\n{escape(author)}: {escape(text)}\n"


def sum_text(answer: Mapping[str, Any] | None) -> str:
    """`3 applied, 1 failed`."""
    counts = Counter(one["outcome"] for one in answer["outcomes"]) if answer else Counter()
    return ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(counts.items())) or "nothing to change"


def _outcomes(answer: Mapping[str, Any] | None) -> Iterator[str]:
    if not answer or not answer["outcomes"]:
        return
    yield f"{sum_text(answer)}. Run `{answer['run']}`."
    yield ""
    wrong_first = sorted(answer["outcomes"], key=lambda one: one["outcome"] == "applied" and not one["error"])
    for one in wrong_first[:SHOWN]:
        why = f": {escape(one['error'])}" if one["error"] else ""
        yield f"- {one['outcome']} {one['action']} <code>{escape(one['address'])}</code>{why}"
    if len(wrong_first) > SHOWN:
        yield f"- and {len(wrong_first) - SHOWN:,} more"
    yield ""


def _refusals(answer: Mapping[str, Any] | None) -> Iterator[str]:
    for one in (answer or {}).get("refusals", ())[:SHOWN]:
        yield f"- refused by `{one['guard']}`: <code>{escape(one['address'])}</code> {escape(one['message'])}"


def quoted(log: str) -> str:
    """A log as it is: it quotes the pull request, and as text of HTML it can end nothing and be no markup."""
    clean = "\n".join(map(visible, log.replace("\r", "").strip("\n")[:LOG_LIMIT].split("\n")))
    return f"<pre>\n{html.escape(clean, quote=False)}\n</pre>" if clean else ""
