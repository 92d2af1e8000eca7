"""What the command line of `reconcile serve` says, and the parts of the server that follow from it alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from reconciler.core.errors import Usage
from reconciler.edge.memory_limits import MemoryCounters
from reconciler.edge.redis_limits import RedisCounters
from reconciler.server.app import Declared
from reconciler.server.certificates import Certificates, Files
from reconciler.server.timers import BRANCH_SECONDS, DRIFT_SECONDS, EVIDENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says. `evidence_every` 0: never. `skew`: how far a timestamp may be off, in seconds; 0: as declared."""

    host: str = "127.0.0.1"
    port: int = 8443
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    database: str = ""
    redis: str = ""
    branch: str = "main"
    countries: Path | None = None
    look_every: float = BRANCH_SECONDS
    drift_every: float = DRIFT_SECONDS
    evidence_every: float = EVIDENCE_SECONDS
    proven: bool = True
    once: bool = True
    skew: int = 0
    emergency: bool = False


def counters_of(url: str) -> MemoryCounters | RedisCounters:
    try:
        return RedisCounters(url) if url else MemoryCounters()
    except ValueError as error:
        raise Usage(f"--redis: {error}") from None


def adjusted(declared: Declared, skew: int) -> Declared:
    """What the server's own settings may change: only to be stricter."""
    if not skew:
        return declared
    webhooks = {path: replace(one, tolerance=min(one.tolerance, skew)) for path, one in declared.webhooks.items()}
    return replace(declared, webhooks=webhooks)


def certificates_of(wanted: Wanted) -> Certificates:
    if wanted.tls_cert and wanted.tls_key:
        return Certificates(Files(wanted.tls_cert, wanted.tls_key, wanted.client_ca))
    if wanted.tls_cert or wanted.tls_key or wanted.client_ca:
        raise Usage("--tls-cert and --tls-key go together, and --client-ca needs both")
    return Certificates(None)
