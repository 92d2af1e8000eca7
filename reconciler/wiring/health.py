"""What an environment's health depends on: its instances, with the login that plans, the ledger, and its stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciler.core.health import Health, State
from reconciler.desired.environments import read_environment
from reconciler.desired.git import Repository
from reconciler.engine.health import Probe, ask_all
from reconciler.engine.survey import silent
from reconciler.ledger.ledger import Ledger
from reconciler.settings import Settings

from .clients import ClientPool
from .connect import connected

if TYPE_CHECKING:
    from reconciler.desired.environments import Environment
    from reconciler.secrets.client import SecretClient

Said = tuple[State, Mapping[str, Any]]


def health(settings: Settings) -> tuple[Health, ...]:
    """Ask every instance of the environment, the ledger and every store. Writes nothing."""
    tree = Repository(settings.repo).read_work_tree()
    environment = read_environment(tree, settings.environment or None)
    with connected(settings, environment, "plan", tree.commit, silent) as parts:
        asked = ask_all(list(probes(environment, parts.clients, parts.world.ledger)))
    if not environment.stores.reading:
        return asked
    from .stores import secret_client_of

    with secret_client_of(settings, environment) as stores:
        return (*asked, *store_health(stores))


def store_health(stores: SecretClient) -> tuple[Health, ...]:
    """How each store is, with its breaker: one that is not closed is not asked by readers at present."""
    return tuple(
        Health(f"store {one.store}", State.DOWN if one.problem else State.OK, {"breaker": one.breaker}, error=one.problem)
        for one in stores.health()
    )


def probes(environment: Environment, clients: ClientPool, ledger: Ledger) -> Iterator[Probe]:
    declared = environment.model_fields_set
    for name in environment.vault:
        first, login = partial(_vault, clients, name), partial(_log_in, clients, name)
        yield Probe(f"vault {name}", first, login, optional="vault" not in declared)
    for name in environment.aws:
        yield Probe(f"aws {name}", partial(_aws, clients, name), optional="aws" not in declared)
    yield Probe("ledger", partial(_ledger, environment, ledger))


def _vault(clients: ClientPool, name: str) -> Said:
    seen = clients.vault(name).health()
    state = State.UNINITIALISED if not seen.initialized else State.SEALED if seen.sealed else State.STANDBY if seen.standby else State.OK
    return state, {"dialect": seen.dialect, "version": seen.version, "sealed": seen.sealed, "standby": seen.standby}


def _log_in(clients: ClientPool, name: str) -> str:
    return clients.vault(name).token()


def _aws(clients: ClientPool, name: str) -> Said:
    client = clients.aws(name)
    return State.OK, {"account": client.account, "region": client.region}


def _ledger(environment: Environment, ledger: Ledger) -> Said:
    state, _ = ledger.load()
    place = environment.ledger
    where = f"s3 {place.s3}" if place.s3 else f"file {place.file}" if place.file else f"vault {place.vault}, mount {place.mount}"
    return State.OK, {"place": where, "applied": state.applied[-1] if state.applied else None}
