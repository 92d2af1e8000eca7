"""What the server does about a branch and its pull requests, whatever it was told and however often."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.core.errors import Unavailable
from reconciler.core.forge import Verdict
from reconciler.server.ports import Done, Planned
from reconciler.server.worker import Later, Stopped
from tests.server.forges import BOT
from tests.server.stand import HEAD, LATER, MAIN, MERGED, Stand, digest, outcome, planned, stand

RED = {"github": "failure", "gitlab": "failed"}


def reviewed(at: Stand) -> None:
    """A pull request that was planned, and then merged."""
    at.propose()
    at.look("pull/7")
    at.merge()


def test_a_pull_request_is_planned_against_the_trusted_branch_and_told_in_one_comment_and_one_check(at: Stand) -> None:
    at.propose()
    at.look("pull/7")
    assert at.commands.calls == [("plan", HEAD, MAIN)]
    (body,) = at.forge.bodies(7)
    assert digest("1") in body.splitlines()[0]
    assert at.forge.verdicts(HEAD) == {"reconcile plan prod": "success"}
    assert at.clone.head == MAIN, "nothing of a pull request is checked out"


def test_a_push_updates_the_comment_in_place(at: Stand) -> None:
    at.propose()
    at.look("pull/7")
    at.propose(head=LATER, plan=planned("2", "vault.policy/b"))
    at.look("pull/7")
    (body,) = at.forge.bodies(7)
    assert "vault.policy/b" in body


def test_the_same_news_again_plan_nothing_again_until_the_branch_moves(one: Stand) -> None:
    one.propose()
    for _ in range(3):
        one.look("pull/7")
    assert len(one.commands.calls) == 1
    one.clone.tip = LATER
    one.look("pull/7")
    assert one.commands.calls[-1] == ("plan", HEAD, LATER)


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(planned("1", "vault.policy/a", code=4, refusals=("protected",)), id="refused"),
        pytest.param(planned("1", "vault.policy/a", code=1), id="incomplete"),
        pytest.param(Planned(1, "", None, "error: a.yaml:1: unknown field\n``` <b>"), id="no plan"),
    ],
)
def test_a_plan_that_could_not_be_applied_is_a_red_check(at: Stand, plan: Planned) -> None:
    at.propose(plan=plan)
    at.look("pull/7")
    assert at.forge.verdicts(HEAD) == {"reconcile plan prod": RED[at.forge.sort]}
    (body,) = at.forge.bodies(7)
    assert plan.plan is not None or "<pre>\nerror: a.yaml:1: unknown field\n``` &lt;b&gt;\n</pre>" in body, (
        "what quotes the pull request is no markup"
    )


def test_a_merge_applies_what_was_reviewed_and_says_so(at: Stand) -> None:
    reviewed(at)
    at.look()
    assert at.commands.wrote() == [("apply", MERGED, digest("1"))]
    assert at.clone.head == MERGED
    assert at.forge.verdicts(MERGED) == {"reconcile apply prod": "success"}
    assert "1 applied" in at.forge.bodies(7)[-1]
    assert at.reloads


def test_a_commit_is_applied_once_however_often_it_is_announced(one: Stand) -> None:
    reviewed(one)
    for _ in range(4):
        one.look()
    assert len(one.commands.wrote()) == 1
    assert len(one.forge.bodies(7)) == 2


def test_a_commit_that_somebody_else_applied_is_left_alone(one: Stand) -> None:
    reviewed(one)
    one.commands.stack.append(MERGED)
    one.look()
    assert one.commands.wrote() == []
    assert len(one.forge.bodies(7)) == 1


def test_without_a_forge_the_tip_is_applied_behind_the_guards(tmp_path: Path) -> None:
    with stand(tmp_path, forge=False) as at:
        at.clone.tip = MERGED
        at.look()
        assert at.commands.wrote() == [("apply", MERGED, "")]
        assert at.forge.requests == []


def test_what_nobody_reviewed_is_not_applied_and_can_be_ordered(at: Stand) -> None:
    at.propose()
    at.merge()
    at.commands.plans[MERGED] = planned("5", "vault.policy/z")
    at.look()
    assert at.commands.wrote() == []
    assert "vault.policy/z" in at.forge.bodies(7)[-1]
    assert at.forge.verdicts(MERGED) == {"reconcile apply prod": RED[at.forge.sort]}
    for _ in range(3):
        at.look()
    assert at.commands.wrote() == [], "the plan that stands there now was seen by nobody before the merge"
    at.forge.say(7, "olga", "/reconcile apply")
    at.look("pull/7")
    assert at.commands.wrote() == [("apply", MERGED, digest("5"))]


def test_the_plan_that_a_refused_apply_shows_is_never_taken_for_the_reviewed_one(one: Stand) -> None:
    one.propose()
    one.merge()
    one.look()
    for name in one.ports.notes.below(""):
        one.ports.notes.strike(name)
    one.look()
    assert one.commands.wrote() == []


def test_where_nothing_would_change_nobody_need_have_looked(one: Stand) -> None:
    one.propose(plan=planned("1"))
    one.merge()
    one.look()
    assert one.commands.wrote() == []
    assert one.forge.verdicts(MERGED) == {"reconcile apply prod": "success"}


def test_a_push_after_the_review_makes_it_none(one: Stand) -> None:
    one.propose()
    one.look("pull/7")
    one.propose(head=LATER, plan=planned("2", "vault.policy/b"))
    one.merge()
    one.look()
    assert one.commands.wrote() == []


def test_the_digest_is_the_one_we_remember_whatever_the_comment_was_made_to_say(one: Stand) -> None:
    reviewed(one)
    one.forge.comments[7][0]["body"] = one.forge.comments[7][0]["body"].replace(digest("1"), digest("6"))
    one.look()
    assert one.commands.wrote() == [("apply", MERGED, digest("1"))]


def test_a_server_that_forgot_everything_reads_the_digest_from_its_own_comment_alone(at: Stand) -> None:
    reviewed(at)
    for name in at.ports.notes.below(""):
        at.ports.notes.strike(name)
    at.forge.comments[7].insert(
        0, {**at.forge.comments[7][0], "author": "mallory", "body": f"<!-- reconciler:plan environment=prod digest={digest('6')} -->"}
    )
    at.look()
    assert at.commands.wrote() == [("apply", MERGED, digest("1"))]


def test_a_plan_that_is_no_longer_the_reviewed_one_is_refused_and_shown(at: Stand) -> None:
    reviewed(at)
    at.commands.plans[MERGED] = planned("2", "vault.policy/now")
    at.commands.endings = [Done(4, outcome("2"), "error: the plan is now another")]
    said = at.look()
    assert "no longer the one that was reviewed" in said
    assert "vault.policy/now" in at.forge.bodies(7)[-1]
    at.look()
    assert len(at.commands.wrote()) == 1


def test_what_a_guard_refuses_is_said_with_the_guard(one: Stand) -> None:
    reviewed(one)
    one.commands.endings = [Done(4, outcome("1", refusals=("protected",)), "")]
    one.look()
    assert "refused by `protected`" in one.forge.bodies(7)[-1]
    assert one.commands.stack == [MAIN]


def test_a_held_lock_is_waited_for_and_not_a_refusal(one: Stand) -> None:
    reviewed(one)
    one.commands.endings = [Done(4, None, "error: the lock is held by somebody")]
    with pytest.raises(Later, match="held by somebody"):
        one.look()
    assert one.forge.verdicts(MERGED) == {}


def test_what_fails_part_way_is_tried_again_later_and_given_up_in_the_end(one: Stand) -> None:
    reviewed(one)
    one.commands.endings = [Done(5, outcome("1", "undone", "failed"), "") for _ in range(9)]
    for _ in range(12):
        one.look()
        note = one.ports.notes.read("tip")
        one.ports.notes.write("tip", {**note, "again": 0})
    assert len(one.commands.wrote()) == 5
    assert one.ports.notes.read("tip")["state"] == "given up"


def test_a_failure_is_not_tried_again_at_once(one: Stand) -> None:
    reviewed(one)
    one.commands.endings = [Done(1, None, "error: vault is down")]
    for _ in range(3):
        one.look()
    assert len(one.commands.wrote()) == 1
    assert "vault is down" in one.forge.bodies(7)[-1]


def cut_off(at: Stand) -> None:
    """An apply that is cut off in the middle: of two objects, one was made."""
    at.propose(plan=planned("1", "vault.policy/a", "vault.policy/b"))
    at.look("pull/7")
    at.merge()
    at.commands.endings = [Done(5, outcome("1", "applied", "skipped"), "")]

    def killed(commit: str, digest: str) -> Done:
        at.commands.calls.append(("apply", commit, digest))
        raise Stopped("the server stops")

    at.commands.apply, whole = killed, at.commands.apply  # type: ignore[method-assign]  # of this instance alone
    with pytest.raises(Stopped):
        at.look()
    at.commands.apply = whole  # type: ignore[method-assign]  # as it was
    at.commands.calls.clear()


def test_an_apply_that_was_cut_off_is_finished_though_its_plan_is_shorter_now(one: Stand) -> None:
    cut_off(one)
    one.commands.plans[MERGED] = planned("2", "vault.policy/b")
    one.commands.endings = [Done(4, outcome("2"), "")]
    again(one)
    assert one.commands.wrote() == [("apply", MERGED, digest("1")), ("apply", MERGED, digest("2"))]
    assert one.commands.stack == [MAIN, MERGED]


def test_what_was_never_reviewed_is_no_rest_of_an_apply_that_was_cut_off(one: Stand) -> None:
    cut_off(one)
    one.commands.plans[MERGED] = planned("2", "vault.policy/b", "vault.policy/stranger")
    one.commands.endings = [Done(4, outcome("2"), "")]
    again(one)
    assert one.commands.wrote() == [("apply", MERGED, digest("1"))]
    assert one.ports.notes.read("tip")["state"] == "refused"


def test_an_apply_that_was_done_before_the_server_was_killed_is_said_and_not_done_again(one: Stand) -> None:
    cut_off(one)
    one.commands.stack.append(MERGED)
    again(one)
    assert one.commands.wrote() == []
    assert one.forge.verdicts(MERGED) == {"reconcile apply prod": "success"}


def again(at: Stand) -> None:
    """A new server takes over what the stopped one had."""
    at.ports.events.prepare(alone=True)
    at.look()


def test_a_forge_that_is_down_after_the_apply_hears_of_it_later_and_nothing_is_applied_twice(one: Stand) -> None:
    reviewed(one)
    whole = one.commands.apply

    def then_down(commit: str, digest: str) -> Done:
        one.forge.broken = 503
        return whole(commit, digest)

    one.commands.apply = then_down  # type: ignore[method-assign]  # of this instance alone
    with pytest.raises(Unavailable):
        one.look()
    one.forge.broken = 0
    again(one)
    assert len(one.commands.wrote()) == 1
    assert one.forge.verdicts(MERGED) == {"reconcile apply prod": "success"}


def test_while_locked_down_nothing_is_applied_and_afterwards_it_is(one: Stand) -> None:
    reviewed(one)
    one.commands.closed = "locked down by olga"
    assert "locked down by olga" in one.look()
    assert one.commands.wrote() == []
    one.commands.closed = ""
    one.look()
    assert len(one.commands.wrote()) == 1


def test_a_lost_webhook_of_a_pull_request_is_caught_by_the_timer(at: Stand) -> None:
    at.propose()
    at.look("branch", source="timer")
    assert ("plan", HEAD, MAIN) in at.commands.calls
    count = len(at.commands.calls)
    at.look("branch", source="timer")
    assert len(at.commands.calls) == count


def test_a_command_whose_webhook_was_lost_is_found_by_the_timer(at: Stand) -> None:
    reviewed(at)
    at.look()
    at.look(source="timer")
    at.forge.say(7, "olga", "/reconcile rollback", made="2099-01-01T08:00:00Z")
    at.look(source="timer")
    assert at.commands.wrote()[-1] == ("rollback", MAIN)
    asked, done = len(at.forge.requests), len(at.commands.calls)
    for _ in range(3):
        at.look(source="timer")
    assert len(at.commands.calls) == done
    assert len(at.forge.requests) - asked < 20, "once our own answer was looked at, each look asks for two lists"


def test_pull_requests_that_nobody_touched_for_a_day_are_left_alone(one: Stand) -> None:
    one.propose()
    one.forge.pulls[7].update(state="closed", made="2098-12-30T00:00:00Z")
    one.look(source="timer")
    assert not any("/issues/7/comments" in request for request in one.forge.requests)


def test_a_closed_pull_request_and_one_for_another_branch_are_not_planned(one: Stand) -> None:
    one.propose()
    one.forge.pulls[7]["state"] = "closed"
    one.propose(8)
    one.forge.pulls[8]["branch"] = "release"
    one.look("pull/7")
    one.look("pull/8")
    one.look("pull/99")
    assert one.commands.calls == []


def test_a_head_that_moves_between_the_forges_answer_and_git_is_looked_at_again(one: Stand) -> None:
    one.propose()
    one.clone.heads["refs/pull/7/head"] = LATER
    with pytest.raises(Later):
        one.look("pull/7")
    assert one.commands.calls == []


def test_our_comment_is_not_mistaken_for_somebody_elses(one: Stand) -> None:
    one.propose()
    one.forge.say(7, "mallory", "<!-- reconciler:plan environment=prod digest= -->")
    one.look("pull/7")
    assert len(one.forge.bodies(7, BOT)) == 1
    assert one.forge.bodies(7, "mallory") == ["<!-- reconciler:plan environment=prod digest= -->"]
    assert Verdict.SUCCESS in one.forge.verdicts(HEAD).values()
