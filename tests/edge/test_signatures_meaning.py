"""Bodies that are correctly signed, and still malformed, of another event than the header says, or not for us."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.edge.strict_json import DEEPEST, NotStrict, parse

from .senders import PUSH, SECRET, SENDERS, github, now, slack
from .stand import stand

NOT_STRICT = {
    "100,000 opened lists": b"[" * 100_000,
    "100,000 opened objects": b'{"a":' * 100_000,
    "nested one too deep": b"[" * (DEEPEST + 2) + b"]" * (DEEPEST + 2),
    "the same key twice": b'{"ref":"a","ref":"b"}',
    "the same key twice, spelt otherwise": b'{"ref":1,"\\u0072ef":2}',
    "the same key twice, deep inside": b'[{"a":[{"b":1,"c":2,"b":1}]}]',
    "a NUL": b'{"a":"\x00"}',
    "an escaped NUL": b'{"a":"\\u0000"}',
    "an escaped NUL in a key": b'{"a\\u0000":1}',
    "half of a surrogate pair": b'{"a":"\\ud800"}',
    "halves in the wrong order": b'["\\udc00\\ud800"]',
    "an encoded surrogate": b'{"a":"\xed\xa0\x80"}',
    "NaN": b'{"a":NaN}',
    "Infinity": b"[-Infinity]",
    "a number of 5,000 digits": b"9" * 5000,
    "not UTF-8": b'{"a":"\xff"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "nothing": b"",
    "two values": b"{} {}",
    "a comment": b"{} // x",
    "single quotes": b"{'a':1}",
    "a trailing comma": b"[1,]",
}


@pytest.mark.parametrize("body", NOT_STRICT.values(), ids=NOT_STRICT)
def test_what_parsers_disagree_on_is_malformed_however_well_signed(body: bytes) -> None:
    it = stand("generic")
    assert it.post(*it.signed(body)).status == 400
    assert not it.inbox.receipts
    it.inbox.error = None
    assert it.post(*it.signed(body)).status == 400, "and is not remembered as handled"


@pytest.mark.parametrize(
    "body", [b"[" * DEEPEST + b"]" * DEEPEST, b'{"a":"\\\\u0000"}', b'{"a":"\\ud83d\\ude00"}', b'{"A":1,"a":2}', b"1.5", b'"\\\\ud800"']
)
def test_strict_json_is_taken(body: bytes) -> None:
    it = stand("generic")
    assert it.post(*it.signed(body)).status == 202
    assert it.inbox.receipts[0].parsed == json.loads(body)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(VALUES, st.booleans())
def test_whatever_can_be_stored_is_read_as_it_was_written(value: object, escaped: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=escaped).encode()) == value


@given(st.binary(max_size=60) | st.text('[]{}",:\\u0d8\0 1e-.NaItr', max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_is_read_reads_the_same_elsewhere(body: bytes) -> None:
    try:
        value = parse(body)
    except NotStrict:
        return
    again = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    assert parse(again) == value
    assert b"\0" not in again


TYPES = [
    (b"application/json", 202),
    (b"application/json; charset=utf-8", 202),
    (b"Application/JSON;charset=UTF-8", 202),
    (b"application/cloudevents+json", 202),
    (b"application/json; charset=utf-16", 415),
    (b"application/x-www-form-urlencoded", 415),
    (b"text/plain", 415),
    (b"application/jsonp", 415),
    (b"application/xml+jsons", 415),
    (b"", 415),
    (b"application/json, text/plain", 415),
    (b"\xff" * 5000, 415),
]


@pytest.mark.parametrize(("kind", "status"), TYPES)
def test_only_json_is_taken(kind: bytes, status: int) -> None:
    it = stand("generic")
    body, headers = it.signed()
    assert it.post(body, {**headers, b"content-type": kind}).status == status


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"identity, gzip", b"x", b""])
def test_a_packed_body_is_refused_before_it_is_read(encoding: bytes) -> None:
    it = stand("generic")
    body, headers = it.signed()
    assert it.post(body, {**headers, b"content-encoding": encoding}).status == 415
    assert it.post(body, {**headers, b"content-encoding": b"Identity"}).status == 202


def test_slack_may_send_forms() -> None:
    body = b"command=%2Fplan&text=prod&trigger_id=13345224609.738474920.8088930838d88f008e0"
    form = [(b"content-type", b"application/x-www-form-urlencoded"), *slack(body, SECRET, now()).items()]
    it = stand("slack")
    assert it.post(body, form).status == 202
    assert it.inbox.receipts[0].parsed == {"command": "/plan", "text": "prod", "trigger_id": "13345224609.738474920.8088930838d88f008e0"}


@pytest.mark.parametrize("body", [b"a=1&a=2", b"a=%00", b"a=%ff", b"a", b"&".join(b"k%d=" % n for n in range(101)), b"\xff=1"])
def test_a_form_that_could_be_read_in_two_ways_is_malformed(body: bytes) -> None:
    form = [(b"content-type", b"application/x-www-form-urlencoded"), *slack(body, SECRET, now()).items()]
    assert stand("slack").post(body, form).status == 400


GITHUB_BODIES = {
    "ping": {"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {}},
    "push": json.loads(PUSH),
    "create": {"ref": "v1", "ref_type": "tag", "master_branch": "main", "pusher_type": "user"},
    "delete": {"ref": "v1", "ref_type": "tag", "pusher_type": "user"},
    "pull_request": {"action": "opened", "number": 1, "pull_request": {}},
    "pull_request_review": {"action": "submitted", "pull_request": {}, "review": {}},
    "pull_request_review_comment": {"action": "created", "pull_request": {}, "comment": {}},
    "pull_request_review_thread": {"action": "resolved", "pull_request": {}, "thread": {}},
    "issues": {"action": "opened", "issue": {}},
    "issue_comment": {"action": "created", "issue": {}, "comment": {}},
    "commit_comment": {"action": "created", "comment": {}},
    "discussion": {"action": "created", "discussion": {}},
    "discussion_comment": {"action": "created", "discussion": {}, "comment": {}},
    "check_run": {"action": "completed", "check_run": {}},
    "check_suite": {"action": "completed", "check_suite": {}},
    "workflow_run": {"action": "completed", "workflow_run": {}, "workflow": {}},
    "workflow_job": {"action": "completed", "workflow_job": {}},
    "workflow_dispatch": {"ref": "refs/heads/main", "inputs": None, "workflow": "ci.yml"},
    "deployment": {"action": "created", "deployment": {}, "workflow": {}, "workflow_run": {}},
    "deployment_status": {
        "action": "created",
        "deployment": {},
        "deployment_status": {},
        "check_run": {},
        "workflow": {},
        "workflow_run": {},
    },
    "release": {"action": "published", "release": {}},
    "status": {"sha": "0", "state": "success", "context": "ci", "name": "x", "commit": {}, "branches": []},
    "milestone": {"action": "created", "milestone": {}},
    "package": {"action": "published", "package": {}},
}


@pytest.mark.parametrize("name", GITHUB_BODIES)
def test_an_event_of_github_is_taken_under_its_own_name_and_no_other(name: str) -> None:
    body = json.dumps({**GITHUB_BODIES[name], "repository": {"full_name": "a/b"}, "sender": {}, "organization": {}}).encode()
    taken = []
    for other in [*GITHUB_BODIES, "repository", "sender", "organization", "made_up", "ref", "action", "comment", "commits"]:
        it = stand("github")
        answer = it.post(body, github(body, SECRET, 0, other.encode()))
        assert (answer.status in (400, 200)) != bool(it.inbox.receipts)
        taken += [receipt.event for receipt in it.inbox.receipts]
    assert taken == [name]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (b"ping", b'{"zen": "Design for failure."}'),
        (b"push", b'{"ref": "refs/heads/main", "after": "4f2c1ab", "repository": {"full_name": "a/b"}}'),
        (b"pull_request", b'{"action": "opened", "pull_request": {"number": 1}}'),
    ],
)
def test_a_sender_that_says_no_more_than_it_must_is_understood(name: bytes, body: bytes) -> None:
    assert stand("github").post(body, github(body, SECRET, 0, name)).status == 202


def test_an_event_that_the_body_does_not_bear_out_is_left_aside_and_not_remembered() -> None:
    it = stand("github")
    body = b'{"action":"started","sender":{"login":"octocat"}}'
    answer = it.post(body, github(body, SECRET, 0, b"watch"))
    assert (answer.status, answer.body) == (200, b'{"status": "ignored"}')
    assert not it.inbox.receipts


def test_an_attacker_cannot_use_up_a_delivery_under_another_event_name() -> None:
    it = stand("github")
    body, headers = it.signed()
    for event in (b"made_up", b"ping", b"", b"pull_request", b"Push", b"push ", b"\xff", b"x" * 300):
        assert it.post(body, {**headers, b"x-github-event": event}).status == 400
    assert it.post(body, headers).status == 202
    assert it.post(body, headers).body == b'{"status": "duplicate"}'


@pytest.mark.parametrize("body", [b"[]", b"1", b"null", b'"push"', b"{}", b'[{"ref":1}]'])
def test_a_body_that_is_no_event_of_github_is_malformed(body: bytes) -> None:
    assert stand("github").post(body, github(body, SECRET, 0)).status == 400


GITLAB = [
    (b"Push Hook", "push", 202),
    (b"Tag Push Hook", "tag_push", 202),
    (b"Merge Request Hook", "merge_request", 202),
    (b"Note Hook", "note", 202),
    (b"Confidential Note Hook", "note", 202),
    (b"Issue Hook", "work_item", 202),
    (b"Job Hook", "build", 202),
    (b"System Hook", "push", 202),
    (b"Push Hook", "merge_request", 400),
    (b"Merge Request Hook", "push", 400),
    (b"Note Hook", "Push Hook", 400),
    (b"push", "", 400),
]


@pytest.mark.parametrize(("header", "kind", "status"), GITLAB)
@pytest.mark.parametrize("name", ["gitlab", "gitlab, token"])
def test_an_event_of_gitlab_is_what_its_body_says(name: str, header: bytes, kind: str, status: int) -> None:
    it = stand(name)
    body, headers = it.signed(json.dumps({"object_kind": kind}).encode())
    assert it.post(body, {**headers, b"x-gitlab-event": header}).status == status
    assert [receipt.event for receipt in it.inbox.receipts] == [kind] * (status == 202)


@pytest.mark.parametrize(("scheme", "place"), [("github", ("repository", "full_name")), ("gitlab", ("project", "path_with_namespace"))])
def test_events_of_repositories_that_are_not_listed_are_ignored_and_told(scheme: str, place: tuple[str, str]) -> None:
    holder, field = place
    for repository, listed in [
        ("genesis/desired-state", True),
        ("fork/desired-state", False),
        ("genesis/Desired-State", False),
        ("", False),
    ]:
        it = stand(scheme, replace(SENDERS[scheme].endpoint, repositories=frozenset({"genesis/desired-state"})))
        event = {**json.loads(it.sender.body), holder: {field: repository}}
        answer = it.post(*it.signed(json.dumps(event).encode()))
        assert (answer.status, bool(it.inbox.receipts)) == ((202, True) if listed else (200, False))
        told = [(notice.word, notice.reason) for notice in it.notices]
        assert told == ([] if listed else [("ignored", f"repository {repository} is not one of the webhook's")])
