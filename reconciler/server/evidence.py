"""A look at the evidence: does the audit log verify, when was the last backup and drill, which checks fail. Kept as notes, for metrics.

Bounded in cost: an hour apart, one process after the other, in one place of the workers. The log is verified from its
beginning once a day, since an edit of old lines shows only then; in between, what came since is read.
"""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from .events import Claim
from .notes import Notes
from .ports import Done
from .worker import Later

FULL_SECONDS = 86400.0
LATE_SECONDS = 86400.0
WAIT_SECONDS = 10.0
MOST_WAITS = 6  # during a lockdown no branch is looked at
SAID = 200  # characters of why something cannot be told
RECORDED = ("backup", "drill")
"""The actions of the audit log whose age is told."""


class Asked(Protocol):
    """The commands that tell, each as a process of its own. Raises Stopped when the server ends first."""

    def verify(self, *, full: bool) -> Done:
        """Verify the audit log: all of it, or what came since the last time."""

    def last(self, action: str, since: float) -> Done:
        """The last time that an action succeeded since a moment, from the audit log. 0: ever."""

    def compliance(self) -> Done:
        """What every check found."""


class EvidenceLook:
    """Looks at the subject `evidence`."""

    def __init__(self, asked: Asked, notes: Notes, clock: Callable[[], float] = time.time) -> None:
        self._asked = asked
        self._notes = notes
        self._clock = clock

    def __call__(self, claim: Claim) -> str:
        if self._notes.read("tip") is None and claim.attempts < MOST_WAITS:
            raise Later(WAIT_SECONDS, "the branch was not looked at yet: its environment says where the audit log is")
        return "; ".join((self._audit(), self._backups(), self._compliance()))

    def _audit(self) -> str:
        noted = self._notes.read("audit") or {}
        full = self._clock() - noted.get("full_at", 0) >= FULL_SECONDS or not noted.get("ok")
        done = self._asked.verify(full=full)
        found, seen = done.answer, noted.get("entries", 0)
        if found is None or not (found["entries"] or seen):
            # One that is kept on other machines alone is no alarm; one that was here, and is gone, is.
            why = _why(done) if found is None else "there is none here (`audit: {ship: ledger}` keeps it where every machine sees it)"
            self._notes.write("audit", {"at": self._clock(), "known": False, "entries": seen})
            return f"the audit log cannot be verified: {why}"
        note = {"ok": found["ok"], "entries": found["entries"] or seen, "anchored": found["anchored"]}
        newest = _moment(found["newest"]) if found["newest"] else None
        full_at = self._clock() if full else noted["full_at"]
        self._notes.write("audit", {"at": self._clock(), "known": True, "full_at": full_at, "newest": newest, **note})
        return "the audit log is what was recorded" if found["ok"] else f"the audit log does not verify: {_first(found)}"

    def _backups(self) -> str:
        noted = self._notes.read("backups") or {}
        found: dict[str, float | None] = {}
        for action in RECORDED:
            done = self._asked.last(action, _since(noted, action))
            if done.answer is None:
                self._notes.write("backups", {"at": self._clock(), "known": False})
                return f"the last {action} cannot be told: {_why(done)}"
            rows = done.answer["rows"]
            found[action] = _moment(rows[-1]["time"]) if rows else noted.get(action)
        self._notes.write("backups", {"at": self._clock(), "known": True, **found})
        return ", ".join(f"last {action}: {self._ago(at)}" for action, at in found.items())

    def _ago(self, at: float | None) -> str:
        return "never" if at is None else f"{max(0.0, self._clock() - at) / 3600:.0f} h ago"

    def _compliance(self) -> str:
        done = self._asked.compliance()
        if done.answer is None:
            self._notes.write("compliance", {"at": self._clock(), "known": False})
            return f"compliance cannot be told: {_why(done)}"
        checks = [{name: one[name] for name in ("check", "severity", "status")} for one in done.answer["checks"]]
        note = {"checks": checks, "excepted": done.answer["summary"]["excepted"]}
        self._notes.write("compliance", {"at": self._clock(), "known": True, **note})
        failing = [one["check"] for one in checks if one["status"] == "fail"]
        return f"{', '.join(failing)} fail" if failing else "no check fails"


def _since(noted: Mapping[str, Any], action: str) -> float:
    """Where to begin in a log that may be long: other machines ship what they did some time later."""
    return float(noted[action] or noted["at"] - LATE_SECONDS) if noted.get("known") else 0.0


def _why(done: Done) -> str:
    return done.log.strip()[:SAID] or f"the command ended with {done.code}"


def _first(verdict: Mapping[str, Any]) -> str:
    return str(verdict["findings"][0]["what"])[:SAID]


def _moment(written: str) -> float:
    """The seconds of a moment as the audit log writes it, with or without fractions."""
    return calendar.timegm(time.strptime(written[:19], "%Y-%m-%dT%H:%M:%S"))
