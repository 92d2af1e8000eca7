"""A request that went no further than the edge, for audit and metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from .scope import Address

log = logging.getLogger(__name__)


class Blocked(NamedTuple):
    """`by` is the part that refused; `reason` is for the operator and quotes nothing that was sent. `status` is what the sender got."""

    by: str
    status: int
    reason: str
    address: Address | None = None


Observe = Callable[[Blocked], None]


def log_blocked(blocked: Blocked) -> None:
    log.warning("%s: %d to %s: %s", blocked.by, blocked.status, blocked.address or "an unknown address", blocked.reason)
