"""A leader and a follower: what both hold, compared by keyed fingerprints, and what is done to the follower, told before and after."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..audit.journal import RunRecorder
from ..core.errors import ReconcilerError, Unavailable
from .pairs import Pairs
from .sides import Side

_AWS_OWN = "aws:"
_MAKING = ("migrate.copy", "migrate.delete")

Gate = Callable[[float], None]
"""Lets a request of so many seconds begin, or raises LeaseLost."""


def ever_open(_timeout: float) -> None:
    """Of writers: each of their writes has check-and-set."""


@dataclass(frozen=True)
class Crossing:
    """A leader, a follower, what is noted of both, and who is told. `keep`: so many of the newest versions; 0: all."""

    leader: Side
    follower: Side
    pairs: Pairs
    recorder: RunRecorder
    learn: Callable[[str], object]
    """Is told every value, so that none gets into the audit log."""
    keep: int = 0
    strict: bool = False
    """The follower may have versions of its own, of any value: only what comes next is recognised."""
    gate: Gate = ever_open
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Of the fingerprints: they are compared within one process only."""

    def value(self, side: Side, path: str, version: str = "") -> dict[str, str] | None:
        held = side.store.get(path, version)
        if held is None:
            return None
        for text in held.value.values():
            self.learn(text)
        return dict(held.value)

    def fingerprint(self, value: Mapping[str, str] | None) -> str:
        """A keyed HMAC; empty for no value."""
        if value is None:
            return ""
        return hmac.new(self.key, json.dumps(value, sort_keys=True).encode(), hashlib.sha256).hexdigest()

    def lacking(self, path: str, there: Mapping[str, str]) -> dict[str, str]:
        """The leader's metadata that the follower's lacks. What is only in the follower's stays."""
        wanted = self.leader.store.metadata(path)
        return {key: text for key, text in wanted.items() if not key.startswith(_AWS_OWN) and there.get(key) != text}

    def same(self, path: str, leader: str, follower: str) -> bool:
        """Whether a version of the one is a version of the other."""
        mine = self.fingerprint(self.value(self.leader, path, leader))
        return bool(mine) and mine == self.fingerprint(self.value(self.follower, path, follower))


def told(crossing: Crossing, action: str, path: str, version: str, write: Callable[[], str | None]) -> str:
    """Do one thing to the follower, and tell the audit log before and after."""
    crossing.gate(1.0)
    recorder, name = crossing.recorder, crossing.follower.store.name
    # Who holds the log against the stores expects a version where a store is named.
    where = {"store": name} if action in _MAKING else {"code": name}
    intent = recorder.intent(action, path, ver_from=version, **where)
    try:
        made = write() or ""
    except Unavailable:
        recorder.outcome(intent, "unknown")
        raise
    except ReconcilerError:
        recorder.outcome(intent, "failed")
        raise
    recorder.outcome(intent, "applied", **({"ver_to": made} if made else {}))
    return made
