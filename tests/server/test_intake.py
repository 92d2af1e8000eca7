"""Which webhooks ask for a look, and at what: bodies as GitHub and GitLab document them, cut to what matters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.edge.endpoints import Receipt
from reconciler.server.intake import news_of

ZERO, SHA = "0" * 40, "a" * 40
GITHUB_PULL = {"number": 7, "pull_request": {"number": 7, "base": {"ref": "main"}, "merged": False}}
GITHUB_COMMENT = {"action": "created", "issue": {"number": 7, "pull_request": {"url": "x"}}, "comment": {"body": "/reconcile plan"}}
GITLAB_PULL = {"object_kind": "merge_request", "object_attributes": {"iid": 7, "target_branch": "main", "action": "open"}}
GITLAB_NOTE = {"object_attributes": {"noteable_type": "MergeRequest", "note": "/reconcile plan"}, "merge_request": {"iid": 7}}


def subject(scheme: str, event: str, body: Any) -> str:
    news = news_of(Receipt("hook", "d1", event, b"", body, "hook:key"), scheme, "main")
    return news.subject if news else ""


@pytest.mark.parametrize(
    ("scheme", "event", "body", "wanted"),
    [
        ("github", "push", {"ref": "refs/heads/main", "after": SHA}, "branch"),
        ("github", "push", {"ref": "refs/heads/topic", "after": SHA}, ""),
        ("github", "push", {"ref": "refs/tags/main", "after": SHA}, ""),
        ("github", "push", {"ref": "refs/heads/main", "after": ZERO}, ""),
        ("github", "ping", {"zen": "x"}, ""),
        ("github", "pull_request", {"action": "opened", **GITHUB_PULL}, "pull/7"),
        ("github", "pull_request", {"action": "synchronize", **GITHUB_PULL}, "pull/7"),
        ("github", "pull_request", {"action": "labeled", **GITHUB_PULL}, ""),
        ("github", "pull_request", {"action": "closed", **GITHUB_PULL}, ""),
        ("github", "pull_request", {"action": "closed", "pull_request": {"number": 7, "base": {"ref": "main"}, "merged": True}}, "branch"),
        ("github", "pull_request", {"action": "closed", "pull_request": {"number": 7, "base": {"ref": "old"}, "merged": True}}, ""),
        ("github", "issue_comment", GITHUB_COMMENT, "pull/7"),
        ("github", "issue_comment", {**GITHUB_COMMENT, "action": "edited"}, ""),
        ("github", "issue_comment", {**GITHUB_COMMENT, "comment": {"body": "looks good"}}, ""),
        ("github", "issue_comment", {**GITHUB_COMMENT, "issue": {"number": 7}}, ""),
        ("gitlab", "push", {"object_kind": "push", "ref": "refs/heads/main", "after": SHA}, "branch"),
        ("gitlab", "push", {"object_kind": "push", "ref": "refs/heads/main", "after": ZERO}, ""),
        ("gitlab", "merge_request", GITLAB_PULL, "pull/7"),
        ("gitlab", "merge_request", {"object_attributes": {"iid": 7, "target_branch": "main", "action": "merge"}}, "branch"),
        ("gitlab", "merge_request", {"object_attributes": {"iid": 7, "target_branch": "main", "action": "approved"}}, ""),
        ("gitlab", "note", GITLAB_NOTE, "pull/7"),
        ("gitlab", "note", {"object_attributes": {"noteable_type": "Issue", "note": "/reconcile plan"}, "issue": {"iid": 7}}, ""),
        ("standard", "deploy.done", {"type": "deploy.done"}, "branch"),
        ("generic", "", {}, "branch"),
    ],
)
def test_a_webhook_asks_for_a_look_at(scheme: str, event: str, body: Any, wanted: str) -> None:
    assert subject(scheme, event, body) == wanted


@pytest.mark.parametrize("number", [True, "7", "7/../8", -1, 0, 2**40, 7.0, None, [7]], ids=repr)
def test_what_is_no_number_of_a_pull_request_is_none(number: Any) -> None:
    assert subject("github", "pull_request", {"action": "opened", "pull_request": {"number": number, "base": {"ref": "main"}}}) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
NAMES = (
    "ref",
    "after",
    "action",
    "pull_request",
    "number",
    "base",
    "merged",
    "issue",
    "comment",
    "body",
    "object_attributes",
    "iid",
    "note",
    "noteable_type",
    "merge_request",
)


@given(
    st.sampled_from(["github", "gitlab"]),
    st.sampled_from(["push", "pull_request", "issue_comment", "merge_request", "note", ""]),
    st.dictionaries(st.sampled_from(NAMES), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4) | JSON, max_size=6),
)
def test_any_body_is_a_branch_a_pull_request_or_nothing(scheme: str, event: str, body: Any) -> None:
    found = subject(scheme, event, body)
    assert found in ("", "branch") or found.removeprefix("pull/").isdecimal()
