"""What the edge of a server is made of: what was applied of its declarations, and the secrets of its webhooks."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reconciler.core.address import Address
from reconciler.core.errors import BackendError, Denied, Invalid, Missing, Problem, ReconcilerError
from reconciler.edge.access import PROTECTED, PUBLIC
from reconciler.edge.endpoints import TimedSecret
from reconciler.edge.network_spec import NetworkSpec, together
from reconciler.kinds import KINDS
from reconciler.rotation.state import Phase, State, read_state, sibling
from reconciler.secrets.client import SecretClient
from reconciler.secrets.revealed import Revealed
from reconciler.server.app import Declared

SECRET_SECONDS = 5.0  # how long a rotated secret may still be unknown here
STALE_SECONDS = 900.0  # how long the last known ones are good while no store answers
_AHEAD = frozenset({Phase.STAGED, Phase.APPLIED, Phase.VALIDATED, Phase.CANARY, Phase.PROMOTING})
_BEHIND = frozenset({Phase.OVERLAP, Phase.RETIRING})


def declared_of(applied: Mapping[Address, Any]) -> Declared:
    """What the ledger says was applied of the kinds that are about the server itself."""

    def specs(kind: str) -> dict[str, Any]:
        model = KINDS[kind].spec
        return {address.name: model.model_validate(spec) for address, spec in applied.items() if address.kind == kind}

    webhooks = specs("webhook")
    twice = [route for route, count in Counter(spec.route for spec in webhooks.values()).items() if count > 1]
    if twice:
        raise Invalid([Problem("", f"webhook, route {route}", "is declared by two webhooks") for route in twice])
    access = {"public": PUBLIC, "protected": PROTECTED}
    rules: list[NetworkSpec] = list(specs("network_rule").values())
    return Declared(
        webhooks={spec.route: spec.endpoint(name) for name, spec in webhooks.items()},
        limits=[spec.limit_of(name) for name, spec in sorted(specs("rate_limit").items())],
        marks={spec.path: access[spec.access].by(*spec.principals) for spec in specs("route").values()},
        network=together(rules) if rules else NetworkSpec(),
    )


class WebhookSecrets:
    """The secrets at a path of the stores: the present one, one that is being rotated to, and one that ends. Kept for a moment."""

    def __init__(self, stores: Callable[[], SecretClient | None], clock: Callable[[], float] = time.monotonic) -> None:
        self._stores = stores
        self._clock = clock
        self._kept: dict[str, tuple[float, tuple[TimedSecret, ...]]] = {}
        self._asked: set[str] = set()

    async def __call__(self, path: str) -> Sequence[TimedSecret]:
        known = path in self._kept
        at, kept = self._kept.get(path, (0.0, ()))
        age = self._clock() - at
        if known and age < SECRET_SECONDS:
            return kept
        if kept and age < STALE_SECONDS and path in self._asked:
            return kept  # one asks for all: senders without any proof come as often as they like
        self._asked.add(path)
        try:
            found = await asyncio.to_thread(self._read, path)
        except Missing:
            found = ()
        except BackendError:
            if kept and age < STALE_SECONDS:
                return kept
            raise
        finally:
            self._asked.discard(path)
        self._kept[path] = self._clock(), found
        return found

    def _read(self, path: str) -> tuple[TimedSecret, ...]:
        stores = self._stores()
        if stores is None:
            raise Missing(f"{path}: the environment declares no stores", path=path)
        present = stores.get(path)
        return (TimedSecret(_bytes(present)), *_rotating(_state(stores, path, present.store)))


def _state(stores: SecretClient, path: str, store: str) -> State:
    """The state of its rotation; where there is none, or none that can be read, one in which nothing goes on."""
    try:
        document = stores.get(sibling(path), store=store)
        return read_state(document, document.version, path)
    except (Missing, Denied):
        return State()
    except BackendError:
        raise
    except ReconcilerError:
        return State()  # not the state of a rotation: whoever rotates says so


def _rotating(state: State) -> Sequence[TimedSecret]:
    """The other value that is good at present: the sender may have either."""
    if state.phase in _AHEAD and state.pending is not None:
        return [TimedSecret(_bytes(state.pending.value))]
    exposed = state.previous is not None and any(state.previous.same(one) for one in state.exposed)
    if state.phase in _BEHIND and state.previous is not None and not exposed:
        return [TimedSecret(_bytes(state.previous.value), float(state.overlap_until))]
    return []


def _bytes(value: Mapping[str, str] | Revealed) -> bytes:
    """A single value, under whatever name. Several are no secret of a webhook, and prove nobody."""
    texts = list(value.values())
    return (value["value"] if "value" in value else texts[0] if len(texts) == 1 else "").encode()
