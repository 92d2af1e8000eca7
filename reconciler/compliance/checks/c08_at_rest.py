"""C08: secrets are encrypted at rest, and keys made of passphrases are slow to guess."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Evidence
from ..judging import flaw, judged, of_kind
from ..result import Assessment, Check, Finding, Severity

FLOORS = {"argon2id": 19 * 1024, "pbkdf2-hmac-sha256": 600_000}
"""What OWASP asks for: KiB of memory, and rounds."""
_PARAMETER = "aws.ssm_parameter"


def _assess(evidence: Evidence) -> Assessment:
    parameters = [(str(one.address), one.spec.type) for one in of_kind(evidence, _PARAMETER)]
    return judged([*evidence.sealed, *parameters], _flaws(evidence), nothing="no store is declared")


def _flaws(evidence: Evidence) -> Iterator[Finding]:
    for one in evidence.sealed:
        if one.kdf and one.work < FLOORS.get(one.kdf, one.work + 1):
            yield flaw(one.address, f"is opened by a key that {one.kdf} makes with too little work ({one.work:,})")
    for parameter in of_kind(evidence, _PARAMETER):
        if parameter.spec.value is not None and parameter.spec.type != "SecureString":
            yield flaw(str(parameter.address), f"holds a secret as {parameter.spec.type}, in plain text", parameter.origin)


C08 = Check(
    "C08",
    "Encryption at rest",
    Severity.CRITICAL,
    "use `type: SecureString`, and the usual derivation of keys",
    offline=True,
    assess=_assess,
)
