"""Bootstrap: what an environment needs before its first plan in CI: namespace, ledger, two logins and their policies.

An administrator runs it, and again when kinds or namespaces are declared that were not before. It is compared and
written with our own kinds, but owned by nobody: namespaces, mounts and configurations are made where they are absent
and otherwise left alone, roles are extended, and only the two policies are ours as a whole. A second run has no steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from reconciler.access.login_rules import Reach, Rule, apply_rules, plan_rules
from reconciler.audit.journal import RunRecorder
from reconciler.core.address import Address, Place
from reconciler.core.change import Change
from reconciler.core.diff import Survey, diff
from reconciler.core.errors import BackendError
from reconciler.core.kind import Kinds, Reading
from reconciler.core.order import NAMESPACE, graph, in_order
from reconciler.core.owned import Owned
from reconciler.core.resource import ORDINARY, Lifecycle, Origin, Resource
from reconciler.core.secret import Secret

from .logins import GitHub, Instance, Login, by_hand, extended, logins, new_role, shared_roles
from .recorded import Recorded
from .survey import wanted
from .world import Clients

ENGINE = "vault.secrets_engine"
_ORIGIN = Origin("bootstrap", 0)
_OURS = Owned()  # as if an earlier run had made it: nothing here is adopted or taken over


class Setup(NamedTuple):
    """What an environment asks for, as bootstrap needs it."""

    instances: tuple[Instance, ...]
    resources: Mapping[Address, Resource[Any]] = {}
    ledger: tuple[str, str] = ("", "")  # instance and mount, where the ledger is in a Vault
    sources: str = "primary"  # the instance that `vault:` sources name
    github: GitHub | None = None
    looked_at: Mapping[str, tuple[Rule, ...]] = {}  # by instance: what rotation and the stores need besides
    rotated: Mapping[str, tuple[Rule, ...]] = {}


class Preparation(NamedTuple):
    """What is to be done, in order, and what only a person can do."""

    steps: tuple[Change[Any], ...]
    notes: tuple[str, ...]


def prepare(kinds: Kinds, clients: Clients, setup: Setup) -> Preparation:
    """Compare an environment with what it needs. Writes nothing.

    `clients` hands out administrators' clients, and places count from the server's root. Raises Usage for a login
    that cannot reach its instance, BackendError where something may not be read.
    """
    steps: dict[Address, Change[Any]] = {}
    notes: list[str] = []
    for instance in setup.instances:
        users = logins(instance)
        readings = _read(kinds, clients, setup, instance)
        scans = clients.client("vault", instance.home).dialect == "openbao"
        reach = _reach(kinds, setup, instance, readings)._replace(scans=scans)
        needed = [*_places(kinds, setup, instance), *_policies(kinds, users, reach), *_methods(kinds, users, setup.github)]
        resources = {resource.address: resource for resource in (*needed, *_roles(kinds, users, setup.github, readings))}
        resources |= _as_declared(kinds, setup, instance, resources)
        # A namespace that may not be read is there: in one that is absent the token could not do the rest.
        found = diff(kinds, resources, readings, dict.fromkeys(resources, _OURS))
        steps |= {change.address: change for change in found.changes}
        notes += by_hand(users, resources, steps)
    order = in_order(graph(kinds, tuple(steps.values())))
    return Preparation(tuple(steps[address] for address in order), tuple(notes))


def carry_out(
    kinds: Kinds, clients: Clients, steps: Iterable[Change[Any]], prepare_ledger: Callable[[], None], recorder: RunRecorder
) -> None:
    """Do the steps, in order, each told to the audit log before and after. The ledger's mount is the ledger's own to make."""

    def write(step: Change[Any]) -> Change[Any]:
        kind = kinds[step.address.kind]
        if kind.name == ENGINE:
            prepare_ledger()
        else:
            kind.write(clients.client(kind.backend, step.address.place), step, _no_secret)
        return step

    recorded = Recorded(recorder, "bootstrap")
    for step in steps:
        recorded.announce([step])
        recorded.around(write)(step)


def _no_secret(_secret: Secret) -> NoReturn:
    raise AssertionError("bootstrap writes no secrets")


def _read(kinds: Kinds, clients: Clients, setup: Setup, instance: Instance) -> Survey:
    """Everything that may be needed, and all secrets engines. Raises BackendError for what may not be read."""
    addresses = {*_namespaces(instance), Address(ENGINE, setup.ledger[1], instance.home)}
    addresses |= {Address(ENGINE, "", _below(instance, address)) for address in setup.resources if address.place.instance == instance.name}
    for login in logins(instance):
        addresses |= {login.policy, login.method, login.config, *((login.role,) if login.role else ())}
    readings: dict[tuple[str, Place], Reading[Any]] = {}
    for (name, place), names in wanted(kinds, addresses).items():
        kind = kinds[name]
        reading = kind.read(clients.client(kind.backend, place), names._replace(everything=name == ENGINE))
        for gap in reading.gaps if name != NAMESPACE else ():
            what = gap.reason or f"this login may not {gap.capability} here"
            raise BackendError(f"{place}: {gap.path}: {what} (bootstrap needs an administrator's token)", path=gap.path)
        readings[name, place] = reading
    return readings


def _below(instance: Instance, address: Address) -> Place:
    """The place of a declared object, from the server's root."""
    return Place(instance.name, f"{instance.namespace}/{address.place.namespace}".strip("/"))


def _namespaces(instance: Instance) -> Iterator[Address]:
    """The instance's namespace and those around it."""
    parts = instance.namespace.split("/") if instance.namespace else []
    for depth in range(1, len(parts) + 1):
        yield Address(NAMESPACE, "/".join(parts[:depth]), Place(instance.name))


def _reach(kinds: Kinds, setup: Setup, instance: Instance, readings: Survey) -> Reach:
    declared = [address for address in setup.resources if address.place.instance == instance.name]
    mounts = {address.name for address in declared if kinds[address.kind].mount}
    plaintext = []
    for (kind, place), reading in sorted(readings.items()):
        if kind == ENGINE:
            mounts |= reading.live.keys()
            inner = place.namespace.removeprefix(instance.namespace).strip("/")
            for name, live in sorted(reading.live.items()):
                if live.spec.type == "kv" and live.spec.options.get("version") != "2":
                    plaintext.append(f"{inner}/{name}".strip("/"))
    specs = [resource.spec for resource in setup.resources.values()] if setup.sources == instance.name else []
    secrets = {value.source: value for spec in specs for value in spec.__dict__.values() if isinstance(value, Secret)}
    return Reach(
        addresses=declared,
        secrets=[secret for _, secret in sorted(secrets.items()) if secret.scheme == "vault"],
        mounts=sorted(mounts),
        plaintext=plaintext,
        ledger=setup.ledger[1] if setup.ledger[0] == instance.name else "",
        looked_at=setup.looked_at.get(instance.name, ()),
        rotated=setup.rotated.get(instance.name, ()),
    )


def _whole(kinds: Kinds, address: Address, given: Mapping[str, Any], lifecycle: Lifecycle = ORDINARY) -> Resource[Any]:
    return Resource(address, kinds[address.kind].spec.model_validate(given), _ORIGIN, lifecycle)


def _once(kinds: Kinds, address: Address, given: Mapping[str, Any]) -> Resource[Any]:
    """Made where it is absent, and otherwise left as it is."""
    return _whole(kinds, address, given, _untouched(kinds, address))


def _untouched(kinds: Kinds, address: Address) -> Lifecycle:
    return Lifecycle(ignore=tuple(kinds[address.kind].spec.model_fields))


def _as_declared(kinds: Kinds, setup: Setup, instance: Instance, needed: Mapping[Address, Any]) -> dict[Address, Resource[Any]]:
    """What the commit itself declares is made as it says, so that its first apply adopts it; from then on it is the apply's."""
    declared = {
        address._replace(place=_below(instance, address)): resource
        for address, resource in setup.resources.items()
        if address.place.instance == instance.name
    }
    return {
        address: Resource(address, declared[address].spec, _ORIGIN, _untouched(kinds, address)) for address in needed if address in declared
    }


def _places(kinds: Kinds, setup: Setup, instance: Instance) -> Iterator[Resource[Any]]:
    for address in _namespaces(instance):
        yield _once(kinds, address, {})
    if setup.ledger[0] == instance.name:
        yield _once(kinds, Address(ENGINE, setup.ledger[1], instance.home), {"type": "kv-v2"})


def _policies(kinds: Kinds, users: Iterable[Login], reach: Reach) -> Iterator[Resource[Any]]:
    for login in users:
        rules_of = apply_rules if login.purpose == "apply" else plan_rules
        rules = rules_of(kinds, reach._replace(prefix=login.prefix))
        yield _whole(kinds, login.policy, {"rules": [rule._asdict() for rule in rules]})


def _methods(kinds: Kinds, users: Iterable[Login], github: GitHub | None) -> Iterator[Resource[Any]]:
    for login in users:
        if login.auth.method == "approle":
            yield _once(kinds, login.method, {"type": "approle"})
        if login.by_github and github:
            yield _once(kinds, login.method, {"type": "jwt"})
            yield _once(kinds, login.config, {"oidc_discovery_url": github.issuer, "bound_issuer": github.issuer})


def _roles(kinds: Kinds, users: Iterable[Login], github: GitHub | None, readings: Survey) -> Iterator[Resource[Any]]:
    for address, sharing in shared_roles(users).items():
        live = readings[address.kind, address.place].live.get(address.name)
        given = new_role(sharing, github)
        if live is not None:
            yield Resource(address, extended(live.spec, sharing), _ORIGIN)
        elif given is not None:
            yield _whole(kinds, address, given)
