"""The lockdown: switched, told, and kept in the audit log."""

from __future__ import annotations

from reconciler.audit.journal import Journal
from reconciler.core.errors import ReconcilerError
from reconciler.ledger.lockdown import Lockdown, read_lockdown, set_lockdown
from reconciler.settings import Settings

from . import opened_for_ledger
from .rotation import audit_file
from .session import actor, now


def lockdown(settings: Settings) -> Lockdown:
    """How it stands."""
    with opened_for_ledger(settings, "plan") as session:
        return read_lockdown(session.shelf)


def switch_lockdown(settings: Settings, *, on: bool, reason: str) -> Lockdown:
    """Switch it. What is under way ends; nothing more is begun. Takes no lock: an apply that hangs must not hold it up."""
    with opened_for_ledger(settings, "apply") as session:
        who = actor(settings.environ)
        journal = Journal(audit_file(settings, session.clients.environment, "lockdown.jsonl"), who, session.commit)
        kept = journal.intent("lockdown on" if on else "lockdown off", "environment", code=reason)
        session.shelf.prepare()
        try:
            made = set_lockdown(session.shelf, on=on, since=now().strftime("%Y-%m-%dT%H:%M:%SZ"), by=who, reason=reason)
        except ReconcilerError:
            journal.outcome(kept, "failed")
            raise
        journal.outcome(kept, "applied")
        return made
