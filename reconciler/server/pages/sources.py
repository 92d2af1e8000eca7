"""What the pages are handed. Callables that ask servers block, and are called in threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ...core.run import AppliedVersion
from ...edge.scope import Principal
from ..api import Api
from ..refusals import Stopped


class Resource(NamedTuple):
    """One object that was applied. `run` is the last one that changed it."""

    address: str
    kind: str
    run: str = ""
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """`api` is what the JSON API is handed; `whose` asks Vault about a token, and raises BackendError.

    `able` says who may do something (capability; "": anything) on a path of an instance, as `reconcile who-can -o json` does.
    `blocked` tells so many of the latest requests that were refused. What of all this somebody may be shown, `api.shown` says.
    """

    api: Api
    whose: Callable[[str], Awaitable[Principal | None]]
    forget: Callable[[str], None]
    resources: Callable[[], Sequence[Resource]]
    versions: Callable[[str], Sequence[AppliedVersion]]
    able: Callable[[str, str, str], Sequence[Mapping[str, Any]]]
    blocked: Callable[[int], Sequence[Stopped]]
