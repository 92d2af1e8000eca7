"""The lockdown: switched, told, and kept in the audit log."""

from __future__ import annotations

from reconciler.core.errors import ReconcilerError
from reconciler.ledger.lockdown import Lockdown, read_lockdown, set_lockdown
from reconciler.settings import Settings

from . import opened_for_ledger
from .auditing import recording
from .session import actor, now


def lockdown(settings: Settings) -> Lockdown:
    """How it stands."""
    with opened_for_ledger(settings, "plan") as session:
        return read_lockdown(session.shelf)


def switch_lockdown(settings: Settings, *, on: bool, reason: str) -> Lockdown:
    """Switch it. What is under way ends; nothing more is begun. Takes no lock: an apply that hangs must not hold it up."""
    with opened_for_ledger(settings, "apply") as session:
        who = actor(settings.environ)
        where = f"{session.wish.project}/{session.wish.environment}"
        with recording(settings, session.clients, "lockdown", commit=session.commit, rid=session.run) as recorder:
            kept = recorder.intent("lockdown.on" if on else "lockdown.off", where, code=reason)
            session.shelf.prepare()
            try:
                made = set_lockdown(session.shelf, on=on, since=now().strftime("%Y-%m-%dT%H:%M:%SZ"), by=who, reason=reason)
            except ReconcilerError:
                recorder.outcome(kept, "failed")
                raise
            recorder.outcome(kept, "applied")
            return made
