"""C02: no secret is older than its interval, and no interval is longer than its type allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.core.values import show_duration

from ..evidence import Evidence, Part
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity

_DAY = 86400


def _assess(evidence: Evidence) -> Assessment:
    lasts = _lasts(evidence)
    seen = [(one.address, one.type, one.interval, lasts.get(one.path)) for one in evidence.secrets]
    unsaid = _unsaid(evidence, lasts)
    return judged(seen, _flaws(evidence, lasts), evidence.standings, evidence.stock, unsaid, nothing="no secret is declared")


def _lasts(evidence: Evidence) -> Mapping[str, int]:
    """When each was last rotated: what was there before anybody rotated it is as old as its store says."""
    made = {(one.store, one.path): one.versions[0].made for one in evidence.stock.found if one.versions}
    said = {one.path: one.last_rotated for one in evidence.standings.found if one.last_rotated is not None}
    for one in evidence.secrets:
        # What stands for a key is not written anew when the key is rotated.
        moment = None if one.rotates else made.get((one.store, one.path))
        if moment is not None and one.path in said:
            said[one.path] = min(said[one.path], int(moment.timestamp()))
    return said


def _flaws(evidence: Evidence, lasts: Mapping[str, int]) -> Iterator[Finding]:
    for one in evidence.secrets:
        allowed: int = getattr(evidence.thresholds.max_age, one.type)
        if one.interval is not None and one.interval > allowed:
            remedy = f"give it a rotation_policy with interval_days of {allowed // _DAY} at most"
            days = f"{show_duration(one.interval)}, and {one.type} is allowed {show_duration(allowed)}"
            yield flaw(one.address, f"its interval is {days}", one.origin, remedy)
        last, most = lasts.get(one.path), min(one.interval or allowed, allowed)
        if last is not None and evidence.at.timestamp() - last > most:
            old = round(evidence.at.timestamp() - last) // 3600 * 3600
            yield flaw(one.address, f"is {show_duration(old)} old, and {show_duration(most)} is allowed", one.origin)


def _unsaid(evidence: Evidence, lasts: Mapping[str, int]) -> Part[str]:
    """Where a store answers for most secrets, those of unknown age must not pass with them."""
    if evidence.standings.unread or evidence.stock.unread:
        return Part()
    unsaid = [one.address for one in evidence.secrets if one.path not in lasts]
    more = f" and {len(unsaid) - 1:,} more" if len(unsaid) > 1 else ""
    return Part((), (f"nobody knows when {unsaid[0]}{more} was last rotated",) if unsaid else ())


C02 = Check(
    "C02", "Age within the interval", Severity.HIGH, "rotate it: reconcile rotate --secret-path PATH --force", offline=True, assess=_assess
)
