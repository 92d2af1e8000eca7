"""What is declared of a rate limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..core.resource import Spec
from ..core.values import Seconds
from .limits import LARGEST, Algorithm, Limit
from .paths import Globs


class RateLimitSpec(Spec):
    """How many requests one key may send to some routes."""

    sparse: ClassVar[bool] = True

    routes: Annotated[Globs, Field(description="`*` stands for any text")]
    limit: Annotated[int, Field(ge=1, le=LARGEST)]
    per: Seconds = 60
    burst: Annotated[
        int,
        Field(ge=0, le=LARGEST, description="how many may come at once: of a bucket its size, of a window a bucket besides; 0: the limit"),
    ] = 0
    algorithm: Literal["token_bucket", "sliding_window", "fixed_window", "leaky_bucket"] = "sliding_window"
    key: Annotated[str, Field(description="whom it counts: ip (IPv6 by /64), principal, webhook, or header:NAME; who has none, by ip")] = (
        "ip"
    )
    adaptive: Annotated[bool, Field(description="shrinks while answers are slow")] = False

    def limit_of(self, name: str) -> Limit:
        """The same for the middleware. Raises ValueError when it could not be kept as declared."""
        algorithm = Algorithm(self.algorithm)
        return Limit(name, self.limit, float(self.per), self.burst, algorithm, self.key, self.routes, self.adaptive)


def rate_limit_problems(name: str, spec: RateLimitSpec) -> Iterator[str]:
    """What is wrong with one declared limit."""
    try:
        spec.limit_of(name)
    except ValueError as error:
        yield str(error)
