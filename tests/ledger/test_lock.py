"""One lock, one holder: by schedules that hypothesis makes up, by hand, and with processes that are stopped and killed."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reconciler.core.errors import LeaseLost, LockHeld, ReconcilerError
from reconciler.ledger.file import FileShelf
from reconciler.ledger.holder import KEY
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.lock import LEASE_SECONDS, SKEW, Lease, Lock
from reconciler.ledger.machine import Process, is_gone, this_process
from reconciler.ledger.records import EMPTY
from reconciler.ledger.shelf import Shelf

from .memory import HandClock, MemoryShelf, World

THIRD = LEASE_SECONDS / 3


def no_thread(_name: str, _work: object) -> None:
    """Leases are renewed by hand."""


def lock_on(shelf: Shelf, clock: HandClock, host: str = "one", world: str = "") -> Lock:
    return Lock(shelf, clock, process=lambda: Process(host, os.getpid(), world, this_process().started), background=no_thread)


class Schedules(RuleBasedStateMachine):
    """Machines with wrong clocks take, renew, lose, break nothing, pause and come back. Never do two pass the gate."""

    @initialize(
        offsets=st.lists(
            st.tuples(st.sampled_from([0.0, 12.5, 1e6]), st.sampled_from([-140.0, -50.0, 0.0, 70.0, 140.0])), min_size=2, max_size=2
        )
    )
    def machines(self, offsets: list[tuple[float, float]]) -> None:
        self.world = World(passing=self.renew_healthy)
        self.shelf = MemoryShelf()
        # The first two share a machine and so its clocks: they are two containers' processes of one world.
        offsets = [offsets[0], offsets[0], offsets[1]]
        self.clocks = [HandClock(self.world, *offset) for offset in offsets]
        self.locks = [lock_on(self.shelf, clock, f"m{number // 2}", f"w{number // 2}") for number, clock in enumerate(self.clocks)]
        self.leases: dict[int, list[Lease]] = {number: [] for number in range(len(offsets))}
        self.paused: set[int] = set()
        self.due = 0.0
        self.fences: list[int] = []

    def renew_healthy(self) -> None:
        if self.world.time >= self.due:
            self.due = self.world.time + THIRD
            for number, leases in self.leases.items():
                for lease in leases if number not in self.paused else ():
                    lease.renew()
        self.at_most_one_may_write()

    @rule(number=st.integers(0, 2), timeout=st.sampled_from([0.0, 0.0, 50.0, 90.0]))
    def acquire(self, number: int, timeout: float) -> None:
        if number in self.paused:
            return
        try:
            lease = self.locks[number].acquire(f"owner {number}", f"run {len(self.fences)}", timeout)
        except (LockHeld, ReconcilerError):
            return
        self.fences.append(lease.fence)
        self.leases[number].append(lease)

    @rule(number=st.integers(0, 2))
    def pause_or_resume(self, number: int) -> None:
        self.paused ^= {number}

    @rule(number=st.integers(0, 2))
    def release(self, number: int) -> None:
        if number not in self.paused and self.leases[number]:
            self.leases[number].pop().release()

    @rule(seconds=st.sampled_from([1.0, 7.0, 19.0, 41.0, 59.0, 61.0, 200.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_by(seconds)

    @rule()
    def an_answer_is_lost(self) -> None:
        self.shelf.lose_answers = 1

    @rule(seconds=st.sampled_from([5.0, 45.0, 70.0]))
    def the_shelf_is_down(self, seconds: float) -> None:
        self.shelf.down = True
        self.world.pass_by(seconds)
        self.shelf.down = False

    @invariant()
    def at_most_one_may_write(self) -> None:
        if not hasattr(self, "leases"):
            return
        able = [lease.fence for leases in self.leases.values() for lease in leases if may_write(lease)]
        assert len(able) <= 1

    @invariant()
    def fences_only_grow(self) -> None:
        if hasattr(self, "fences"):
            assert self.fences == sorted(set(self.fences))


def may_write(lease: Lease) -> bool:
    """Stricter than the gate, which leaves a margin."""
    return lease._remaining() > 0 and not lease._lost


Schedules.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestSchedules = Schedules.TestCase


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def memory() -> MemoryShelf:
    return MemoryShelf()


@pytest.fixture
def clock(world: World) -> HandClock:
    return HandClock(world)


def test_a_lock_is_held_and_given_back_on_every_shelf(shelf: Shelf) -> None:
    lock = Lock(shelf)
    assert lock.status() is None
    with lock.acquire("ann", "r1") as lease:
        lease.gate(20)
        assert lease.renew()
        holder = lock.status()
        assert holder is not None
        assert (holder.owner, holder.run) == ("ann", "r1")
        with pytest.raises(LockHeld):
            Lock(shelf).acquire("ben", "r2")
    assert lock.status() is None
    with Lock(shelf).acquire("ben", "r2") as second:
        assert second.fence == lease.fence + 1


def test_who_is_refused_learns_by_whom_and_what_to_do(memory: MemoryShelf, clock: HandClock) -> None:
    lock_on(memory, clock, "ci-7").acquire("ann", "r1")
    with pytest.raises(LockHeld) as refusal:
        lock_on(memory, clock).acquire("ben", "r2")
    for word in ("ann", "ci-7", "run r1", "since 2026-01-01T00:00:00Z", "until 2026-01-01T00:01:00Z", "--lock-timeout", "lock break"):
        assert word in str(refusal.value)


def test_who_waits_gets_the_lock_when_it_is_given_back(memory: MemoryShelf, world: World, clock: HandClock) -> None:
    lease = lock_on(memory, clock).acquire("ann", "r1")
    world.passing = lambda: lease.release() if world.time >= 10 else None
    lock_on(memory, clock, "two").acquire("ben", "r2", timeout=30)
    assert world.time == pytest.approx(10, abs=1.5)


def test_who_waits_too_short_is_refused_on_time(memory: MemoryShelf, world: World, clock: HandClock) -> None:
    lock_on(memory, clock).acquire("ann", "r1")
    with pytest.raises(LockHeld):
        lock_on(memory, clock, "two").acquire("ben", "r2", timeout=7.5)
    assert world.time == pytest.approx(7.5)


@pytest.mark.parametrize("off", [-3600.0, 0.0, 299.0], ids=["an hour behind", "right", "minutes ahead"])
def test_a_waiter_takes_what_it_has_watched_for_a_whole_lease_whatever_the_calendar_says(
    memory: MemoryShelf, world: World, clock: HandClock, off: float
) -> None:
    lease = lock_on(memory, clock).acquire("ann", "r1")
    lock_on(memory, HandClock(world, 5.0, off), "two").acquire("ben", "r2", timeout=120)
    assert LEASE_SECONDS - 1 <= world.time < LEASE_SECONDS + 10
    with pytest.raises(LeaseLost):
        lease.gate(0)


def test_a_renewed_lock_is_never_taken_by_waiting(memory: MemoryShelf, world: World, clock: HandClock) -> None:
    lease = lock_on(memory, clock).acquire("ann", "r1")
    world.passing = lambda: None if world.time % THIRD else lease.renew()
    with pytest.raises(LockHeld):
        lock_on(memory, HandClock(world, 0, 200), "two").acquire("ben", "r2", timeout=900)
    lease.gate(20)


def test_a_lock_from_another_machine_long_over_is_taken_at_once(memory: MemoryShelf, world: World, clock: HandClock) -> None:
    lock_on(memory, clock).acquire("ann", "r1")
    other = lock_on(memory, HandClock(world, 5.0), "two")
    world.pass_by(LEASE_SECONDS + SKEW.total_seconds() - 1)
    with pytest.raises(LockHeld):
        other.acquire("ben", "r2")
    world.pass_by(2)
    other.acquire("ben", "r2")


def test_on_one_machine_a_lease_that_is_over_is_over(memory: MemoryShelf, world: World, clock: HandClock) -> None:
    lock_on(memory, clock, world="same").acquire("ann", "r1")
    other = lock_on(memory, clock, world="same")
    world.pass_by(LEASE_SECONDS - 1)
    with pytest.raises(LockHeld):
        other.acquire("ben", "r2")
    world.pass_by(2)
    other.acquire("ben", "r2")


def test_the_gate_opens_only_for_what_ends_before_the_lease_does(memory: MemoryShelf, world: World, clock: HandClock) -> None:
    lease = lock_on(memory, clock).acquire("ann", "r1")
    world.pass_by(30)
    lease.gate(24.9)
    with pytest.raises(LeaseLost):
        lease.gate(25.1)
    assert world.time >= LEASE_SECONDS  # it waited for a renewal, which did not come


def test_the_gate_waits_for_a_renewal_that_is_late(memory: MemoryShelf, world: World, clock: HandClock) -> None:
    lease = lock_on(memory, clock).acquire("ann", "r1")
    world.pass_by(50)
    world.passing = lambda: lease.renew() if 55 <= world.time < 56 else None
    lease.gate(20)
    assert 55 <= world.time < 57


def test_what_outlasts_any_lease_is_refused_at_once(memory: MemoryShelf, world: World, clock: HandClock) -> None:
    lease = lock_on(memory, clock).acquire("ann", "r1")
    with pytest.raises(LeaseLost, match="outlast"):
        lease.gate(LEASE_SECONDS)
    assert world.time == 0


def test_a_lease_that_was_over_never_comes_back(memory: MemoryShelf, world: World, clock: HandClock) -> None:
    lease = lock_on(memory, clock).acquire("ann", "r1")
    world.pass_by(LEASE_SECONDS)
    writes = memory.writes
    assert not lease.renew()
    lease.release()
    clock.ticks_off -= LEASE_SECONDS  # not even if a clock is set back
    with pytest.raises(LeaseLost, match="ran out"):
        lease.gate(0)
    assert memory.writes == writes


def test_a_paused_virtual_machine_learns_of_it_from_its_calendar(memory: MemoryShelf, world: World, clock: HandClock) -> None:
    lease = lock_on(memory, clock).acquire("ann", "r1")
    world.pass_by(100)
    clock.ticks_off -= 100
    with pytest.raises(LeaseLost):
        lease.gate(0)


def test_a_broken_lock_is_free_and_its_holder_learns_of_it(memory: MemoryShelf, clock: HandClock) -> None:
    lock = lock_on(memory, clock)
    lease = lock.acquire("ann", "r1")
    broken = lock.break_()
    assert broken is not None
    assert broken.run == "r1"
    assert lock.break_() is None
    second = lock_on(memory, clock, "two").acquire("ben", "r2")
    assert not lease.renew()
    with pytest.raises(LeaseLost, match="broke it"):
        lease.gate(0)
    lease.release()
    second.gate(0)
    assert lock.status() is not None


def test_lost_answers_do_not_lose_the_lock(memory: MemoryShelf, world: World, clock: HandClock) -> None:
    lease = lock_on(memory, clock).acquire("ann", "r1")
    memory.lose_answers = 1
    assert not lease.renew()
    world.pass_by(10)
    assert lease.renew()  # refused for the version its own first attempt made
    lease.gate(LEASE_SECONDS - 10 - lease.margin - 1)
    with pytest.raises(LeaseLost):  # it counts from the attempt that was done, not from the one that was refused
        lease.gate(LEASE_SECONDS - 10 - lease.margin + 1)
    memory.lose_answers = 0


def test_a_release_after_a_lost_answer_still_frees_the_lock(memory: MemoryShelf, clock: HandClock) -> None:
    lock = lock_on(memory, clock)
    lease = lock.acquire("ann", "r1")
    memory.lose_answers = 1
    lease.renew()
    lease.release()
    assert lock.status() is None


def test_an_unreachable_ledger_ends_the_lease_not_the_program(
    memory: MemoryShelf, world: World, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    lease = lock_on(memory, clock).acquire("ann", "r1")
    memory.down = True
    assert not lease.renew()
    lease.gate(0)
    lease.release()
    assert "could not be released" in caplog.text


def test_fences_go_on_when_somebody_deletes_the_entry(memory: MemoryShelf, clock: HandClock) -> None:
    Ledger(memory).save(EMPTY, "", EMPTY, 41)
    assert lock_on(memory, clock).acquire("ann", "r1").fence == 42


@pytest.mark.parametrize(("content", "words"), [(b'{"format": 2}', "upgrade"), (b"{}", "by hand"), (b"\xff", "by hand")])
def test_an_entry_that_cannot_be_read_is_an_error_in_words(memory: MemoryShelf, clock: HandClock, content: bytes, words: str) -> None:
    memory.put(KEY, content, "")
    with pytest.raises(ReconcilerError, match=words):
        lock_on(memory, clock).acquire("ann", "r1")


def test_the_clock_goes_on_and_the_calendar_is_in_utc() -> None:
    from reconciler.ledger.clock import SystemClock

    clock = SystemClock()
    before = clock.ticks()
    clock.sleep(0.01)
    assert clock.ticks() >= before + 0.01
    assert clock.now().utcoffset() == datetime.timedelta(0)


HOLD = """
import sys
from pathlib import Path
from reconciler.core.errors import LeaseLost
from reconciler.ledger.file import FileShelf
from reconciler.ledger.lock import Lock

lease = Lock(FileShelf(Path(sys.argv[1])), lease=float(sys.argv[2])).acquire("child", "r1")
print("held", flush=True)
for line in sys.stdin:
    try:
        lease.gate(0.1)
        print("sent", flush=True)
    except LeaseLost:
        print("lost", flush=True)
"""


@contextmanager
def holding(folder: Path, lease: float) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock, and sends something whenever it is told to."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(lease)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert said(process) == "held"
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("send\n")
    process.stdin.flush()


def test_a_stopped_process_sends_nothing_once_its_lease_is_over(tmp_path: Path) -> None:
    with holding(tmp_path, lease=2.5) as process:
        time.sleep(3)  # longer than the lease: the thread renews it
        tell(process)
        assert said(process) == "sent"
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(LockHeld):
            Lock(FileShelf(tmp_path)).acquire("ben", "r2")
        with Lock(FileShelf(tmp_path)).acquire("ben", "r2", timeout=10) as lease:
            process.send_signal(signal.SIGCONT)
            tell(process)
            assert said(process) == "lost"
            time.sleep(1)
            lease.gate(0)


def test_a_stopped_process_sends_nothing_even_if_nobody_took_the_lock(tmp_path: Path) -> None:
    with holding(tmp_path, lease=1.0) as process:
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.2)
        process.send_signal(signal.SIGCONT)
        tell(process)
        assert said(process) == "lost"


@pytest.mark.parametrize("waited_for", [True, False], ids=["waited for", "a zombie"])
def test_the_lock_of_a_killed_process_is_taken_over_at_once(tmp_path: Path, waited_for: bool) -> None:
    with holding(tmp_path, lease=60) as process:
        process.send_signal(signal.SIGKILL)
        if waited_for:
            process.wait()
        else:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with Lock(FileShelf(tmp_path)).acquire("ben", "r2") as lease:
            assert lease.fence == 2


def test_the_dead_are_told_from_the_living_only_on_one_machine() -> None:
    here = this_process()
    assert not is_gone(here, here)
    assert is_gone(here._replace(started="1"), here)  # its number was given out again
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert is_gone(here._replace(pid=ended.pid), here)
    assert not is_gone(here._replace(pid=ended.pid, world="another boot"), here)
    assert not is_gone(here._replace(pid=ended.pid, world=""), here._replace(world=""))
