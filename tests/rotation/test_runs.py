"""Runs over many secrets: what waits holds up nobody, what is stuck is said, what leaked is not called ended before it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.errors import Unavailable
from reconciler.report.rotations import rotated_json, rotated_text
from reconciler.rotation.due import Caps
from reconciler.rotation.job import Job, load
from reconciler.rotation.people import hold
from reconciler.rotation.policy import PolicySpec
from reconciler.rotation.rotate import Orders, rotate_one
from reconciler.rotation.seen import Asked, Checks
from reconciler.rotation.state import ACTIVE, Phase, State, sibling, write_state
from reconciler.rotation.turns import rotate_all
from reconciler.secrets.store import SecretStore
from tests.rotation.rig import Rig, stored
from tests.secrets.files import quick_store

DAY = 86400
CAPS = Caps(target=1, store=3, overall=3)
STAGED = PolicySpec.model_validate(
    {
        "interval_days": 30,
        "overlap_hours": 24,
        "staged_rollout": {"enabled": True, "stages": [{"name": "canary", "duration_minutes": 15, "traffic_percentage": 10}]},
    }
)


class Clock:
    """Time that only sleepers let go by."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def store(tmp_path: Path) -> SecretStore:
    """Encrypted files, which need no server."""
    return quick_store(tmp_path / "secrets")


def overdue(store: SecretStore, clock: Clock, path: str, policy: PolicySpec = STAGED, days: int = 100) -> Job:
    rig = stored(store, path)
    rig.policy = policy
    version = store.put(path, {"value": f"old-{path}"})
    store.put(sibling(path), write_state(State(serial=1, last_rotated=int(clock.now) - days * DAY, old_version=version)), "")
    return dataclasses.replace(rig.unharmed, clock=lambda: clock.now)


def phases(jobs: list[Job]) -> list[Phase]:
    return [load(job).phase for job in jobs]


def test_no_more_are_in_their_rollout_at_once_than_the_caps_allow(store: SecretStore) -> None:
    clock = Clock()
    jobs = [overdue(store, clock, f"keys/{number}", days=100 + number) for number in range(10)]
    done = rotate_all(jobs, CAPS, Orders())
    assert phases(jobs) == [Phase.IDLE] * 7 + [Phase.CANARY] * 3, "the longest overdue are first"
    assert "waits for its turn" in done[0].waits
    assert not any(one.error or one.trouble for one in done)
    clock.now += 16 * 60
    rotate_all(jobs, CAPS, Orders())
    assert phases(jobs) == [Phase.IDLE] * 4 + [Phase.CANARY] * 3 + [Phase.OVERLAP] * 3


def test_whoever_watches_sees_all_of_them_through_within_the_caps(store: SecretStore) -> None:
    clock = Clock()
    jobs = [overdue(store, clock, f"keys/{number}") for number in range(8)]
    most: list[int] = []
    done = rotate_all(
        jobs, CAPS, Orders(watch=True, sleep=clock.sleep, told=lambda _: most.append(sum(one in ACTIVE for one in phases(jobs))))
    )
    assert phases(jobs) == [Phase.IDLE] * 8
    assert all(one.rotated for one in done)
    assert max(most) <= CAPS.overall
    assert sum(clock.slept) < 2 * DAY, "overlaps last at the same time"


def test_a_held_rotation_takes_nobodys_turn(store: SecretStore) -> None:
    clock = Clock()
    jobs = [overdue(store, clock, f"keys/{number}") for number in range(4)]
    for job in jobs[:3]:
        rotate_one(job, Orders(Asked("somebody")))
        hold(job, "an audit")
    rotate_all(jobs, CAPS, Orders())
    assert phases(jobs)[3] is Phase.CANARY


def test_forced_ones_are_asked_for_by_who_forces_them(store: SecretStore) -> None:
    clock = Clock()
    job = overdue(store, clock, "keys/fresh", PolicySpec(interval_days=30, overlap_hours=0), days=1)
    assert not rotate_all([job], CAPS, Orders())[0].moves
    done = rotate_all([job], CAPS, Orders(Asked("alice"), watch=True, sleep=clock.sleep), force=True)
    assert done[0].rotated
    assert load(job).requested_by == "alice"
    assert load(job).attempt == 1, "once, however long somebody watches"


def alarmed(rig: Rig, prepare: Callable[[Rig], None] = lambda _rig: None) -> tuple[str, dict[str, object]]:
    rig.settle()
    prepare(rig)
    done = [rotate_one(rig.unharmed, Orders(Asked("somebody", ("current",))))]
    return rotated_text(done, now=int(rig.now)), rotated_json(done)[0]


def test_an_emergency_that_ended_the_value_says_so(store: SecretStore) -> None:
    text, entry = alarmed(stored(store))
    assert "the leaked value is no longer given out" in text
    assert (entry["outcome"], entry["leaked"], entry["refused"]) == ("rotated", True, None)


def held(rig: Rig) -> None:
    hold(rig.unharmed, "an audit")


def foreign(rig: Rig) -> None:
    rig.foreign = "AWS rotates it itself"


def invalid(rig: Rig) -> None:
    rig.validate = lambda _value: Checks(failed=1)


@pytest.mark.parametrize("prepare", [held, foreign, invalid])
def test_an_emergency_that_did_not_end_the_value_is_no_success(store: SecretStore, prepare: Callable[[Rig], None]) -> None:
    rig = stored(store)
    before = rig.settle() and rig.value()
    text, entry = alarmed(rig, prepare)
    assert rig.value() == before
    assert "what leaked is still good" in text
    assert entry["outcome"] == ("error" if rig.foreign else "failed")
    assert entry["refused"] is False


def test_what_leaked_and_could_not_be_ended_is_tried_again_by_the_schedule(store: SecretStore) -> None:
    rig = stored(store)
    rig.settle()
    before = rig.value()
    invalid(rig)
    rig.settle(Asked("somebody", ("current",)))
    assert rig.state().failures == 1
    rig.validate = None
    again = rotate_all([rig.unharmed], CAPS, Orders())[0]
    assert rig.value() == before, "after a failure it waits"
    assert again.failed
    rig.now = float(rig.state().backoff_until)
    done = rotate_all([rig.unharmed], CAPS, Orders())[0]
    assert rig.value() != before
    assert (done.failed, rig.state().exposed) == (False, ())


class Fickle:
    """A target that accepts each value on one look in two."""

    def __init__(self, inner: object) -> None:
        self._inner = inner
        self._looks = 0

    tested = True

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def probe(self, *_given: object) -> object:
        from reconciler.rotation.seen import Probe

        self._looks += 1
        return Probe.ACCEPTED if self._looks % 2 else Probe.REFUSED


def test_a_target_that_changes_its_mind_for_ever_does_not_hold_a_run_for_ever(store: SecretStore) -> None:
    rig = stored(store)
    rig.settle()
    before = rig.value()
    rig.strategy = Fickle(rig.strategy)  # type: ignore[assignment]  # as much of a strategy as is called
    done = rotate_one(rig.unharmed, Orders(Asked("somebody")))
    assert "does not come to rest" in done.error
    assert rig.value() == before


def test_what_cannot_be_reached_is_an_error_of_that_secret_alone(store: SecretStore) -> None:
    clock = Clock()
    good, bad = (overdue(store, clock, path, PolicySpec(interval_days=30)) for path in ("keys/good", "keys/bad"))

    class Down:
        name = "files"

        def get(self, *_given: object) -> None:
            raise Unavailable("the store is down")

    done = rotate_all([good, dataclasses.replace(bad, store=Down())], CAPS, Orders())  # type: ignore[arg-type]  # nothing else is called
    assert (done[0].promoted, done[1].error) == (True, "the store is down")
