"""From a proven webhook to the subject that it asks to look at; most ask for nothing.

Only the subject is taken from a body. A forged or stale body could at worst have us look once more.
"""

from __future__ import annotations

from typing import Any

from ..edge.endpoints import Receipt
from .events import News

FORGES = ("github", "gitlab")
PULL_ACTIONS = {
    "github": frozenset({"opened", "reopened", "synchronize", "edited", "ready_for_review"}),  # "edited" may be another base branch
    "gitlab": frozenset({"open", "reopen", "update"}),
}
MERGES = {"github": ("closed",), "gitlab": ("merge",)}
COMMAND = "/reconcile"
LONGEST_NOTE = 200


def news_of(receipt: Receipt, scheme: str, branch: str) -> News | None:
    """What a webhook asks to look at; None where that is nothing. Other senders than forges ask for a look at the branch."""
    subject = _subject(receipt, scheme, branch) if scheme in FORGES else "branch"
    if not subject:
        return None
    return News(receipt.replay_key, receipt.webhook, receipt.event or scheme, subject, f"delivery {receipt.delivery}"[:LONGEST_NOTE])


def _subject(receipt: Receipt, scheme: str, branch: str) -> str:
    body = _map(receipt.parsed)
    if receipt.event == "push":
        # A branch that was deleted has no tip to look at.
        return "branch" if body.get("ref") == f"refs/heads/{branch}" and _text(body, "after").strip("0") else ""
    return _github(receipt.event, body, branch) if scheme == "github" else _gitlab(receipt.event, body, branch)


def _github(event: str, body: dict[str, Any], branch: str) -> str:
    action = _text(body, "action")
    if event == "pull_request":
        pull = _map(body.get("pull_request"))
        return _pull("github", action, pull.get("number"), _map(pull.get("base")).get("ref") == branch, bool(pull.get("merged")))
    if event == "issue_comment" and action == "created":
        issue = _map(body.get("issue"))
        return _ordered(_map(body.get("comment")).get("body"), issue.get("number") if "pull_request" in issue else None)
    return ""


def _gitlab(event: str, body: dict[str, Any], branch: str) -> str:
    about = _map(body.get("object_attributes"))
    if event == "merge_request":
        return _pull("gitlab", _text(about, "action"), about.get("iid"), about.get("target_branch") == branch, True)
    if event == "note" and about.get("noteable_type") == "MergeRequest":
        return _ordered(about.get("note"), _map(body.get("merge_request")).get("iid"))
    return ""


def _pull(scheme: str, action: str, number: object, ours: bool, merged: bool) -> str:
    if action in MERGES[scheme]:
        return "branch" if ours and merged else ""
    # Whether it is for our branch is looked up: it may just have been changed to be.
    return f"pull/{number}" if action in PULL_ACTIONS[scheme] and _is_number(number) else ""


def _ordered(body: object, number: object) -> str:
    return f"pull/{number}" if isinstance(body, str) and body.lstrip().startswith(COMMAND) and _is_number(number) else ""


def _is_number(found: object) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and 0 < found < 2**31


def _map(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _text(body: dict[str, Any], key: str) -> str:
    found = body.get(key)
    return found if isinstance(found, str) else ""
