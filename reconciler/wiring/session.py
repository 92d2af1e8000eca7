"""A session: one environment, opened for one purpose, with everything that the verbs need."""

from __future__ import annotations

import datetime
import getpass
import logging
import signal
import socket
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from types import FrameType
from typing import TYPE_CHECKING, Any

from reconciler.core.address import Address, parse_address
from reconciler.core.errors import Usage
from reconciler.core.plan import Plan
from reconciler.core.run import AppliedVersion, RunRecord
from reconciler.engine.apply import Applied, apply, new_run
from reconciler.engine.orders import Orders
from reconciler.engine.plan import make_plan
from reconciler.engine.scope import Scope, within_reach
from reconciler.engine.survey import Ahead
from reconciler.engine.world import Wish, World
from reconciler.ledger.lock import Lock
from reconciler.ledger.lockdown import refuse_locked_down
from reconciler.settings import Settings

from .clients import ClientPool, Gates

if TYPE_CHECKING:
    from reconciler.core.findings import Report
    from reconciler.ledger.shelf import Shelf

    from .saved import SavedPlan

log = logging.getLogger(__name__)


@dataclass
class Session:
    """One command's hold on one environment. Made by `reconciler.wiring`; closed by it."""

    settings: Settings
    world: World
    wish: Wish
    clients: ClientPool
    lock: Lock
    shelf: Shelf
    gates: Gates
    run: str
    began: float
    ahead: Ahead | None = None
    check: Callable[[], Report] | None = None
    """What the compliance checks find in the desired state alone."""
    scope: Scope | None = None
    looking_back: bool = False
    """Only what can still be looked at counts: nothing drifts on an instance that is gone."""
    interrupted: bool = False

    @property
    def commit(self) -> str:
        return self.wish.commit

    def plan(self, targets: Collection[str], allow: Collection[str], *, rolling_back: bool = False) -> Plan:
        """Make a plan. Writes nothing."""
        state = self.ahead.state() if self.ahead else self.world.ledger.load()[0]
        if self.looking_back:
            state = within_reach(self.world.clients, self.world.kinds, state)
        planned = make_plan(
            self.world,
            self.wish,
            state,
            ahead=self.ahead,
            targets=_addresses(targets),
            allow=allow,
            rolling_back=rolling_back,
            scope=self.scope,
        )
        notes = {*planned.plan.notes, *self._findings(planned.plan)}
        if any(address.kind == "secret" for address in self.wish.resources):
            from .schedule import schedule_notes  # rotation, and the stores with it, only where there are secrets

            notes |= {*schedule_notes(self)}
        return replace(planned.plan, notes=tuple(sorted(notes)))

    def _findings(self, plan: Plan) -> Iterator[str]:
        """What the compliance checks find in what changes. A plan of nothing is not held up by them."""
        if self.check is not None and plan.changes:
            from reconciler.report.compliance_notes import finding_notes

            yield from finding_notes(self.check(), {str(change.address) for change in plan.changes})

    def orders(
        self,
        confirm: Callable[[Plan], bool],
        *,
        sort: str = "apply",
        allow: Collection[str] = (),
        targets: Collection[str] = (),
        expect_digest: str = "",
        saved: SavedPlan | None = None,
        undo_on_failure: bool = False,
    ) -> Orders:
        """What an apply is told. Raises Usage for a plan file of another environment."""
        if saved and saved.environment != self.wish.environment:
            raise Usage(f"the plan file is for environment {saved.environment}, not {self.wish.environment}")
        return Orders(
            actor=actor(self.settings.environ),
            sort=sort,
            allow=allow,
            targets=_addresses(targets),
            expect_digest=expect_digest,
            expect_changes=saved.changes if saved else None,
            undo_on_failure=undo_on_failure,
            finishing=self._finishing,
            confirm=confirm,
        )

    def apply(self, orders: Orders, lock_timeout: float) -> Applied:
        """Apply under the lock. On Ctrl-C what is in flight finishes, and what was done is recorded.

        Before the first write it raises KeyboardInterrupt, and SIGTERM does too: so the lock is given back.
        """
        from reconciler.audit.redaction import Masks  # only where something is written

        from .auditing import recording
        from .watched import Watched

        masks = Masks()
        audit = recording(self.settings, self.clients, orders.sort, commit=self.commit, rid=self.run, masks=masks)
        with _on_signals(_abort), audit as recorder, self.locked(orders.actor, lock_timeout) as fence:
            sources = Watched(self.world.sources, masks, recorder, self.clients.environment.stores)
            return apply(replace(self.world, sources=sources), self.wish, fence, orders, self.run, recorder)

    @contextmanager
    def locked(self, owner: str, timeout: float) -> Iterator[int]:
        """Hold the lock; every write passes its lease's gate. Yields the fence. Raises Refused during a lockdown."""
        self.shelf.prepare()
        refuse_locked_down(self.shelf)
        with self.lock.acquire(owner, self.run, timeout) as lease:
            self.gates.open(lease.gate)
            yield lease.fence

    @contextmanager
    def _finishing(self) -> Iterator[Callable[[], bool]]:
        def stop(_signal: int, _frame: FrameType | None) -> None:
            if not self.interrupted:
                log.warning("interrupted: what is under way is finished and recorded, the rest is not begun")
            self.interrupted = True

        with _on_signals(stop):
            yield lambda: self.interrupted

    def about(self) -> str:
        """The instances, in words."""
        return self.clients.about()

    def cost(self) -> str:
        """What this took so far, in words."""
        return f"Took {time.monotonic() - self.began:.1f} s, {self.clients.requests:,} requests."

    def runs(self, limit: int) -> list[RunRecord]:
        """The latest runs, newest first."""
        return list(islice(self.world.ledger.runs(), limit))

    def versions(self, address: str, limit: int) -> list[AppliedVersion]:
        """The applied versions of one object, newest first."""
        return list(islice(self.world.ledger.versions(_address(address)), limit))

    def lock_status(self) -> dict[str, Any] | None:
        """Who holds the lock, in fields for a report."""
        held = self.lock.status()
        if held is None:
            return None
        return {"owner": held.owner, "host": held.process.host, "run": held.run, "since": held.since, "until": held.until}

    def break_lock(self) -> bool:
        """Free the lock, whoever holds it."""
        from .auditing import recording

        with recording(self.settings, self.clients, "lock", commit=self.commit, rid=self.run) as recorder:
            held = self.lock.status()
            if held is not None:
                recorder.decision("lock.break", f"{self.wish.project}/{self.wish.environment}", code=held.run)
            return self.lock.break_() is not None


@contextmanager
def _on_signals(react: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, react) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _abort(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _addresses(texts: Collection[str]) -> tuple[Address, ...]:
    return tuple(map(_address, texts))


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise Usage(str(error)) from None


def actor(environ: Mapping[str, str]) -> str:
    """Who runs this, as far as this machine knows: in CI the person that GitHub names."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return f"{environ.get('GITHUB_ACTOR', 'unknown')} (GitHub Actions run {environ.get('GITHUB_RUN_ID', 'unknown')})"
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user id without a name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


__all__ = ["Session", "actor", "new_run", "now"]
