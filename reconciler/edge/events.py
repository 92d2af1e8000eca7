"""Which event a body bears out, since GitHub and GitLab name it in a header that the signature does not cover.

Whoever can see a delivery could send it on first under another name: the server would do nothing, remember it as done, and answer
the real one with "duplicate". So a name that the body contradicts is malformed, and one that it says nothing of is left aside.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .refusals import malformed

_OTHER = "the body is of another event than the header says"


class Unknown(Exception):
    """The body neither bears the name out nor contradicts it."""


class _Shape(NamedTuple):
    """The keys that tell an event's bodies from all others."""

    has: frozenset[str]
    lacks: frozenset[str] = frozenset()

    def fits(self, keys: set[str]) -> bool:
        return self.has <= keys and not self.lacks & keys


def _shape(has: str, lacks: str = "") -> _Shape:
    return _Shape(frozenset(has.split()), frozenset(lacks.split()))


# https://docs.github.com/en/webhooks/webhook-events-and-payloads
_GITHUB = {
    "ping": _shape("zen"),
    "push": _shape("ref", "ref_type workflow inputs action"),
    "create": _shape("ref ref_type master_branch"),
    "delete": _shape("ref ref_type pusher_type", "master_branch commits"),
    "pull_request": _shape("pull_request action", "review comment thread"),
    "pull_request_review": _shape("pull_request action review", "comment thread"),
    "pull_request_review_comment": _shape("pull_request action comment", "thread"),
    "pull_request_review_thread": _shape("pull_request action thread"),
    "issues": _shape("issue action", "comment"),
    "issue_comment": _shape("issue action comment"),
    "commit_comment": _shape("comment action", "issue pull_request discussion"),
    "discussion": _shape("discussion action", "comment"),
    "discussion_comment": _shape("discussion action comment"),
    "check_run": _shape("check_run action", "deployment"),
    "check_suite": _shape("check_suite action"),
    "workflow_run": _shape("workflow_run action", "deployment"),
    "workflow_job": _shape("workflow_job action"),
    "workflow_dispatch": _shape("workflow inputs ref", "workflow_run workflow_job"),
    "deployment": _shape("deployment", "deployment_status"),
    "deployment_status": _shape("deployment deployment_status"),
    "release": _shape("release action"),
    "status": _shape("sha state context"),
}
# Keys that bodies of many events have.
_SHARED = frozenset({"action", "repository", "organization", "enterprise", "installation", "sender", "changes", "label", "ref"})

# The kinds that GitLab names otherwise in its header. https://docs.gitlab.com/user/project/integrations/webhook_events/
_GITLAB = {"job": {"build"}, "issue": {"issue", "work_item"}, "resource_access_token": {"access_token"}, "project": {"project"}}
_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")


def github_event(name: str, body: object) -> str:
    """Return `name`, if `body` is of that event. Raises Refusal or Unknown."""
    if not isinstance(body, dict):
        raise malformed(_OTHER)
    keys = set(body)
    if shape := _GITHUB.get(name):
        if not shape.fits(keys):
            raise malformed(_OTHER)
        return name
    if any(known.fits(keys) for known in _GITHUB.values()):
        raise malformed(_OTHER)
    # The other events carry their subject under their own name.
    if name in keys - _SHARED:
        return name
    raise Unknown


def gitlab_event(name: str, body: object) -> str:
    """Return the kind that `body` itself says it is of. Raises Refusal or Unknown."""
    kind = body.get("object_kind", body.get("event_name")) if isinstance(body, dict) else None
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise malformed(_OTHER)
    header = name.lower().removesuffix(" hook").removeprefix("confidential ").replace(" ", "_")
    # "System Hook" names no event: one such hook receives all.
    if header in ("", "system") or kind in _GITLAB.get(header, {header}):
        return kind
    raise malformed(_OTHER)


def typed_event(body: object) -> str:
    """Return the `type` that the bodies of Standard Webhooks, Stripe and Slack have; "" where there is none."""
    kind = body.get("type") if isinstance(body, dict) else None
    return kind if isinstance(kind, str) and len(kind) <= 128 else ""


def repository(body: object) -> str | None:
    """Return the full name of the repository that an event of GitHub or GitLab is about; None where it is about none."""
    if not isinstance(body, dict):
        return None
    for holder, name in (("repository", "full_name"), ("project", "path_with_namespace")):
        held = body.get(holder)
        if isinstance(held, dict) and isinstance(held.get(name), str):
            return str(held[name])
    return None
