"""Where adopting looks, and what there is the reconciler's own: which instance tells of what, the ledger, the logins."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.backends.vault.connection import Connection, connection_from
from reconciler.core.address import Address, Place
from reconciler.core.errors import BackendError, ReconcilerError
from reconciler.core.kind import Kinds
from reconciler.core.order import ENGINE
from reconciler.desired.environments import Environment
from reconciler.engine.inventory import Inventory, Territory
from reconciler.engine.logins import Instance as Vault
from reconciler.engine.logins import Login, logins
from reconciler.settings import Settings

from .clients import ClientPool

_UNDER_METHODS = "auth/{mount}/"  # how the paths of kinds begin whose objects lie in an auth method


class Ground(NamedTuple):
    """The instances of an environment, as far as they can be told apart."""

    territories: tuple[Territory, ...]
    connections: Mapping[str, Connection]  # of Vault instances, those included that are another one by a second name
    unreached: Mapping[tuple[str, str], str]
    notes: tuple[str, ...]

    @property
    def vaults(self) -> list[str]:
        """The Vault instances that are places of their own."""
        return [one.instance for one in self.territories if one.backend == "vault"]


def ground(settings: Settings, environment: Environment, clients: ClientPool) -> Ground:
    """Give every namespace and account to one instance: what two could tell of would be declared twice."""
    notes: list[str] = []
    unreached: dict[tuple[str, str], str] = {}
    connections: dict[str, Connection] = {}
    own: dict[tuple[str, str], str] = {}
    for name in _primary_first(environment.vault):
        declared = environment.vault[name]
        try:
            connections[name] = connection_from(settings.environ, declared.address, declared.namespace or None)
        except BackendError as error:
            unreached["vault", name] = str(error)
            continue
        first = own.setdefault(_own(connections[name]), name)
        if first != name:
            notes.append(f"vault instance {name} is the same place as {first}; its objects are written for {first}")
    vaults = [Territory("vault", name, frozenset(_others(name, connections))) for name in own.values()]
    return Ground((*vaults, *_accounts(environment, clients)), connections, unreached, tuple(notes))


def _primary_first(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (name != "primary", name))


def _own(connection: Connection) -> tuple[str, str]:
    return str(connection.host), connection.namespace


def _others(name: str, vaults: Mapping[str, Connection]) -> Iterator[str]:
    """Other instances' own namespaces, from this one's."""
    for connection in vaults.values():
        inner = _below(vaults[name], str(connection.host), connection.namespace)
        if inner:
            yield inner


def _below(connection: Connection, host: str, namespace: str) -> str | None:
    """The way from an instance's own namespace to one of a server; None if it does not lie there."""
    if str(connection.host) != host or not f"{namespace}/".startswith(f"{connection.namespace}/".lstrip("/")):
        return None
    return namespace[len(connection.namespace) :].strip("/")


def _accounts(environment: Environment, clients: ClientPool) -> Iterator[Territory]:
    seen: set[str] = set()
    for name in _primary_first(environment.aws):
        account = _account(clients, name) if len(environment.aws) > 1 else ""
        yield Territory("aws", name, iam=account not in seen)
        seen |= {account} - {""}


def _account(clients: ClientPool, name: str) -> str:
    try:
        return clients.aws(name).account
    except ReconcilerError:
        return ""  # the inventory will say it


class Ours(NamedTuple):
    """What an environment needs for itself, wherever an instance shows it."""

    taken: frozenset[Address]
    held: frozenset[Address]  # the ledger's mount, with everything in it


def ours(environment: Environment, kinds: Kinds, found: Ground, inventory: Inventory) -> Ours:
    """The ledger's mount, and what bootstrap makes for the logins."""
    users = [user for name in found.connections for user in _logins(environment, name, found)]
    taken = {seen for user in users for one in (user.policy, user.role) if one for seen in _everywhere(one, found)}
    for user in users:
        if user.role is not None:
            for method in _everywhere(user.method, found):
                if _all_ours(kinds, inventory, method, taken):
                    taken |= {method, Address(user.config.kind, method.name, method.place)}
    return Ours(frozenset(taken), frozenset(_ledger(environment, found)))


def _logins(environment: Environment, name: str, found: Ground) -> tuple[Login, Login]:
    auth = environment.vault[name].auth
    return logins(Vault(name, found.connections[name].namespace, auth.plan, auth.apply))


def _everywhere(address: Address, found: Ground) -> Iterator[Address]:
    """An address whose namespace counts from the server's root, as the instances on that server see it."""
    host = str(found.connections[address.place.instance].host)
    for name in found.vaults:
        inner = _below(found.connections[name], host, address.place.namespace)
        if inner is not None:
            yield Address(address.kind, address.name, Place(name, inner))


def _all_ours(kinds: Kinds, inventory: Inventory, method: Address, taken: Collection[Address]) -> bool:
    """Whether an auth method is there for our logins alone."""
    for (kind, place), reading in inventory.readings.items():
        if place == method.place and any(path.startswith(_UNDER_METHODS) for path in kinds[kind].paths):
            for name in reading.live:
                if name.startswith(f"{method.name}/") and Address(kind, name, place) not in taken:
                    return False
    return True


def _ledger(environment: Environment, found: Ground) -> Iterator[Address]:
    place = environment.ledger
    if not (place.s3 or place.file) and place.vault in found.connections:
        yield from _everywhere(Address(ENGINE, place.mount, Place(place.vault, found.connections[place.vault].namespace)), found)
