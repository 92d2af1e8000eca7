"""C24: certificates have strong keys, do not live too long, and do not end soon."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from reconciler.core.values import show_duration

from ..evidence import Evidence
from ..judging import flaw, judged, of_kind
from ..result import Assessment, Check, Finding, Severity
from ..seen import Certificate

_ROLE = "vault.pki_role"
_EC_BITS = 256
_RSA_USUAL = 2048  # what the server takes where a role names none
_EC_USUAL = 256
_WEAK_HASHES = ("md5", "sha1")


def _assess(evidence: Evidence) -> Assessment:
    roles = [(str(one.address), one.spec.key_type, one.spec.key_bits, one.spec.max_ttl) for one in of_kind(evidence, _ROLE)]
    return judged(
        [*evidence.certificates.found, *roles],
        [*_roles(evidence), *_in_use(evidence)],
        evidence.certificates,
        nothing="no certificate is in use, and no role issues any",
    )


def _roles(evidence: Evidence) -> Iterator[Finding]:
    bounds = evidence.thresholds
    for role in of_kind(evidence, _ROLE):
        spec, name = role.spec, str(role.address)
        usual = {"rsa": _RSA_USUAL, "ec": _EC_USUAL}.get(spec.key_type, 0)
        if _is_weak(spec.key_type, spec.key_bits or usual, bounds.rsa_bits):
            sort = f"{spec.key_type} keys of {spec.key_bits or usual} bits" if spec.key_type != "any" else "keys of any sort and size"
            yield flaw(name, f"issues {sort}", role.origin, "name a `key_type`, and raise `key_bits`")
        if spec.max_ttl > bounds.max_age.tls_certificate:
            most = show_duration(bounds.max_age.tls_certificate)
            yield flaw(name, f"issues for {show_duration(spec.max_ttl)}, and {most} is allowed", role.origin, "lower `max_ttl`")


def _is_weak(algorithm: str, bits: int, rsa_bits: int) -> bool:
    return (algorithm == "rsa" and bits < rsa_bits) or (algorithm == "ec" and bits < _EC_BITS) or algorithm in ("dsa", "any")


def _in_use(evidence: Evidence) -> Iterator[Finding]:
    left = datetime.timedelta(seconds=evidence.thresholds.certificate_left)
    for one in evidence.certificates.found:
        if one.not_after <= evidence.at:
            yield flaw(one.address, f"the certificate of {one.subject} ended on {one.not_after:%Y-%m-%d}")
        elif one.not_after - evidence.at < left:
            yield flaw(one.address, f"the certificate of {one.subject} ends on {one.not_after:%Y-%m-%d}")
        yield from _algorithm(one, evidence.thresholds.rsa_bits)


def _algorithm(one: Certificate, rsa_bits: int) -> Iterator[Finding]:
    if _is_weak(one.algorithm, one.bits, rsa_bits):
        yield flaw(one.address, f"the certificate of {one.subject} has an {one.algorithm} key of {one.bits} bits")
    if one.signature.lower() in _WEAK_HASHES:
        yield flaw(one.address, f"the certificate of {one.subject} is signed with {one.signature}")


C24 = Check("C24", "Certificates: algorithm and end", Severity.HIGH, "issue another one", offline=True, assess=_assess)
