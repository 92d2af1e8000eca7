"""C02: no secret is older than its interval, and no interval is longer than its type allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.core.standing import Standing
from reconciler.core.values import show_duration

from ..evidence import Declared, Evidence, Part
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity

_DAY = 86400


def _assess(evidence: Evidence) -> Assessment:
    standings = {one.path: one for one in evidence.standings.found}
    seen = [(one.address, one.type, one.interval, _last(standings, one)) for one in evidence.secrets]
    return judged(seen, _flaws(evidence, standings), evidence.standings, _unsaid(evidence, standings), nothing="no secret is declared")


def _last(standings: Mapping[str, Standing], secret: Declared) -> int | None:
    found = standings.get(secret.path)
    return found.last_rotated if found else None


def _flaws(evidence: Evidence, standings: Mapping[str, Standing]) -> Iterator[Finding]:
    for one in evidence.secrets:
        allowed: int = getattr(evidence.thresholds.max_age, one.type)
        if one.interval is not None and one.interval > allowed:
            remedy = f"give it a rotation_policy with interval_days of {allowed // _DAY} at most"
            days = f"{show_duration(one.interval)}, and {one.type} is allowed {show_duration(allowed)}"
            yield flaw(one.address, f"its interval is {days}", one.origin, remedy)
        last, most = _last(standings, one), min(one.interval or allowed, allowed)
        if last is not None and evidence.at.timestamp() - last > most:
            old = round(evidence.at.timestamp() - last) // 3600 * 3600
            yield flaw(one.address, f"is {show_duration(old)} old, and {show_duration(most)} is allowed", one.origin)


def _unsaid(evidence: Evidence, standings: Mapping[str, Standing]) -> Part[str]:
    """Where a store answers for most secrets, those of unknown age must not pass with them."""
    if evidence.standings.unread:
        return Part()
    unsaid = [one.address for one in evidence.secrets if _last(standings, one) is None]
    more = f" and {len(unsaid) - 1:,} more" if len(unsaid) > 1 else ""
    return Part((), (f"nobody knows when {unsaid[0]}{more} was last rotated",) if unsaid else ())


C02 = Check(
    "C02", "Age within the interval", Severity.HIGH, "rotate it: reconcile rotate --secret-path PATH --force", offline=True, assess=_assess
)
