"""What the audit log is told of a run: an intent before each change, what became of it after it, and what was left open before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from reconciler.audit.journal import RunRecorder
from reconciler.core.address import Address
from reconciler.core.change import Action, Change
from reconciler.core.errors import ReconcilerError, Unavailable

from .execute import Outcome, Result
from .orders import Orders
from .plan import Planned
from .world import Wish

LOOKED = "looked"
"""The code of an outcome that was found by looking, since whoever had the intent was killed."""


class Recorded:
    """The changes of one run, on their way into the audit log. `sort`: apply, rollback, undo or bootstrap."""

    def __init__(self, recorder: RunRecorder, sort: str) -> None:
        self._recorder = recorder
        self._sort = sort
        self._ids: dict[Address, str] = {}

    def announce(self, changes: Sequence[Change[Any]]) -> None:
        """Keep what is about to be done, all of it with one sync. Raises ReconcilerError: then none of it may be done."""
        ids = self._recorder.intents((f"{self._sort}.{change.action.value}", str(change.address), change.version) for change in changes)
        self._ids.update(zip((change.address for change in changes), ids, strict=True))

    def around(self, write: Callable[[Change[Any]], Change[Any]]) -> Callable[[Change[Any]], Change[Any]]:
        """The same write, which also tells what became of the change. It does not wait for the disk: looking would tell, too."""

        def recorded(change: Change[Any]) -> Change[Any]:
            try:
                done = write(change)
            except Unavailable:
                self._end(change, "unknown")
                raise
            except ReconcilerError:
                self._end(change, "failed")
                raise
            except Exception:  # a bug says nothing of what the server did
                self._end(change, "unknown")
                raise
            self._end(change, "applied")
            return done

        return recorded

    def withdraw(self, results: Iterable[Result]) -> None:
        """Tell of what was announced and then not begun, because somebody pressed Ctrl-C."""
        for result in results:
            if result.outcome is Outcome.SKIPPED and result.change.address in self._ids:
                self._end(result.change, "skipped")

    def _end(self, change: Change[Any], outcome: str) -> None:
        self._recorder.outcome_soon(self._ids[change.address], outcome)


def begin_run(recorder: RunRecorder, wish: Wish, orders: Orders, planned: Planned) -> str:
    """Keep that a run begins, what was reviewed, and which guards a person lifted for it. Returns the intent's id."""
    where = f"{wish.project}/{wish.environment}"
    for guard in sorted(orders.allow):
        recorder.decision("guard.allowed", where, code=guard)
    return recorder.intent(orders.sort, where, fp=planned.plan.digest.removeprefix("sha256:"))


def answer_what_was_left(recorder: RunRecorder, wish: Wish, planned: Planned) -> None:
    """Say what became of changes whose run was killed: by what live is now, as far as this commit can tell."""
    left = recorder.unanswered()
    if not left:
        return
    wanted = {recorder.clean(str(change.address)): change.action for change in planned.plan.changes}
    # What is only to be claimed is as it should be, too: the killed run made it.
    there = {name for name, action in wanted.items() if action is Action.ADOPT}
    there |= {recorder.clean(str(address)) for address in planned.unchanged}
    for one in left:
        sort, _, action = one.action.partition(".")
        if sort not in ("apply", "rollback", "undo"):
            continue  # a rotation's own, which looks for itself
        outcome = "unknown"
        if sort == "apply" and one.commit == wish.commit:
            outcome = "applied" if one.resource in there else "failed" if wanted.get(one.resource) == action else "unknown"
        recorder.outcome_soon(one.id, outcome, code=LOOKED)
