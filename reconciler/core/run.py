"""Runs: one apply or rollback each, with an id; the unit of rollback and of history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class RunRecord(NamedTuple):
    """One run, in short. Times are UTC, ISO 8601."""

    id: str
    sort: str  # "apply" | "rollback"
    commit: str
    previous: str = ""  # the commit that was applied before
    started: str = ""
    finished: str = ""
    outcome: str = "running"  # "running" | "applied" | "failed" | "undone"; a killed run stays "running"
    digest: str = ""
    actor: str = ""
    summary: Mapping[str, int] = {}
    chunk: str = ""  # where the run's ObjectRecords are; set by the ledger


class ObjectRecord(NamedTuple):
    """What a run did to one object. Specs as plans show them: plain JSON, never a secret."""

    address: str
    action: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    outcome: str
    error: str = ""


class AppliedVersion(NamedTuple):
    """One object as one run left it; `record.after` is None where it was removed."""

    run: RunRecord
    record: ObjectRecord
