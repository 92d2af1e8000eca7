"""GitHub and GitLab through their client libraries, over HTTP: one contract for both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.backends.github import GitHubForge
from reconciler.backends.gitlab import GitLabForge
from reconciler.core.errors import BackendError, Denied, Unavailable
from reconciler.core.forge import Check, Comment, Forge, Pull, Role, Verdict
from reconciler.dev.process import free_port
from tests.server.forges import BOT, FORGES, REPOSITORY, TOKEN, StandIn, forge_server

HEAD, MERGED, LATER = "a" * 40, "c" * 40, "d" * 40
MADE = "2099-01-01T00:00:00Z"


def connect(state: StandIn, token: str = TOKEN) -> Forge:
    made = GitHubForge if state.sort == "github" else GitLabForge
    return made(state.address, REPOSITORY, lambda: token)


@pytest.fixture(params=FORGES)
def state(request: pytest.FixtureRequest) -> Iterator[StandIn]:
    with forge_server(request.param) as standing:
        yield standing


def test_a_pull_request_is_told_with_its_head_branch_and_author(state: StandIn) -> None:
    state.open_pull(7, HEAD)
    assert connect(state).pull(7) == Pull(7, "open", HEAD, "main", "alice", fork=False, touched=MADE)
    assert connect(state).pull(8) is None


def test_all_open_pull_requests_are_told_in_one_request(state: StandIn) -> None:
    for number, head in ((7, HEAD), (8, MERGED)):
        state.open_pull(number, head)
    found = connect(state).open_pulls("main")
    assert [(one.number, one.head) for one in found] == [(7, HEAD), (8, MERGED)]
    assert len(state.requests) == 1


def test_the_pull_requests_that_were_touched_last_are_told_in_one_request_whether_open_or_not(state: StandIn) -> None:
    for number, head in ((7, HEAD), (8, MERGED)):
        state.open_pull(number, head)
    state.merge(7, LATER)
    state.say(7, "olga", "/reconcile rollback", made="2099-01-01T08:00:00Z")
    found = connect(state).touched_pulls("main")
    assert [(one.number, one.state, one.touched) for one in found] == [(7, "merged", "2099-01-01T08:00:00Z"), (8, "open", MADE)]
    assert len(state.requests) == 1


def test_a_fork_is_told_from_a_branch(state: StandIn) -> None:
    state.open_pull(7, HEAD, author="mallory", fork=True)
    pull = connect(state).pull(7)
    assert pull is not None
    assert pull.fork


def test_the_pull_request_that_became_a_commit_is_found_and_no_open_one_that_holds_it(state: StandIn) -> None:
    state.open_pull(7, HEAD)
    state.open_pull(8, MERGED)
    assert connect(state).merged_as(MERGED) is None
    state.merge(7, MERGED)
    assert connect(state).merged_as(MERGED) == Pull(7, "merged", HEAD, "main", "alice", fork=False, merged_as=MERGED, touched=MADE)
    assert connect(state).merged_as(HEAD) is None


def test_comments_are_listed_added_and_edited_in_place(state: StandIn) -> None:
    state.open_pull(7, HEAD)
    asked = state.say(7, "alice", "/reconcile plan", made="2026-01-02T03:04:05Z")
    forge = connect(state)
    assert forge.comments(7) == (Comment(asked, "alice", "/reconcile plan", "2026-01-02T03:04:05Z"),)
    forge.comment(7, "first")
    ours = forge.comments(7)[-1]
    assert (ours.author, ours.body) == (forge.me(), "first")
    forge.edit(7, ours.id, "second")
    assert [one.body for one in forge.comments(7)] == ["/reconcile plan", "second"]


def test_an_edited_comment_says_so(state: StandIn) -> None:
    state.open_pull(7, HEAD)
    state.say(7, "alice", "/reconcile rollback", edited=True)
    assert [one.edited for one in connect(state).comments(7)] == [True]


@pytest.mark.parametrize(
    ("name", "role"),
    [("admin", Role.MAINTAIN), ("maintain", Role.MAINTAIN), ("write", Role.WRITE), ("read", Role.READ), (None, Role.NONE)],
    ids=str,
)
def test_what_somebody_may_do_is_asked_of_the_forge(state: StandIn, name: str | None, role: Role) -> None:
    state.roles = {"bob": name} if name else {}
    assert connect(state).role("bob") is role


def test_a_check_stands_as_it_was_said_last(state: StandIn) -> None:
    forge = connect(state)
    for verdict in (Verdict.PENDING, Verdict.PENDING, Verdict.FAILURE):
        forge.check(HEAD, Check("reconcile plan prod", verdict, "one line", "more"))
    assert state.verdicts(HEAD) == {"reconcile plan prod": {"github": "failure", "gitlab": "failed"}[state.sort]}


def test_where_check_runs_are_for_apps_alone_a_status_is_set() -> None:
    with forge_server("github") as state:
        state.may_check = False
        forge = connect(state)
        forge.check(HEAD, Check("plan", Verdict.PENDING, "x" * 200))
        forge.check(HEAD, Check("plan", Verdict.SUCCESS, "done"))
        assert [(name, verdict, len(title)) for _commit, name, verdict, title in state.statuses] == [
            ("plan", "pending", 140),
            ("plan", "success", 4),
        ]
        assert len([one for one in state.requests if "check-runs" in one]) == 1, "it is not asked again"


def test_an_app_is_known_by_the_name_that_its_comments_carry() -> None:
    with forge_server("github") as state:
        state.is_app = True
        assert connect(state).me() == f"{BOT}[bot]"


def test_a_token_that_is_not_accepted_is_said_and_not_shown(state: StandIn) -> None:
    with pytest.raises(Denied) as refused:
        connect(state, "wrong-" + "token").me()
    assert "wrong-token" not in str(refused.value)
    assert "forge.token" in str(refused.value)


@pytest.mark.parametrize(("status", "sort"), [(500, Unavailable), (503, Unavailable), (403, Denied), (422, BackendError)], ids=str)
def test_a_failing_forge_is_an_error_in_words_without_its_body(state: StandIn, status: int, sort: type[BackendError]) -> None:
    state.broken = status
    with pytest.raises(sort) as failed:
        connect(state).comments(7)
    assert "leaky body" not in str(failed.value)
    assert "7" in str(failed.value)


def test_a_forge_that_is_gone_is_unavailable(state: StandIn) -> None:
    state.address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable):
        connect(state).pull(7)
