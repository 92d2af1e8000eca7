"""Where a rollback goes, over whatever has happened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import Refused
from reconciler.ledger.records import EMPTY, RunRecord, State
from reconciler.ledger.stack import REMEMBERED, after_run, rollback_target


def told(story: str) -> State:
    """A state after a story: `A` applied, `A!` failed, `A?` killed, `A~` undone, `A/` applied in part, `<` rolled back, `<!` not arrived."""
    state = EMPTY
    for number, word in enumerate(story.split()):
        sort = "rollback" if word.startswith("<") else "apply"
        outcome = {"!": "failed", "?": "running", "~": "undone"}.get(word[-1], "applied")
        commit = rollback_target(state) if sort == "rollback" else word[0]
        run = RunRecord(str(number), sort, commit, outcome=outcome)
        begun = State(runs=(run, *state.runs), applied=state.applied)
        state = after_run(begun, run, partial=word.endswith("/"))
    return state


@pytest.mark.parametrize(
    ("story", "goal"),
    [
        ("A B", "A"),
        ("A B C <", "A"),
        ("A B B C C <", "A"),
        ("A B C < D", "B"),
        ("A B C!", "B"),
        ("A B C! C!", "B"),
        ("A B C?", "B"),
        ("A B C/", "B"),
        ("A B C! <", "A"),
        ("A B C~", "A"),
        ("A B C <!", "B"),
        ("A B C <! <", "A"),
        ("A B C! <!", "B"),
        ("A B C < B!", "A"),
        ("A B A", "B"),
        ("A B A <", "A"),
        ("A! A B", "A"),
    ],
)
def test_a_rollback_goes_to_what_was_applied_before(story: str, goal: str) -> None:
    assert rollback_target(told(story)) == goal


@pytest.mark.parametrize("story", ["", "A", "A!", "A~", "A B <"])
def test_there_is_nothing_before_the_first_commit(story: str) -> None:
    with pytest.raises(Refused, match="nothing was applied before"):
        rollback_target(told(story))


@given(st.lists(st.sampled_from("ABCDE"), min_size=1, max_size=12))
def test_rolling_back_again_and_again_walks_all_the_way_down(commits: list[str]) -> None:
    distinct = [commit for number, commit in enumerate(commits) if not number or commits[number - 1] != commit]
    state = told(" ".join(commits))
    for below in reversed(distinct[:-1]):
        assert rollback_target(state) == below
        run = RunRecord("r", "rollback", below, outcome="applied")
        state = after_run(State(runs=(run, *state.runs), applied=state.applied), run)


def test_a_rollback_to_a_commit_that_is_no_longer_on_the_stack_puts_it_on_top() -> None:
    run = RunRecord("r", "rollback", "Z", outcome="applied")
    assert after_run(told("A B"), run).applied == ("A", "B", "Z")


def test_the_stack_does_not_grow_without_end() -> None:
    state = State(applied=tuple(map(str, range(REMEMBERED))))
    assert after_run(state, RunRecord("r", "apply", "new", outcome="applied")).applied[-2:] == (str(REMEMBERED - 1), "new")
    assert len(after_run(state, RunRecord("r", "apply", "new", outcome="applied")).applied) == REMEMBERED
