"""What the server's pages are made of: the ledger's word on what is managed, and Vault's on people."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from reconciler.core.address import parse_address
from reconciler.core.run import AppliedVersion
from reconciler.edge.tokens import VaultTokens
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.records import State
from reconciler.ledger.shelf import Shelf
from reconciler.server.api import Api
from reconciler.server.pages import Pages, pages
from reconciler.server.pages.blocked import Latest
from reconciler.server.pages.sources import Resource, Sources
from reconciler.settings import Settings

from .access import able

VERSIONS_SHOWN = 20


def pages_of(settings: Settings, api: Api, tokens: VaultTokens, shelf: Callable[[], Shelf], latest: Latest) -> Pages:
    """The pages over a ledger. `tokens` says whose a token is."""
    managed = Managed(shelf)

    def able_to(path: str, capability: str, instance: str) -> Sequence[Mapping[str, Any]]:
        # As the clone declares it, at the branch's tip: servers would be asked with a login that may see more than the person.
        return able(settings, path, capability or None, "desired", instance)

    return pages(Sources(api, tokens.whose, tokens.forget, managed.resources, managed.versions, able_to, latest.all))


class Managed:
    """What the ledger holds, kept until another run has written it. Safe to use from many threads."""

    def __init__(self, shelf: Callable[[], Shelf]) -> None:
        self._shelf = shelf
        self._lock = threading.Lock()
        self._mark: object = None
        self._rows: Sequence[Resource] = ()

    def resources(self) -> Sequence[Resource]:
        """Every object that is managed, by address."""
        ledger = Ledger(self._shelf())
        newest = next(ledger.runs(), None)
        with self._lock:  # whoever comes while it is read waits for the same
            if newest is None or newest != self._mark:
                self._rows, self._mark = _rows(ledger.load()[0]), newest
            return self._rows

    def versions(self, named: str) -> Sequence[AppliedVersion]:
        """The latest versions of an object, newest first."""
        try:
            address = parse_address(named)
        except ValueError:
            return ()
        return tuple(islice(Ledger(self._shelf()).versions(address), VERSIONS_SHOWN))


def _rows(state: State) -> Sequence[Resource]:
    owned = [Resource(str(address), address.kind, one.run, one.lifecycle.protect) for address, one in state.owned.items()]
    declared = [Resource(str(address), address.kind) for address in state.declared if address not in state.owned]
    return tuple(sorted(owned + declared))
