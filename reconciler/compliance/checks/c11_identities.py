"""C11: each login is one identity's, and its tokens end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.access.holders import ROLES, TOKEN_ROLE
from reconciler.core.address import Address
from reconciler.core.values import show_duration

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity

_KINDS = frozenset((*ROLES, TOKEN_ROLE))


def _assess(evidence: Evidence) -> Assessment:
    roles = _roles(evidence)
    seen = [(str(address), _longest(address, spec), _shared(address, spec)) for address, spec in roles]
    return judged(seen, _flaws(evidence, roles), evidence.access, nothing="there is no role to log in by")


def _roles(evidence: Evidence) -> list[tuple[Address, Any]]:
    """As they are declared, and as they live: a role that was changed past git counts as well."""
    declared = {address: one.spec for address, one in evidence.resources.items() if address.kind in _KINDS}
    live = [(address, spec) for address, spec in evidence.access.found if address.kind in _KINDS and declared.get(address) != spec]
    return [*declared.items(), *live]


def _longest(address: Address, spec: Any) -> int:
    """Seconds after which a token of the role ends for good; 0 where nothing of the role says so."""
    explicit: int = spec.token_explicit_max_ttl
    if spec.token_period:
        return explicit
    if address.kind == TOKEN_ROLE:
        return explicit
    limits = [given for given in (explicit, spec.token_max_ttl) if given]
    batch = spec.token_type == "batch" and spec.token_ttl
    return int(min([*limits, spec.token_ttl] if batch else limits, default=0))


def _flaws(evidence: Evidence, roles: list[tuple[Address, Any]]) -> Iterator[Finding]:
    most = evidence.thresholds.token_ttl
    for address, spec in roles:
        declared = evidence.resources.get(address)
        origin = declared.origin if declared else None
        longest = _longest(address, spec)
        field = "token_explicit_max_ttl" if spec.token_period or address.kind == TOKEN_ROLE else "token_max_ttl"
        if not longest:
            why = "can be renewed for ever" if spec.token_period else "live as long as the server's own limit allows"
            yield flaw(str(address), f"its tokens {why}", origin, f"set {field} to {show_duration(most)} at most")
        elif longest > most:
            words = f"its tokens live up to {show_duration(longest)}, and {show_duration(most)} is allowed"
            yield flaw(str(address), words, origin, f"lower {field}")
        if shared := _shared(address, spec):
            yield flaw(str(address), shared, origin, "bind it to the one who logs in")


def _shared(address: Address, spec: Any) -> str:
    if address.kind == "vault.kubernetes_role" and "*" in spec.bound_service_account_names:
        return "any service account may log in"
    if address.kind == "vault.kubernetes_role" and "*" in spec.bound_service_account_namespaces:
        return "service accounts of any namespace may log in"
    if address.kind == "vault.jwt_role" and not spec.bound_subject and not spec.bound_claims:
        return "whoever the issuer vouches for may log in (neither bound_subject nor bound_claims)"
    return ""


C11 = Check("C11", "Unique identities, tokens end", Severity.MEDIUM, "bind roles, and limit tokens", offline=True, assess=_assess)
