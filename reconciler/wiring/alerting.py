"""Records what people saw of alerts."""

from __future__ import annotations

from reconciler.compliance.record import ALERT
from reconciler.settings import Settings

from .auditing import recording
from .evidence import opened_book


def keep_alert(settings: Settings, name: str, *, arrived: bool) -> None:
    """Keep in the audit log whether an alert arrived. Raises ReconcilerError where it cannot be kept."""
    with opened_book(settings, "apply") as book, recording(settings, book.clients, ALERT) as recorder:
        recorder.decision(ALERT, name, outcome="applied" if arrived else "failed")
