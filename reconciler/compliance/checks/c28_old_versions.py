"""C28: values that were replaced long ago are destroyed."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from reconciler.core.values import show_duration

from ..evidence import Evidence, Part
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity
from ..seen import Stock


def _assess(evidence: Evidence) -> Assessment:
    seen = [(one.store, one.path, [(kept.id, kept.made, kept.readable) for kept in one.versions]) for one in evidence.stock.found]
    undated = [one.path for one in evidence.stock.found if any(_undated(one))]
    unsaid = (
        f"{undated[0]}{f' and {len(undated) - 1:,} more' if len(undated) > 1 else ''}: no store says when what replaced a value was made"
        if undated
        else ""
    )
    return judged(seen, _flaws(evidence), evidence.stock, Part((), (unsaid,) if unsaid else ()), nothing="no store has a secret")


def _flaws(evidence: Evidence) -> Iterator[Finding]:
    most = min(evidence.thresholds.secret_versions, evidence.retained.secret_versions)
    begin = evidence.at - datetime.timedelta(seconds=most)
    origins = {one.path: one.origin for one in evidence.secrets}
    for one in evidence.stock.found:
        old = list(_old(one, begin))
        if old:
            which = f"version {old[0]}" if len(old) == 1 else f"versions {', '.join(old[:5])}{', ...' if len(old) > 5 else ''}"
            words = f"{which} in {one.store} can be read, and ended more than {show_duration(most)} ago"
            yield flaw(f"secret/{one.path}", words, origins.get(one.path))


def _undated(one: Stock) -> Iterator[bool]:
    """A value is old from when the next one was made."""
    for newer, kept in zip(one.versions, one.versions[1:], strict=False):
        yield kept.readable and newer.made is None


def _old(one: Stock, begin: datetime.datetime) -> Iterator[str]:
    """Versions whose successor was made before: as long as a value is the newest one, it is no old one."""
    for newer, kept in zip(one.versions, one.versions[1:], strict=False):
        if kept.readable and newer.made is not None and newer.made < begin:
            yield kept.id


C28 = Check("C28", "Old versions are destroyed", Severity.MEDIUM, "destroy them: reconcile retention", offline=False, assess=_assess)
