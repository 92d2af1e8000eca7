"""Vault's word on people: whose a token is, and which paths it may read. What it may not, nobody is shown."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from reconciler.core.errors import Denied
from reconciler.desired.environments import Environment, VaultInstance
from reconciler.edge.identity import Proof
from reconciler.edge.scope import Principal
from reconciler.settings import Settings

from .proofs import jwts_of, whose

if TYPE_CHECKING:
    from reconciler.backends.vault.client import VaultClient

SEEN_SECONDS = 10.0  # how long somebody whose token was revoked may still see something
MOST_TOKENS, MOST_PATHS = 512, 20_000  # of whom, and of one of whom, answers are kept
BATCH = 250  # paths a question: OpenBao takes fewer than a thousand texts in one body
_READ = frozenset({"read", "root"})


class People:
    """Asks with the person's own token. Safe to use from many threads. Raises BackendError where Vault does not answer."""

    def __init__(self, settings: Settings, environment: Callable[[], Environment]) -> None:
        self._settings = settings
        self._environment = environment
        self._clients: dict[tuple[str, str], Callable[[str], VaultClient]] = {}
        self._kept = _Kept()

    async def look_up(self, token: str) -> Principal | None:
        """Whose a token is; None for one that Vault does not know."""
        return await asyncio.to_thread(self._look_up, token)

    def _look_up(self, token: str) -> Principal | None:
        return whose(self._as(token).transport, token)

    def jwts(self) -> Sequence[Proof]:
        """The proof by a JWT, where the login that plans is one: whoever could log in as it may see what it may."""
        auth = self.instance()[1].auth.plan
        return (jwts_of(self._as("").transport, auth),) if auth.method == "jwt" else ()

    def may_see(self, principal: Principal) -> bool:
        """Whether somebody may see that there is a ledger, and how it stands: who has a certificate or a JWT was let in by the operator."""
        if principal.kind != "vault":
            return principal.kind in ("certificate", "jwt")
        return bool(self.readable(principal.token, [self.ledger_path("head")]))

    def readable(self, token: str, paths: Collection[str]) -> frozenset[str]:
        """Those of the paths that a token may read. Paths are relative to the namespace of the instance with the ledger."""
        known = dict(self._kept.of(token))
        unknown = [path for path in dict.fromkeys(paths) if path not in known]
        for start in range(0, len(unknown), BATCH):
            batch = unknown[start : start + BATCH]
            granted = self._granted(token, batch)
            found = {path: bool(_READ & set(granted.get(path) or ())) for path in batch}
            self._kept.keep(token, found)
            known |= found
        return frozenset(path for path in paths if known[path])

    def _granted(self, token: str, paths: list[str]) -> Mapping[str, Sequence[str]]:
        try:
            return self._as(token).ask("sys/capabilities-self", {"paths": paths})
        except Denied:
            return {}  # revoked, or one that may not even ask

    def ledger_path(self, entry: str) -> str:
        """Where an entry of the ledger is on the API, in the instance that keeps it."""
        environment = self._environment()
        mount = environment.ledger.mount.strip("/")
        return f"{mount}/data/{environment.project}/{environment.name}/{entry}"

    def _as(self, token: str) -> VaultClient:
        """A client with somebody's own token, over the connections of all."""
        declared = self.instance()[1]
        key = (declared.address, declared.namespace)
        if key not in self._clients:
            self._clients[key] = self._connected(declared.address, declared.namespace)
        return self._clients[key](token)

    def instance(self) -> tuple[str, VaultInstance]:
        """The one with the ledger, whose tokens people have; with its name."""
        environment = self._environment()
        name = environment.ledger.vault if environment.ledger.vault in environment.vault else next(iter(environment.vault))
        return name, environment.vault[name]

    def _connected(self, address: str, namespace: str) -> Callable[[str], VaultClient]:
        from reconciler.backends.vault.client import connect
        from reconciler.backends.vault.connection import connection_from
        from reconciler.backends.vault.transport import Transport

        return partial(connect, Transport(connection_from(self._settings.environ, address, namespace or None)))


class _Kept:
    """What tokens may read, for a moment. Of a token a hash is kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: OrderedDict[bytes, tuple[float, dict[str, bool]]] = OrderedDict()

    def of(self, token: str) -> Mapping[str, bool]:
        """What is known of a token now."""
        with self._lock:
            until, known = self._tokens.get(_hashed(token), (0.0, {}))
            return dict(known) if self._clock() < until else {}

    def keep(self, token: str, found: Mapping[str, bool]) -> None:
        """Add answers. All of a token's end with its oldest, so that none is older than it should be."""
        key, now = _hashed(token), self._clock()
        with self._lock:
            until, known = self._tokens.get(key, (0.0, {}))
            if now >= until or len(known) + len(found) > MOST_PATHS:
                until, known = now + SEEN_SECONDS, {}
            self._tokens[key] = until, {**known, **found}
            self._tokens.move_to_end(key)
            if len(self._tokens) > MOST_TOKENS:
                self._tokens.popitem(last=False)


def _hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
