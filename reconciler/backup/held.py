"""States of rotations in a restored store: held until somebody has tried the credential, behind fences that are newer than all before.

A restored store does not restore its targets: what it says was true when it was backed up. So a state is put down held
before its secret is there, and told the secret's new versions when that is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ..rotation.state import Kept, State

_HOLD = re.compile(
    r"restored from backup (?P<id>\S+), (?P<stage>before its secret|not tried yet)(?:; held before: (?P<before>.*))?",
    re.DOTALL,
)


def put_down(state: State, backup: str) -> State:
    """The state as it is written before its secret."""
    return replace(state, hold=_hold(backup, "before its secret", held_before(state)), restore_epoch=state.restore_epoch + 1)


def completed(state: State, backup: str, versions: Mapping[str, str]) -> State:
    """The state once its secret is there: versions have other names now."""

    def now(version: str) -> str:
        # One that the store has not may not be taken for another that has its number now.
        return versions.get(version, f"lost-{version}") if version else ""

    def moved(kept: Kept) -> Kept:
        return replace(kept, version=now(kept.version))

    return replace(
        state,
        hold=_hold(backup, "not tried yet", held_before(state)),
        serial=state.serial + 1,
        old_version=now(state.old_version),
        new_version=now(state.new_version),
        pending=state.pending and moved(state.pending),
        previous=state.previous and moved(state.previous),
        strays=tuple(map(moved, state.strays)),
        exposed=tuple(map(moved, state.exposed)),
    )


def is_before_its_secret(state: State) -> bool:
    found = _HOLD.fullmatch(state.hold)
    return found is not None and found["stage"] == "before its secret"


def is_restored(state: State) -> bool:
    """Whether a restore holds it."""
    return _HOLD.fullmatch(state.hold) is not None


def held_before(state: State) -> str:
    """Why a person held it when it was backed up; empty where nobody did."""
    found = _HOLD.fullmatch(state.hold)
    return (found["before"] or "") if found else state.hold


def _hold(backup: str, stage: str, before: str) -> str:
    return f"restored from backup {backup}, {stage}{f'; held before: {before}' if before else ''}"
