"""The stack of applied commits: where a rollback goes, and what a run does to it. Pure."""

from __future__ import annotations

from dataclasses import replace

from ..core.errors import Refused
from .records import RunRecord, State

# Far more than anybody rolls back by, and 40 KB of a head that may not grow without end.
REMEMBERED = 1000


def rollback_target(state: State) -> str:
    """Return the commit to roll back to. Raises Refused when there is none.

    One below the top of the stack, or the top itself where a later run left something between it and another commit
    (it failed, was killed, or applied only a part): then the top is what was applied before.
    """
    applied = state.applied
    last = next((run for run in state.runs if run.outcome != "undone"), None)
    if last and last.sort == "rollback" and last.outcome != "applied":
        return last.commit  # what did not arrive is sent again
    if last and applied and last.commit != applied[-1]:
        return applied[-1]
    if len(applied) < 2:
        raise Refused("there is no commit to roll back to: nothing was applied before the last applied commit")
    return applied[-2]


def after_run(state: State, run: RunRecord, *, partial: bool = False) -> State:
    """Return the state with the stack as the finished run leaves it. `partial`: not the whole commit was applied."""
    applied = state.applied
    if run.outcome != "applied" or partial:
        return state
    if run.sort == "rollback" and run.commit in applied:
        # The last place, since a commit may have been applied twice.
        applied = applied[: len(applied) - applied[::-1].index(run.commit)]
    elif applied[-1:] != (run.commit,):
        applied = (*applied, run.commit)[-REMEMBERED:]
    return replace(state, applied=applied)
