"""The real code on real ports: killed, misled and overtaken at any call, and what must hold holds.

OpenBao, PostgreSQL and encrypted files are real; AWS is a double that follows the documented semantics.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from reconciler.backends.vault.client import VaultClient
from reconciler.core.errors import ReconcilerError, Refused
from reconciler.rotation.job import Memory, load
from reconciler.rotation.look import observe
from reconciler.rotation.machine import decide
from reconciler.rotation.policy import PolicySpec
from reconciler.rotation.run import _audited
from reconciler.rotation.seen import Action, Asked, Checks, Probe, Wait
from reconciler.rotation.state import Phase, State
from reconciler.rotation.strategy import Call
from reconciler.secrets.aws_store import AwsStore
from reconciler.secrets.kv_store import KvStore
from reconciler.secrets.store import SecretStore
from tests.rotation.logins import logins
from tests.rotation.orders import administrator
from tests.rotation.rig import Rig, stored
from tests.secrets.aws_double import AwsDouble
from tests.secrets.files import quick_store

EXAMPLES = int(os.environ.get("ROTATION_EXAMPLES", "25"))
MODES = st.sampled_from(["killed", "lost", "down"])
LEAKS = st.sampled_from([("current",), ("previous",), ("pending",), ("current", "pending", "previous")])


class Faults(RuleBasedStateMachine):
    """Passes, faults, people, sleepers. A subclass says on which ports."""

    make: Callable[[], Rig]

    @initialize(first=st.booleans())
    def begin(self, first: bool) -> None:
        self.rig = type(self).make()
        self.asleep: tuple[Any, State, Action] | None = None
        self.by_hand = False
        if not first:
            self.rig.settle()
            self.rig.now += 10

    @rule(calls=st.integers(0, 9), mode=MODES, early=st.booleans())
    def passes_until_something_goes_wrong(self, calls: int, mode: Any, early: bool) -> None:
        self.rig.fault.arm(calls, mode, early)
        self.rig.step()

    @rule()
    def passes(self) -> None:
        self.rig.step()

    @rule(asked=LEAKS | st.just(()))
    def is_asked_for(self, asked: tuple[str, ...]) -> None:
        self.rig.step(Asked("somebody", asked))

    @rule(hours=st.sampled_from([0.01, 2, 24 * 40]))
    def time_goes_by(self, hours: float) -> None:
        self.rig.now += hours * 3600

    @precondition(lambda self: self.asleep is None)
    @rule()
    def falls_asleep_before_it_acts(self) -> None:
        job = self.rig.unharmed
        with suppress(ReconcilerError):
            state = load(job)
            action = decide(state, observe(job, state, Memory(), None), int(self.rig.now))
            if not isinstance(action, Wait):
                self.asleep = (job, state, action)

    @precondition(lambda self: self.asleep is not None)
    @rule()
    def wakes_up_and_acts(self) -> None:
        assert self.asleep is not None
        with suppress(ReconcilerError):
            _audited(*self.asleep, Memory())
        self.asleep = None

    @rule()
    def the_validation_says_no_from_here_on(self) -> None:
        self.rig.validate = lambda _value: Checks(failed=1)

    @rule()
    def the_validation_says_yes_from_here_on(self) -> None:
        self.rig.validate = None

    @rule(full=st.booleans())
    def the_disk_of_the_audit_log_is_full(self, full: bool) -> None:
        before = self.rig.state()
        self.rig.log.full = full
        if full:
            self.rig.step()
            assert self.rig.state() == before, "what cannot be recorded is not done"
            self.rig.log.full = False

    @invariant()
    def the_current_value_authenticates(self) -> None:
        if hasattr(self, "rig"):
            self.authenticates()

    def authenticates(self) -> None:
        """What readers once had, they have."""
        self.had = getattr(self, "had", False) or self.rig.store.get(self.rig.path) is not None
        assert not self.had or self.rig.value()

    def teardown(self) -> None:
        """Whatever happened, passes without faults come to rest, with a value that works and no intent without an outcome."""
        if not hasattr(self, "rig"):
            return
        self.rig.log.full, self.rig.validate, self.asleep = False, None, None
        for _ in range(3):
            state = self.rig.settle()
            self.rig.now += 3600 * 24 * 40
        self.authenticates()
        assert state.phase in (Phase.IDLE, Phase.OVERLAP, Phase.ORPHANED, Phase.CONFLICT), state.phase
        assert not self.rig.log.open


class Login(Faults):
    """With a database: what readers have must be able to log in, at every moment."""

    def authenticates(self) -> None:
        state, call = self.rig.state(), Call("", "", 0)
        held = self.rig.store.get(self.rig.path)
        if held is None:
            assert state.previous is None
            return
        values = [dict(held.value)]
        if not self.rig.spec.both and state.pending:
            values.append(state.pending.value)  # consumers of one user fall back to the pending value
        from reconciler.rotation.state import kept

        assert any(self.rig.strategy.probe(call, kept(value)) is Probe.ACCEPTED for value in values)
        if state.phase is Phase.OVERLAP and state.previous and self.rig.spec.both:
            assert self.rig.strategy.probe(call, state.previous) is Probe.ACCEPTED


def check(machine: type[Faults], make: Callable[[], Rig], examples: int = EXAMPLES, steps: int = 20) -> None:
    ready = type(machine.__name__, (machine,), {"make": staticmethod(make)})
    checks = settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(ready, settings=checks)


def kv(vault: VaultClient) -> SecretStore:
    if "kv" not in (vault.mounts() or {}):
        vault.write("sys/mounts/kv", {"type": "kv-v2"})
        vault.forget_mounts()
    return KvStore("vault", vault, "kv")


def test_a_stored_value_in_openbao_survives_every_fault(vault: VaultClient) -> None:
    store = kv(vault)
    check(Faults, lambda: stored(store, f"api_keys/{uuid.uuid4().hex}"))


def test_a_stored_value_in_encrypted_files_survives_every_fault(tmp_path: Path) -> None:
    store = quick_store(tmp_path / "secrets")
    check(Faults, lambda: stored(store, f"api_keys/{uuid.uuid4().hex}"))


def test_a_stored_value_in_aws_survives_every_fault() -> None:
    check(Faults, lambda: stored(AwsStore("aws", AwsDouble(), "genesis/")))


@pytest.mark.parametrize("count", [1, 2], ids=["one user", "two users"])
def test_a_database_password_survives_every_fault(vault: VaultClient, users: str, count: int) -> None:
    store = kv(vault)
    check(Login, lambda: logins(store, users, count), examples=max(1, EXAMPLES // 2), steps=15)


def test_a_restored_store_is_noticed_by_the_fence_and_rotates_anew(vault: VaultClient, users: str) -> None:
    rig = logins(kv(vault), users, 2)
    rig.settle()
    old = rig.store.get(f"_rotation/{rig.path}")
    assert old is not None
    value = rig.value()
    for _ in range(2):
        rig.now += 3600 * 24 * 40
        rig.settle(Asked("somebody"))
        rig.now += 7200
        rig.settle()
    rig.store.put(f"_rotation/{rig.path}", old.value)  # the store as it was two rotations ago
    rig.store.put(rig.path, value)
    rig.settle(Asked("somebody"))
    rig.now += 7200
    state = rig.settle()
    assert state.restore_epoch >= 1
    assert state.phase is Phase.IDLE
    assert rig.strategy.probe(Call("", "", 0), rig_value(rig)) is Probe.ACCEPTED


def test_a_restored_target_gets_the_new_value_again(vault: VaultClient, users: str) -> None:
    rig = logins(kv(vault), users, 2)
    rig.settle()
    rig.settle(Asked("somebody"))
    assert rig.state().phase is Phase.OVERLAP
    with administrator() as connection:
        connection.execute(f"ALTER ROLE {rig.value()['username']} PASSWORD 'restored'".encode())
        connection.execute("UPDATE reconciler.fences SET fence = 0 WHERE secret = %s", (f"rig/{rig.path}",))
    rig.settle()
    assert rig.strategy.probe(Call("", "", 0), rig_value(rig)) is Probe.ACCEPTED


def rig_value(rig: Rig) -> Any:
    from reconciler.rotation.state import kept

    return kept(rig.value())


class PeopleToo(Faults):
    """A person writes the secret now and then: that is never written over unless they say so."""

    @rule(number=st.integers(1, 3))
    def a_person_writes(self, number: int) -> None:
        self.written = {"value": f"by-hand-{number}-{uuid.uuid4().hex}"}
        self.rig.store.put(self.rig.path, self.written)
        before = self.rig.value()
        self.rig.settle()
        assert self.rig.value() == before


def test_what_a_person_writes_meanwhile_stays(vault: VaultClient) -> None:
    store = kv(vault)
    check(PeopleToo, lambda: stored(store, f"api_keys/{uuid.uuid4().hex}"), examples=max(1, EXAMPLES // 2))


def test_a_persons_write_ends_what_a_leak_had_asked_for(vault: VaultClient) -> None:
    rig = stored(kv(vault), "api_keys/by-hand")
    rig.step()
    rig.step(Asked("somebody", ("pending",)))
    rig.step()
    assert rig.state().again
    rig.store.put(rig.path, {"value": "by-hand"})
    rig.settle()
    assert rig.value() == {"value": "by-hand"}


def test_copies_in_other_stores_follow_before_the_old_value_ends(vault: VaultClient, users: str, tmp_path: Path) -> None:
    rig = logins(kv(vault), users, 2)
    copy = quick_store(tmp_path / "secrets")
    rig.copies = (copy,)
    rig.settle()
    rig.settle(Asked("somebody"))
    assert rig.state().phase is Phase.OVERLAP
    held = copy.get(rig.path)
    assert held is not None
    assert held.value == rig.value()
    rig.now += 7200
    rig.settle()
    assert rig.state().phase is Phase.IDLE


def test_a_value_that_is_taken_back_stays_good_as_long_as_consumers_may_keep_it(vault: VaultClient, users: str) -> None:
    rig = logins(kv(vault), users, 2)
    stages = {"enabled": True, "stages": [{"name": "canary", "duration_minutes": 15, "traffic_percentage": 10}]}
    rig.settle()
    rig.policy = PolicySpec.model_validate(
        {"interval_days": 30, "consumer_cache": "2m", "staged_rollout": stages, "validation_required": True}
    )
    rig.settle(Asked("somebody"))
    pending = rig.state().pending
    assert rig.state().phase is Phase.CANARY
    assert pending is not None
    rig.validate = lambda _value: Checks(failed=1)
    rig.settle()
    assert rig.state().phase is Phase.ABORTING
    assert rig.strategy.probe(Call("", "", 0), pending) is Probe.ACCEPTED
    rig.now += 121
    rig.settle()
    assert rig.state().phase is Phase.IDLE
    assert rig.strategy.probe(Call("", "", 0), pending) is Probe.REFUSED


def test_a_secret_that_somebody_else_rotates_is_left_to_them(vault: VaultClient) -> None:
    rig = stored(kv(vault), "api_keys/foreign")
    rig.settle()
    before = rig.value()
    rig.foreign = "AWS rotates it itself"
    with pytest.raises(Refused, match="AWS rotates it itself"):
        rig.settle(Asked("somebody"))
    assert rig.value() == before
