"""Merges that came while another was applied: each is applied as it was reviewed, one after the other, up to the branch's tip.

The tip's reviewed plan is tried first: it may hold the merges before it. Where it comes out otherwise, these are taken in the
order of the branch, each by the digest that stood on its own pull request when it was merged. One that nobody reviewed, or that
comes out otherwise itself, ends that: then the tip is refused, and people see what is left, as one plan.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from ..core.errors import BackendError
from ..core.forge import Check, Forge, Verdict
from ..core.plan import stale_addresses
from ..report.forge import apply_marker, outcome_markdown
from .ports import Done, Ports
from .talk import Talk
from .worker import Later

log = logging.getLogger(__name__)

LOCK_PAUSE = 15.0
UNSETTLED = ("begun", "failed")


class Before(NamedTuple):
    """What is known of the branch before a tip. `since`: the commit that was settled last; `unfinished`: one that was begun."""

    since: str = ""
    unfinished: str = ""

    def noted(self) -> dict[str, str]:
        return self._asdict()


def before_of(ports: Ports, tip: str) -> Before:
    """Read from the note of the tip, or of the one before it."""
    noted = ports.notes.read("tip") or {}
    known = Before(noted.get("since", ""), noted.get("unfinished", ""))
    if noted.get("commit") == tip:
        return known
    if noted.get("state") in UNSETTLED:
        return known._replace(unfinished=noted["commit"] if noted["state"] == "begun" else known.unfinished)
    return Before(noted["commit"] if noted else "".join(ports.commands.applied()[-1:]))


def step_up(ports: Ports, forge: Forge, reviewed: Callable[[Forge, str], str], before: Before, tip: str) -> bool:
    """Apply the reviewed merges between; whether any was. Raises Later where the lock is held."""
    try:
        return _steps(ports, forge, reviewed, before, tip)
    finally:  # whoever looks meanwhile is to see the tip, though a lock is waited for
        ports.clone.move(tip)


def _steps(ports: Ports, forge: Forge, reviewed: Callable[[Forge, str], str], before: Before, tip: str) -> bool:
    applied = ports.commands.applied()
    done_any = False
    for commit in ports.clone.between(before.since, tip) if before.since else ():
        digest = "" if commit in applied else reviewed(forge, commit)
        if not digest:
            continue
        # Kept first: whoever is killed now has to know tomorrow that this one was begun.
        ports.notes.write("tip", {**(ports.notes.read("tip") or {}), "unfinished": commit})
        ports.clone.move(commit)
        done = apply_or_rest(ports, commit, digest, begun=commit == before.unfinished)
        if done.code != 0:
            break
        done_any = True
        _say(ports, forge, commit, done)
    return done_any


def apply_or_rest(ports: Ports, commit: str, digest: str, *, begun: bool) -> Done:
    """Apply the reviewed plan, or what is left of it where it was begun and cut off. Raises Later where the lock is held."""
    done = ports.commands.apply(commit, digest)
    if begun and digest and done.stale(digest) and (rest := _rest(ports, commit, digest)):
        done = ports.commands.apply(commit, rest)
    if done.code == 4 and done.answer is None:
        raise Later(LOCK_PAUSE, done.log.strip() or "the lock is held")
    return done


def _rest(ports: Ports, commit: str, digest: str) -> str:
    """The digest of what is left of a reviewed plan that was begun and cut off; empty where it is not that."""
    reviewed = ports.notes.read(f"reviewed/{digest}")
    planned = ports.commands.plan(commit, commit) if reviewed else None
    if planned is None or planned.plan is None or stale_addresses(planned.changes, reviewed):
        return ""
    return planned.digest


def _say(ports: Ports, forge: Forge, commit: str, done: Done) -> None:
    """Say on its pull request that a merge was applied. That it cannot be said now is no reason to stop on the way."""
    text = outcome_markdown(ports.environment, commit, "Applied", done.answer, done.log, "")
    try:
        forge.check(commit, Check(f"reconcile apply {ports.environment}", Verdict.SUCCESS, "Applied", text))
        if pull := forge.merged_as(commit):
            Talk(forge, pull.number).put(apply_marker(ports.environment), text)
    except BackendError as error:
        log.warning("%s is applied, which could not be said: %s", commit[:7], error)
