"""C22: no secrets in git.

The desired state does not load with a credential in plain text that no exception covers, so what can be found here is what
exceptions let pass. Older commits are not searched.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity

_ID = "C22"


def _assess(evidence: Evidence) -> Assessment:
    # The file of the environment was searched too.
    seen = [f"environment/{evidence.environment}", *map(str, evidence.resources)]
    flaws = list(_flaws(evidence))
    return judged([*seen, *((one.address, one.message) for one in flaws)], flaws, population=len(seen))


def _flaws(evidence: Evidence) -> Iterator[Finding]:
    lifts = [lift for lift in evidence.exceptions if lift.check == _ID and lift.excepted.expires >= evidence.at.date()]
    for address, resource in evidence.resources.items() if lifts else ():
        if any(lift.covers(_ID, str(address)) for lift in lifts):
            yield flaw(str(address), "an exception lets pass what looks like a credential in plain text", resource.origin)


C22 = Check(_ID, "No secrets in git", Severity.CRITICAL, "rotate it, store it, and write {from: ...}", offline=True, assess=_assess)
