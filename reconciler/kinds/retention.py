"""`retention`: how long the audit log, old values of secrets, metrics and backups are kept."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.keeping import RetentionSpec, loosened
from reconciler.core.kind import Beside

from .declared import declared


def _suits(_name: str, spec: RetentionSpec, beside: Beside) -> Iterator[str]:
    yield from loosened(spec, beside.complying)


def _claims(_name: str, _spec: RetentionSpec) -> Iterator[str]:
    yield "how long things are kept here"


RETENTION = declared("retention", RetentionSpec, suits=_suits, claims=_claims)
