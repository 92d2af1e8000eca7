"""What is declared of a rate limit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..core.resource import Spec
from ..core.values import Seconds
from .paths import Globs

LARGEST = 1_000_000_000  # past this a limit is none, and counts no longer fit where they are kept
LONGEST_SECONDS = 86400  # counters are kept as long as their window; a limit a month is a quota, not protection

Algorithm = Literal["token_bucket", "sliding_window", "fixed_window", "leaky_bucket"]

_KEY = re.compile(r"ip|principal|webhook|header:[A-Za-z0-9-]{1,64}")


class RateLimitSpec(Spec):
    """How many requests one key may send to some routes."""

    sparse: ClassVar[bool] = True

    routes: Annotated[Globs, Field(description="`*` stands for any text")]
    limit: Annotated[int, Field(ge=1, le=LARGEST)]
    per: Seconds = 60
    burst: Annotated[int, Field(ge=0, le=LARGEST, description="how many beyond the limit may come at once")] = 0
    algorithm: Algorithm = "sliding_window"
    key: Annotated[str, Field(description="whom it counts: ip (IPv6 by /64), principal, webhook, or header:NAME")] = "ip"
    adaptive: Annotated[bool, Field(description="shrinks while answers are slow")] = False


def rate_limit_problems(_name: str, spec: RateLimitSpec) -> Iterator[str]:
    """What is wrong with one declared limit."""
    if not 1 <= spec.per <= LONGEST_SECONDS:
        yield "per must be 1s to 1d"
    if not _KEY.fullmatch(spec.key):
        yield f"key: {spec.key!r} is none of ip, principal, webhook, header:NAME"
