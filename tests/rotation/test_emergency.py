"""Something leaked, in whatever phase: at the end nobody gets in with it, nobody is in with it, and readers can log in."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.rotation.policy import PolicySpec
from reconciler.rotation.seen import Asked, Checks, Probe
from reconciler.rotation.state import Phase, kept
from reconciler.rotation.strategy import Call
from reconciler.secrets.kv_store import KvStore
from reconciler.secrets.rollout import REPORTS
from tests.rotation.logins import Thief, logins
from tests.rotation.orders import administrator
from tests.rotation.rig import PASSES, Rig

SLOW = PolicySpec.model_validate(
    {
        "interval_days": 30,
        "overlap_hours": 24,
        "validation_required": True,
        "staged_rollout": {"enabled": True, "stages": [{"name": "canary", "duration_minutes": 15, "traffic_percentage": 100}]},
    }
)
WISH = Asked("somebody")


def begin(rig: Rig, phase: Phase) -> None:
    """Pass after pass until a rotation that nobody hurries is in this phase."""
    for _ in range(PASSES):
        if rig.state().phase is phase:
            return
        rig.step(WISH)
        if rig.state().phase is Phase.CANARY and phase is not Phase.CANARY:
            rig.now += 16 * 60
    raise AssertionError(f"it does not come to {phase}: {rig.state().phase}")


def forward(phase: Phase) -> Callable[[Rig], None]:
    return lambda rig: begin(rig, phase)


def promoted(rig: Rig) -> None:
    begin(rig, Phase.PROMOTING)
    rig.step()
    assert rig.state().phase is Phase.PROMOTING


def retiring(rig: Rig) -> None:
    begin(rig, Phase.OVERLAP)
    rig.now += 25 * 3600
    rig.step()
    assert rig.state().phase is Phase.RETIRING


def aborting(rig: Rig) -> None:
    begin(rig, Phase.CANARY)
    rig.validate = lambda _value: Checks(failed=1)
    rig.step()
    rig.validate = None
    assert rig.state().phase is Phase.ABORTING


def rolling_back(rig: Rig) -> None:
    begin(rig, Phase.OVERLAP)
    rig.store.put(REPORTS + rig.path, {"orders-api": f"{rig.state().rid} bad"})
    rig.step()
    assert rig.state().phase is Phase.ROLLING_BACK


def conflict(rig: Rig) -> None:
    begin(rig, Phase.VALIDATED)
    by_hand = {**rig.value(), "password": "written-" + "by-hand"}
    with administrator() as connection:
        connection.execute(f"ALTER ROLE {by_hand['username']} PASSWORD '{by_hand['password']}'".encode())
    rig.store.put(rig.path, by_hand)
    rig.step()
    assert rig.state().phase is Phase.CONFLICT


def orphaned(rig: Rig) -> None:
    rig.policy = rig.policy.model_copy(update={"retries": 0})
    rig.validate = lambda _value: Checks(failed=1)
    rig.settle(WISH)
    rig.validate = None
    rig.policy = SLOW
    assert rig.state().phase is Phase.ORPHANED


def given_up(rig: Rig) -> None:
    rig.validate = lambda _value: Checks(failed=1)
    rig.settle(WISH)
    rig.validate = None
    assert (rig.state().phase, rig.state().failures) == (Phase.IDLE, 1)


WAYS: dict[str, Callable[[Rig], None]] = {
    "idle": lambda _rig: None,
    "idle after a failure": given_up,
    **{phase.value.lower(): forward(phase) for phase in (Phase.STAGED, Phase.APPLIED, Phase.VALIDATED, Phase.CANARY, Phase.PROMOTING)},
    "promoted, not yet recorded": promoted,
    "overlap": forward(Phase.OVERLAP),
    "retiring": retiring,
    "aborting": aborting,
    "rolling back": rolling_back,
    "conflict": conflict,
    "orphaned": orphaned,
}
EVERYTHING = ("current", "pending", "previous")
# Each word by itself is the model's; here they cost half a second each.
WORDS = ["current", "previous", "pending", "all"] if os.environ.get("ROTATION_EMERGENCIES") else ["all"]


def known(rig: Rig, leaked: tuple[str, ...]) -> list[dict[str, str]]:
    """The values that these words mean now."""
    state = rig.state()
    values = {"current": rig.value()}
    if state.pending:
        values["pending"] = state.pending.value
    if state.previous:
        values["previous"] = state.previous.value
    return [value for word, value in values.items() if word in leaked]


@pytest.mark.parametrize("leaked", WORDS, ids=WORDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [1, 2], ids=["one user", "two users"])
def test_what_leaked_is_refused_and_its_sessions_end(vault: VaultClient, users: str, count: int, way: str, leaked: str) -> None:
    vault.write("sys/mounts/kv", {"type": "kv-v2"})
    vault.forget_mounts()
    rig = logins(KvStore("vault", vault, "kv"), users, count)
    rig.policy = SLOW
    rig.settle()
    rig.now += 3600
    WAYS[way](rig)
    words = EVERYTHING if leaked == "all" else (leaked,)
    thieves = [Thief(value) for value in known(rig, words)]
    try:
        rig.settle(Asked("somebody", words))
        assert not rig.state().exposed, rig.state()
        pending = rig.state().pending
        readers = [rig.value(), *([pending.value] if pending and count == 1 else [])]
        assert any(rig.strategy.probe(Call("", "", 0), kept(value)) is Probe.ACCEPTED for value in readers)
        assert not any(thief.gets_in for thief in thieves), "the leaked value still logs in"
        assert not any(thief.is_in for thief in thieves), "whoever had logged in with it is still there"
    finally:
        for thief in thieves:
            thief.leave()
