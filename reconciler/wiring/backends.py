"""What a server holds open to all backends of its environment: clients that probe, and stores that are read from.

It is opened anew when the environment's file at HEAD has changed, so that a merged change of an instance needs no restart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack

from reconciler.core.health import Health
from reconciler.desired.environments import Environment, read_environment
from reconciler.desired.git import Repository
from reconciler.engine.health import Probe, ask_all
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.shelf import Shelf
from reconciler.secrets.client import SecretClient
from reconciler.settings import Settings

from .clients import ClientPool
from .connect import shelf_of
from .health import probes, store_health
from .stores import secret_client_of

KNOWN_SECONDS = 2.0  # between looks at HEAD: git is a process each time, and strangers can make us ask


class Backends:
    """Safe to use from many threads. Raises ReconcilerError where the environment's file is wrong: what was open stays open."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._commit = ""
        self._looked = 0.0
        self._environment: Environment | None = None
        self._open = ExitStack()
        self._probes: Sequence[Probe] = ()
        self._shelf: Shelf | None = None
        self._stores: SecretClient | None = None

    @property
    def environment(self) -> Environment:
        """The environment as HEAD has it."""
        with self._lock:
            return self._fresh()

    @property
    def shelf(self) -> Shelf:
        """The ledger's, with the login that plans."""
        with self._lock:
            self._fresh()
            if self._shelf is None:
                raise AssertionError("an environment was read, and so its ledger is known")
            return self._shelf

    @property
    def stores(self) -> SecretClient | None:
        """A client of the declared stores; None where none is declared."""
        with self._lock:
            self._fresh()
            return self._stores

    def probe(self) -> tuple[Health, ...]:
        """Ask every instance, the ledger and every store."""
        with self._lock:
            self._fresh()
            asked, stores = self._probes, self._stores
        return (*ask_all(asked), *(store_health(stores) if stores else ()))

    def close(self) -> None:
        with self._lock:
            self._open.close()

    def _fresh(self) -> Environment:
        if self._environment is not None and time.monotonic() - self._looked < KNOWN_SECONDS:
            return self._environment
        self._looked = time.monotonic()
        repository = Repository(self._settings.repo)
        commit = repository.resolve("HEAD")
        if self._environment is None or commit != self._commit:
            environment = read_environment(repository.read(commit), self._settings.environment or None)
            if environment != self._environment:
                self._reopen(environment)
            self._environment, self._commit = environment, commit
        return self._environment

    def _reopen(self, environment: Environment) -> None:
        opened = ExitStack()
        # Nothing is sent again here: whoever asks comes back by itself, and what is down has to be known soon.
        clients = ClientPool(environment, "plan", self._settings.environ, {}, lambda _seconds: None, hasty=True)
        opened.callback(clients.close)
        self._shelf = shelf_of(self._settings, environment, clients, gated=False)
        self._probes = list(probes(environment, clients, Ledger(self._shelf)))
        self._stores = opened.enter_context(secret_client_of(self._settings, environment)) if environment.stores.reading else None
        # What others still ask of the old ones fails once, and is asked again.
        self._open.close()
        self._open = opened
