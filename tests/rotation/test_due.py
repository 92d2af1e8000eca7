"""Schedules: jitter, warnings, caps, and a thousand secrets that are overdue at once."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from reconciler.backends.vault.client import VaultClient
from reconciler.rotation.due import JITTER, Candidate, Caps, admitted, due
from reconciler.rotation.job import Job
from reconciler.rotation.rotate import Orders, Progress
from reconciler.rotation.state import Phase, State, sibling, write_state
from reconciler.rotation.turns import rotate_all
from reconciler.secrets.kv_store import KvStore
from tests.rotation.rig import stored

DAY = 86400
PATHS = st.text(min_size=1, max_size=30)


@given(PATHS, st.integers(DAY, 400 * DAY), st.integers(0, DAY))
def test_a_secret_is_due_at_most_a_tenth_early_never_late_and_always_at_the_same_time(path: str, interval: int, warning: int) -> None:
    found = due(path, 1_000_000, interval, warning)
    assert found == due(path, 1_000_000, interval, warning)
    assert interval * (1 - JITTER) - 1 <= found.at - 1_000_000 <= interval
    assert found.at - found.warn_at == (warning if warning < interval else interval // 4)
    assert found.overdue(found.at)
    assert not found.warns(found.at)


def test_secrets_that_were_made_together_are_not_due_together() -> None:
    days = Counter(due(f"secret-{number}", 0, 100 * DAY, 0).at // DAY for number in range(1000))
    assert len(days) >= 10
    assert max(days.values()) < 200


@given(
    st.lists(
        st.builds(
            Candidate, st.uuids().map(str), st.sampled_from("ab"), st.sampled_from(["", "x", "y"]), st.integers(0, 99), st.just(False)
        )
    )
)
def test_no_cap_is_exceeded_and_the_longest_overdue_come_first(candidates: list[Candidate]) -> None:
    caps = Caps(target=1, store=3, overall=5)
    chosen = list(admitted(candidates, caps))
    assert len(chosen) <= caps.overall
    assert all(count <= caps.store for count in Counter(one.store for one in chosen).values())
    assert all(count <= caps.target for target, count in Counter(one.target for one in chosen).items() if target)
    free = [one for one in candidates if not one.target]
    if len(free) == len(candidates) and len({one.store for one in candidates}) == 1:
        assert [one.at for one in chosen] == sorted(one.at for one in candidates)[: caps.store]


def test_what_is_under_way_goes_on_whatever_the_caps_say() -> None:
    active = [Candidate(str(number), "a", "x", number, active=True) for number in range(9)]
    assert list(admitted([*active, Candidate("new", "a", "", 0)], Caps(1, 2, 3))) == active


class Watch:
    """Sees how many secrets are between their first and their last step at one moment, and in which order they began."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.active: set[str] = set()
        self.most = 0
        self.order: list[str] = []

    def __call__(self, progress: Progress) -> None:
        with self.lock:
            if progress.phase is Phase.STAGED and progress.path not in self.active:
                self.active.add(progress.path)
                self.order.append(progress.path)
            if progress.phase is Phase.OVERLAP:
                self.active.discard(progress.path)
            self.most = max(self.most, len(self.active))


def test_a_thousand_overdue_secrets_are_no_storm(vault: VaultClient) -> None:
    vault.write("sys/mounts/kv", {"type": "kv-v2"})
    store = KvStore("vault", vault, "kv")
    count, caps = 1000, Caps(target=1, store=8, overall=8)

    def job(number: int) -> Job:
        one = stored(store, f"api_keys/{number:04}")
        # The later ones have been overdue for longer.
        last = int(one.now) - 100 * DAY - number
        version = store.put(one.path, {"value": f"old-{number}"})
        state = State(serial=1, last_rotated=last, old_version=version)
        store.put(sibling(one.path), write_state(state), "")
        return dataclasses.replace(one.unharmed, auto=True)

    jobs = [job(number) for number in range(count)]
    watch = Watch()
    done = rotate_all(jobs, caps, Orders(told=watch))
    assert all(one.promoted and not one.error for one in done)
    assert watch.most <= caps.overall
    assert len(watch.order) == count
    began = [int(path.rpartition("/")[2]) for path in watch.order]
    batches = [began[start : start + caps.overall] for start in range(0, count, caps.overall)]
    assert [sorted(batch, reverse=True) for batch in batches] == [
        list(range(count - 1 - start, max(-1, count - 1 - start - caps.overall), -1)) for start in range(0, count, caps.overall)
    ]
    for number in (0, 500, 999):
        held = store.get(f"api_keys/{number:04}")
        assert held is not None
        assert held.value["value"] != f"old-{number}"
