"""What goes wrong around a rotation, one thing at a time: nothing is lost, and it goes on when that is over."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.backends.postgres import Postgres
from reconciler.backends.vault.client import VaultClient
from reconciler.core.errors import BackendError, Conflict, Denied, Missing, Unavailable
from reconciler.rotation.job import Memory
from reconciler.rotation.policy import PolicySpec
from reconciler.rotation.run import one_pass
from reconciler.rotation.seen import Asked, Probe
from reconciler.rotation.state import Phase, kept
from reconciler.rotation.strategy import Call
from reconciler.secrets.store import SecretStore
from tests.cli.site import Site
from tests.rotation.kv import read
from tests.rotation.logins import logins
from tests.rotation.rig import PASSES, Fault, Rig, stored

WISH = Asked("somebody")


class Answers(Fault):
    """One call in so many is answered with an error, before it does anything. Not every n-th: that would meet one step for ever."""

    def __init__(self, error: BackendError, among: int) -> None:
        super().__init__()
        self._error, self._among, self._draw = error, among, random.Random(11)

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        if name in ("intent", "outcome", "dangling"):
            return call()
        if self._draw.randrange(self._among) == 0:
            raise self._error
        return call()


ERRORS = {
    "403": Denied("the login may not do this", path="x", capability="update"),
    "429": Unavailable("the rate limit is reached"),
    "503, sealed": Unavailable("Vault is sealed"),
    "a lost check-and-set": Conflict("somebody else wrote it", path="x"),
    "a mount that vanished": Missing("there is no such mount", path="x"),
}


def readers_can_log_in(rig: Rig) -> bool:
    state, values = rig.state(), [rig.value()]
    if not rig.spec.both and state.pending:
        values.append(state.pending.value)
    return any(rig.strategy.probe(Call("", "", 0), kept(value)) is Probe.ACCEPTED for value in values)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("count", [1, 2], ids=["one user", "two users"])
def test_answers_that_come_now_and_then_cost_time_and_nothing_else(store: SecretStore, users: str, count: int, error: str) -> None:
    rig = logins(store, users, count)
    rig.settle()
    before = rig.value()
    rig.fault = Answers(ERRORS[error], 7)
    for _ in range(PASSES):
        rig.step(WISH if rig.state().phase is Phase.IDLE and rig.value() == before else None)
        assert readers_can_log_in(rig)
        assert rig.state().failures == 0, "none of these is a definite failure"
    assert rig.value() != before
    assert not rig.log.open, "every intent has an outcome"


def test_a_purged_base_version_is_missed_by_nobody(store: SecretStore, users: str, vault: VaultClient) -> None:
    rig = logins(store, users, 2)
    rig.settle()
    before = rig.value()
    rig.settle(WISH)
    assert rig.state().phase is Phase.OVERLAP
    store.destroy(rig.path, rig.state().old_version)
    assert rig.strategy.probe(Call("", "", 0), kept(before)) is Probe.ACCEPTED
    rig.now += 7200
    assert rig.settle().phase is Phase.IDLE
    assert readers_can_log_in(rig)
    assert rig.strategy.probe(Call("", "", 0), kept(before)) is Probe.REFUSED


def test_an_edit_in_the_middle_takes_effect_at_the_next_rotation(store: SecretStore, users: str) -> None:
    rig = logins(store, users, 2)
    rig.settle()
    rig.settle(WISH)
    until = rig.state().overlap_until
    rig.policy = PolicySpec(interval_days=30, overlap_hours=48)
    assert rig.settle().overlap_until == until
    rig.now = until + 1.0
    rig.settle()
    rig.settle(WISH)
    assert rig.state().overlap_until - rig.now == 48 * 3600


@pytest.mark.parametrize("phase", [Phase.STAGED, Phase.APPLIED, Phase.PROMOTING, Phase.OVERLAP])
def test_a_type_that_is_edited_in_the_middle_stops_the_rotation_in_words(store: SecretStore, users: str, phase: Phase) -> None:
    rig = logins(store, users, 2)
    rig.settle()
    while rig.state().phase is not phase:
        rig.step(WISH)
    other = stored(store, rig.path)
    for _ in range(3):
        stepped = one_pass(other.unharmed, Memory(), None)
    assert "began as type database" in getattr(stepped.action, "reason", "")
    assert readers_can_log_in(rig)
    assert rig.state().phase is phase
    rig.settle()
    rig.now += 7200
    rig.settle()
    assert rig.state().phase is Phase.IDLE


def test_half_a_change_of_the_target_is_no_change(store: SecretStore, users: str) -> None:
    rig = logins(store, users, 2)
    rig.settle()
    server = Postgres(rig.spec.target.dsn if rig.spec.target else "", lambda: users)
    name = rig.value()["username"]
    with pytest.raises(BackendError):
        server.set_password("other", 5, "a\x00b", "value", owner="rig_owner")  # fails after the fence was raised
    assert server.fence("other") == -1, "the fence and the change are one transaction"
    assert server.login(name, rig.value()["password"]) is True


HOOK = """
kind: secret
name: webhooks/github
spec: {type: webhook_secret, generate: {length: 48}, rotation: hooks, owner: OWNER}
---
kind: rotation_policy
name: hooks
spec: {interval_days: 90, overlap_hours: 0, consumer_cache: 0}
"""


def test_a_rollback_of_a_commit_never_moves_a_rotated_secret_back(site: Site) -> None:
    for owner in ("platform", "security"):
        site.write("desired-state/hooks.yaml", HOOK.replace("OWNER", owner))
        site.commit()
        site.apply()
    assert site.run("rotate", "--secret-path", "webhooks/github").code == 0
    rotated, status = read(site, "webhooks/github"), site.run("rotate", "status", "-o", "json").json
    ran = site.run("rollback", "--yes")
    assert ran.code == 0, ran.out + ran.err
    assert read(site, "webhooks/github") == rotated
    assert site.run("rotate", "status", "-o", "json").json[0]["last_rotated"] == status[0]["last_rotated"]
    ran = site.run("rollback", "--yes")
    assert read(site, "webhooks/github") == rotated, ran.out + ran.err
