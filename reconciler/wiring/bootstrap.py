"""Bootstrap: an administrator's clients, and what an environment asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reconciler.desired.environments import Environment
from reconciler.desired.git import Repository
from reconciler.desired.load import load
from reconciler.engine.bootstrap import Preparation, Setup, carry_out, prepare
from reconciler.engine.logins import GitHub, Instance
from reconciler.kinds import KINDS
from reconciler.ledger.kv import KvShelf
from reconciler.settings import Settings

from .auditing import recording
from .clients import ClientPool
from .rotation_rules import looked_at, rotated


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What is to be done for one environment, and the means to do it."""

    settings: Settings
    found: Preparation
    clients: ClientPool
    setup: Setup

    @property
    def steps(self) -> tuple[str, ...]:
        return tuple(f"{step.action.value} {step.address}" for step in self.found.steps)

    @property
    def notes(self) -> tuple[str, ...]:
        return self.found.notes

    def carry_out(self) -> None:
        """Do it. Raises BackendError at the first step that fails; a second run goes on from there."""
        instance, mount = self.setup.ledger
        home = next((one.home for one in self.setup.instances if one.name == instance), None)

        def prepare_ledger() -> None:
            if home is not None:
                KvShelf(self.clients.client("vault", home), mount, "", time.sleep).prepare()

        # The places of the steps count from the server's root, those of the log from the instances' namespaces.
        log = ClientPool(self.clients.environment, "apply", self.settings.environ, {}, lambda _seconds: None, administrator=True)
        try:
            with recording(self.settings, log, "bootstrap") as recorder:
                carry_out(KINDS, self.clients, self.found.steps, prepare_ledger, recorder)
        finally:
            log.close()


@contextmanager
def bootstrapping(settings: Settings, repository: str, branch: str) -> Iterator[Bootstrap]:
    """Compare the environment with what it needs. `repository`: OWNER/NAME on GitHub, where its workflows log in."""
    tree = Repository(settings.repo).read_work_tree()
    desired = load(tree, settings.environment or None, KINDS)
    environment = desired.environment
    clients = ClientPool(environment, "bootstrap", settings.environ, {}, lambda _seconds: None, administrator=True, from_root=True)
    try:
        github = GitHub(repository, branch) if repository else None
        place = environment.ledger
        setup = Setup(
            instances=tuple(_instances(environment, settings)),
            resources=desired.resources,
            ledger=("", "") if place.s3 or place.file else (place.vault, place.mount),
            github=github,
            looked_at={name: tuple(looked_at(environment, name)) for name in environment.vault},
            rotated={name: tuple(rotated(environment, desired, name)) for name in environment.vault},
        )
        yield Bootstrap(settings, prepare(KINDS, clients, setup), clients, setup)
    finally:
        clients.close()


def _instances(environment: Environment, settings: Settings) -> Iterator[Instance]:
    from reconciler.backends.vault.connection import connection_from

    for name, declared in environment.vault.items():
        connection = connection_from(settings.environ, declared.address, declared.namespace or None)
        yield Instance(name, connection.namespace, declared.auth.plan, declared.auth.apply)
