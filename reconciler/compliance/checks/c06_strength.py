"""C06: what is generated is long and random enough."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..evidence import Evidence
from ..judging import flaw, judged, of_kind
from ..result import Assessment, Check, Finding, Severity

_LENGTH = re.compile(r"^\s*length\s*=\s*(\d+)", re.MULTILINE)
_POLICY = "vault.password_policy"
_TYPED = ("password", "database")  # what a framework calls a password


def _assess(evidence: Evidence) -> Assessment:
    seen: list[tuple[object, ...]] = [(one.address, one.length, one.bits) for one in evidence.secrets if one.length is not None]
    seen += [(str(one.address), one.spec.policy) for one in of_kind(evidence, _POLICY)]
    return judged(seen, _flaws(evidence), nothing="no value is generated here")


def _flaws(evidence: Evidence) -> Iterator[Finding]:
    bounds = evidence.thresholds
    for one in evidence.secrets:
        if one.length is None:
            continue
        if one.bits < bounds.generated_bits:
            yield flaw(one.address, f"is generated with {one.bits:.0f} bits, and {bounds.generated_bits} are asked for", one.origin)
        elif one.type in _TYPED and one.length < bounds.password_length:
            yield flaw(one.address, f"has {one.length} characters, and {bounds.password_length} are asked for", one.origin)
    for policy in of_kind(evidence, _POLICY):
        length = _LENGTH.search(policy.spec.policy)
        if length is None or int(length[1]) < bounds.password_length:
            said = f"makes passwords of {length[1]} characters" if length else "names no length"
            yield flaw(str(policy.address), f"{said}, and {bounds.password_length} are asked for", policy.origin, "raise `length`")


C06 = Check("C06", "Strength at generation", Severity.HIGH, "raise `generate: {length: ...}`", offline=True, assess=_assess)
