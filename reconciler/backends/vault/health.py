"""What a server says of itself, without a login: its dialect among it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

# Any status is an answer here: by default each state has one of its own, some of which would be waited out.
HEALTH = "sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200&drsecondarycode=200"


class ServerHealth(NamedTuple):
    """`dialect` is `openbao` or `vault`."""

    dialect: str
    version: str
    initialized: bool
    sealed: bool
    standby: bool
    clock: int = 0
    """Epoch seconds; 0 where the server does not say."""


def server_health(said: Mapping[str, Any]) -> ServerHealth:
    """Read the answer of sys/health."""
    version = str(said.get("version", ""))
    # Vault says whether it is the enterprise edition and never reached 2 before it did; OpenBao began at 2.
    major = version.partition(".")[0]
    openbao = "enterprise" not in said and major.isdigit() and int(major) >= 2
    initialized, sealed, standby = (bool(said.get(name)) for name in ("initialized", "sealed", "standby"))
    clock = said.get("server_time_utc")
    at = clock if isinstance(clock, int) else 0
    return ServerHealth("openbao" if openbao else "vault", version, initialized, sealed, standby, at)
