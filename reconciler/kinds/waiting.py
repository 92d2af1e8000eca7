"""Wait until a read shows what was written: some servers finish a change after they have answered."""

from __future__ import annotations

import time
from collections.abc import Callable

from reconciler.core.errors import Unavailable

# Large mounts and namespaces are emptied by the server in the background; longer than this somebody should look.
LIMIT_SECONDS = 120.0
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 1.0


def until(shows: Callable[[], bool], what: str, *, limit: float = LIMIT_SECONDS, sleep: Callable[[float], None] = time.sleep) -> None:
    """Return when `shows` does. Raises Unavailable, saying `what` did not happen, after `limit` seconds of pauses."""
    pause, waited = _FIRST_PAUSE, 0.0
    while not shows():
        if waited >= limit:
            raise Unavailable(f"{what}: still not so after {limit:.0f} s (look at the server's log, then apply again)")
        sleep(pause)
        waited += pause
        pause = min(pause * 2, _LONGEST_PAUSE)
