"""Commands in comments: who may give them, what comes of them, and that each is obeyed once."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.core.errors import Unavailable
from reconciler.server.ports import Done
from reconciler.server.worker import Later, Stopped
from tests.server.forges import BOT
from tests.server.stand import HEAD, LATER, MAIN, MERGED, NOW, Stand, digest, outcome, planned, stand


def applied(at: Stand) -> None:
    """A pull request that was reviewed, merged and applied."""
    at.propose()
    at.look("pull/7")
    at.merge()
    at.look()
    at.commands.calls.clear()


def answers(at: Stand) -> list[str]:
    return [body for body in at.forge.bodies(7, BOT) if body.startswith("<!-- reconciler:answer")]


def test_a_rollback_goes_back_to_the_commit_before_and_answers(at: Stand) -> None:
    applied(at)
    at.forge.say(7, "olga", "/reconcile rollback")
    at.look("pull/7")
    assert at.commands.wrote() == [("rollback", MAIN)]
    assert "back at 0000000" in answers(at)[0]


def test_an_order_is_obeyed_once_whatever_is_announced_afterwards(at: Stand) -> None:
    applied(at)
    at.forge.say(7, "olga", "/reconcile rollback")
    for _ in range(3):
        at.look("pull/7")
        at.look("branch", source="timer")
    assert len(at.commands.wrote()) == 1
    assert len(answers(at)) == 1


def test_a_server_that_forgot_everything_does_not_obey_again_what_it_answered(at: Stand) -> None:
    applied(at)
    at.forge.say(7, "olga", "/reconcile rollback")
    at.look("pull/7")
    for name in at.ports.notes.below("order/"):
        at.ports.notes.strike(name)
    at.look("pull/7")
    assert len(at.commands.wrote()) == 1


def test_an_old_command_is_not_dug_out(one: Stand) -> None:
    applied(one)
    one.forge.say(7, "olga", "/reconcile rollback", made="2098-12-30T00:00:00Z")
    one.look("pull/7")
    assert one.commands.wrote() == []


def test_what_a_rollback_took_back_is_not_applied_again_by_the_next_look(one: Stand) -> None:
    applied(one)
    one.forge.say(7, "olga", "/reconcile rollback")
    one.look("pull/7")
    one.commands.calls.clear()
    one.look("branch", source="timer")
    assert one.commands.wrote() == []


def test_a_rollback_that_was_cut_off_goes_back_to_the_same_commit_and_not_one_further(one: Stand) -> None:
    applied(one)
    one.clone.tip = LATER
    one.commands.stack.append(LATER)
    one.look()
    one.forge.say(7, "olga", "/reconcile rollback")

    def killed(commit: str) -> Done:
        one.commands.calls.append(("rollback", commit))
        one.commands.stack.remove(LATER)
        raise Stopped("the server stops")

    whole, one.commands.rollback = one.commands.rollback, killed  # type: ignore[method-assign]  # of this instance alone
    with pytest.raises(Stopped):
        one.look("pull/7")
    one.commands.rollback = whole  # type: ignore[method-assign]  # as it was
    one.ports.events.prepare(alone=True)
    one.look()
    assert one.commands.wrote() == [("rollback", MERGED), ("rollback", MERGED)]
    assert one.commands.stack == [MAIN, MERGED]


def test_of_two_rollbacks_at_once_one_is_done(one: Stand) -> None:
    applied(one)
    one.commands.stack.append(LATER)
    one.clone.tip = LATER
    one.forge.say(7, "olga", "/reconcile rollback")
    one.forge.say(7, "olga", "/reconcile rollback")
    one.look("pull/7")
    assert one.commands.wrote() == [("rollback", MERGED)]
    assert len(answers(one)) == 2


def test_a_commit_can_be_named_and_must_have_been_applied(one: Stand) -> None:
    applied(one)
    one.forge.say(7, "olga", f"/reconcile rollback {'f' * 12}")
    one.look("pull/7")
    assert one.commands.wrote() == []
    assert "no applied commit" in answers(one)[0]
    one.forge.say(7, "olga", f"/reconcile rollback {MAIN[:12]}")
    one.look("pull/7")
    assert one.commands.wrote() == [("rollback", MAIN)]


def test_a_rollback_that_a_guard_refuses_says_why(one: Stand) -> None:
    applied(one)
    one.commands.endings = [Done(4, outcome("9", refusals=("irreversible",)), "")]
    one.forge.say(7, "olga", "/reconcile rollback")
    one.look("pull/7")
    assert "is protected" in answers(one)[0]
    assert one.ports.notes.read("tip")["state"] == "applied"


def test_a_rollback_waits_for_the_lock(one: Stand) -> None:
    applied(one)
    one.commands.endings = [Done(4, None, "the lock is held")]
    one.forge.say(7, "olga", "/reconcile rollback")
    with pytest.raises(Later):
        one.look("pull/7")
    assert answers(one) == []


@pytest.mark.parametrize(
    ("author", "word"),
    [("alice", "rollback"), ("alice", "apply"), ("rita", "plan"), ("rita", "rollback"), ("mallory", "plan"), ("mallory", "rollback")],
)
def test_who_may_not_is_not_obeyed_and_strangers_get_no_answer(at: Stand, author: str, word: str) -> None:
    applied(at)
    at.forge.say(7, author, f"/reconcile {word}")
    at.look("pull/7")
    assert at.commands.calls == []
    assert len(answers(at)) == (author == "alice")


def test_where_people_are_named_they_alone_may(tmp_path: Path) -> None:
    with stand(tmp_path, people=frozenset({"rita"})) as at:
        applied(at)
        at.forge.say(7, "olga", "/reconcile rollback")
        at.look("pull/7")
        assert at.commands.wrote() == []
        at.forge.say(7, "rita", "/reconcile rollback")
        at.look("pull/7")
        assert at.commands.wrote() == [("rollback", MAIN)]


def test_an_edited_comment_is_not_obeyed(at: Stand) -> None:
    applied(at)
    at.forge.say(7, "olga", "/reconcile rollback", edited=True)
    at.look("pull/7")
    assert at.commands.wrote() == []
    assert "edited" in answers(at)[0]


@pytest.mark.parametrize(
    "body",
    [
        "please /reconcile rollback",
        "> /reconcile rollback",
        "/reconcile rollback --allow irreversible",
        "/reconcile rollback; apply",
        "/reconcile destroy",
        "/reconcilerollback",
        "/RECONCILE ROLLBACK",
        "`/reconcile rollback`",
    ],
)
def test_what_is_no_command_is_none(one: Stand, body: str) -> None:
    applied(one)
    one.forge.say(7, "olga", body)
    one.look("pull/7")
    assert one.commands.calls == []
    assert answers(one) == []


@pytest.mark.parametrize("argument", ["HEAD~1", "--help", "$(id)", "abc", "sha256:12", "A" * 40])
def test_an_argument_that_is_no_commit_is_refused_and_reaches_no_command(one: Stand, argument: str) -> None:
    applied(one)
    one.forge.say(7, "olga", f"/reconcile rollback {argument}")
    one.look("pull/7")
    assert one.commands.calls == []
    assert "hexadecimal digits" in answers(one)[0]


def test_a_plan_can_be_asked_for_anew(at: Stand) -> None:
    at.propose()
    at.look("pull/7")
    at.commands.plans[HEAD] = planned("3", "vault.policy/drifted")
    at.forge.say(7, "alice", "/reconcile plan")
    at.look("pull/7")
    assert "vault.policy/drifted" in at.forge.bodies(7)[0]
    assert len(at.commands.calls) == 2


def test_a_fork_is_validated_only_and_never_planned_unasked(at: Stand) -> None:
    at.propose(fork=True)
    for _ in range(2):
        at.look("pull/7")
    assert at.commands.calls == [("validate", HEAD)]
    assert f"/reconcile plan {HEAD[:12]}" in at.forge.bodies(7)[0]
    assert at.forge.verdicts(HEAD) == {"reconcile validate prod": "success"}


def test_a_fork_that_takes_too_long_to_validate_is_not_valid_and_not_tried_for_ever(one: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(_commit: str) -> Done:
        raise Unavailable("validate did not end within 60 s")

    monkeypatch.setattr(one.commands, "validate", slow)
    one.propose(fork=True)
    one.look("pull/7")
    assert one.forge.verdicts(HEAD) == {"reconcile validate prod": "failure"}
    assert "did not end within 60 s" in one.forge.bodies(7)[0]


def test_a_fork_is_planned_at_the_commit_that_somebody_named_and_at_no_later_one(at: Stand) -> None:
    at.propose(fork=True)
    at.forge.say(7, "alice", f"/reconcile plan {HEAD[:12]}")
    at.look("pull/7")
    assert at.commands.calls == [("plan", HEAD, MAIN)]
    at.propose(head=LATER, fork=True)
    at.look("pull/7")
    assert at.commands.calls[1:] == [("validate", LATER)]


@pytest.mark.parametrize("words", ["/reconcile plan", f"/reconcile plan {LATER[:12]}"], ids=["no commit", "another commit"])
def test_a_word_that_names_no_commit_or_another_approves_no_fork(one: Stand, words: str) -> None:
    one.propose(fork=True)
    one.forge.say(7, "alice", words)
    one.look("pull/7")
    assert one.commands.calls == [("validate", HEAD)]
    assert "name the commit" in answers(one)[0]


def test_the_author_of_a_fork_cannot_approve_it(one: Stand) -> None:
    one.propose(fork=True)
    one.forge.pulls[7]["author"] = "mallory"
    one.forge.say(7, "mallory", f"/reconcile plan {HEAD[:12]}")
    one.look("pull/7")
    assert one.commands.calls == [("validate", HEAD)]


def test_a_digest_can_be_named_for_an_apply(one: Stand) -> None:
    one.propose()
    one.merge()
    one.look()
    one.forge.say(7, "olga", f"/reconcile apply {digest('8')}")
    one.look("pull/7")
    assert one.commands.wrote() == [("apply", MERGED, digest("8"))]
    assert "Applied" in answers(one)[0]


def test_an_apply_of_what_is_applied_is_not_done_twice(one: Stand) -> None:
    applied(one)
    one.forge.say(7, "olga", "/reconcile apply")
    one.look("pull/7")
    assert one.commands.wrote() == []
    assert "is applied already" in answers(one)[0]


def test_an_apply_is_of_the_plan_that_stood_there_when_it_was_written(one: Stand) -> None:
    one.propose()
    one.merge()
    one.look()
    one.forge.say(7, "olga", "/reconcile apply")
    one.clone.tip = LATER  # pushed before the comment was read
    one.commands.plans[LATER] = planned("2", "vault.policy/b")
    object.__setattr__(one.ports, "clock", lambda: NOW + 60)
    one.look()
    one.look("pull/7")
    assert one.commands.wrote() == []
    assert "another plan is shown" in answers(one)[0]
    one.forge.say(7, "olga", "/reconcile apply", made="2099-01-01T00:01:00Z")
    one.look("pull/7")
    assert one.commands.wrote() == [("apply", LATER, digest("2"))]
