"""What the pages are handed. Callables that ask servers block, and are called in threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...core.run import AppliedVersion
from ...edge.scope import Principal
from ..api import Api


class Resource(NamedTuple):
    """One object that was applied. `run` is the last one that changed it."""

    address: str
    kind: str
    run: str = ""
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """`api` is what the JSON API is handed; `whose` asks Vault about a token, and raises BackendError."""

    api: Api
    whose: Callable[[str], Awaitable[Principal | None]]
    forget: Callable[[str], None]
    resources: Callable[[], Sequence[Resource]]
    versions: Callable[[str], Sequence[AppliedVersion]]
