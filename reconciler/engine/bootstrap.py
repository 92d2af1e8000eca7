"""Bootstrap: what an environment needs before its first plan in CI: namespace, ledger, two logins and their policies.

An administrator runs it, and again when kinds or namespaces are declared that were not before. It is compared and
written with our own kinds, but owned by nobody: what is there already is extended, never reset, and a second run has
no steps. Namespaces and mounts are only made where they are absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, NoReturn

from reconciler.access.login_rules import Reach, apply_rules, plan_rules
from reconciler.core.address import Address, Place
from reconciler.core.auth import Auth
from reconciler.core.change import Change
from reconciler.core.diff import Survey, diff
from reconciler.core.errors import BackendError, Usage
from reconciler.core.kind import Kinds, Names, Reading
from reconciler.core.order import NAMESPACE, graph, in_order
from reconciler.core.owned import Owned
from reconciler.core.resource import ORDINARY, Lifecycle, Origin, Resource
from reconciler.core.secret import Secret

from .survey import wanted
from .world import Clients

POLICY, ENGINE, METHOD, CONFIG = "vault.policy", "vault.secrets_engine", "vault.auth_method", "vault.auth_config"
APPROLE, JWT = "vault.approle_role", "vault.jwt_role"

# So that the server's audit log tells which commit and which workflow wrote.
CLAIM_MAPPINGS = {"sha": "commit", "ref": "ref", "workflow": "workflow", "actor": "actor"}
# GitHub ends a job after six hours.
TOKEN_TTLS = {"token_ttl": "15m", "token_max_ttl": "6h"}


class GitHub(NamedTuple):
    """Whose workflows may log in. A role that is bound to an audience alone would let in every repository there is."""

    repository: str  # OWNER/NAME
    branch: str = "main"  # the one that is applied from
    issuer: str = "https://token.actions.githubusercontent.com"


class Instance(NamedTuple):
    """One Vault instance: its own namespace, from the server's root, and how its two logins are made."""

    name: str
    namespace: str
    plan: Auth
    apply: Auth


class Setup(NamedTuple):
    """What an environment asks for, as bootstrap needs it."""

    instances: tuple[Instance, ...]
    resources: Mapping[Address, Resource[Any]] = {}
    ledger: tuple[str, str] = ("", "")  # instance and mount, where the ledger is in a Vault
    sources: str = "primary"  # the instance that `vault:` sources name
    github: GitHub | None = None


class Preparation(NamedTuple):
    """What is to be done, in order, and what only a person can do."""

    steps: tuple[Change[Any], ...]
    notes: tuple[str, ...]


class _Login(NamedTuple):
    """One of the two logins of an instance."""

    instance: Instance
    purpose: str  # plan | apply
    auth: Auth

    @property
    def place(self) -> Place:
        """The namespace that its auth method and policy are in: the instance's own, or one around it."""
        return Place(self.instance.name, self.instance.namespace if self.auth.namespace is None else self.auth.namespace.strip("/"))

    @property
    def prefix(self) -> str:
        """The way from there to the instance's own namespace. Raises Usage if there is none."""
        own, around = f"{self.instance.namespace}/".lstrip("/"), f"{self.place.namespace}/".lstrip("/")
        if not own.startswith(around):
            what = f"vault instance {self.instance.name}: the {self.purpose} login is in namespace {self.place.namespace}"
            raise Usage(f"{what}, from where {self.instance.namespace or 'the root namespace'} cannot be reached")
        return own.removeprefix(around)

    @property
    def policy(self) -> Address:
        return Address(POLICY, f"reconciler-{self.purpose}", self.place)

    @property
    def method(self) -> Address:
        return Address(METHOD, self.auth.path, self.place)

    @property
    def role(self) -> Address | None:
        """The role that gives the login its policy; None for methods whose roles bootstrap cannot make."""
        kind = _ROLES.get(self.auth.method)
        return Address(kind, f"{self.auth.path}/{(self.auth.role or self.policy.name).lower()}", self.place) if kind else None

    @property
    def by_github(self) -> bool:
        return self.auth.method == "jwt" and self.auth.jwt == "github"


def prepare(kinds: Kinds, clients: Clients, setup: Setup) -> Preparation:
    """Compare an environment with what it needs. Writes nothing.

    `clients` hands out administrators' clients, and places count from the server's root. Raises Usage for a login
    that cannot reach its instance, BackendError where something could not be read.
    """
    changes: dict[Address, Change[Any]] = {}
    notes: list[str] = []
    for instance in setup.instances:
        logins = [_Login(instance, "plan", instance.plan), _Login(instance, "apply", instance.apply)]
        readings = _read(kinds, clients, setup, logins)
        resources = {resource.address: resource for resource in _needed(kinds, clients, setup, logins, readings)}
        found = diff(kinds, resources, readings, dict.fromkeys(resources, _OURS))
        # Namespaces that could not be read are there, or the token could do nothing in them.
        changes |= {change.address: change for change in found.changes}
        notes += _by_hand(logins, resources, changes)
    return Preparation(tuple(changes[address] for address in in_order(graph(kinds, tuple(changes.values())))), tuple(notes))


def carry_out(kinds: Kinds, clients: Clients, steps: Iterable[Change[Any]], prepare_ledger: Callable[[], None]) -> None:
    """Do the steps, in order. The ledger's mount is the ledger's own to make, wherever it is kept."""
    for step in steps:
        kind = kinds[step.address.kind]
        if kind.name == ENGINE:
            prepare_ledger()
        else:
            kind.write(clients.client(kind.backend, step.address.place), step, _no_secret)


def _no_secret(_secret: Secret) -> NoReturn:
    raise AssertionError("bootstrap writes no secrets")


# Compared as if an earlier run had made it: nothing here is taken over or adopted.
_OURS = Owned()
_ROLES = {"approle": APPROLE, "jwt": JWT}
_ORIGIN = Origin("bootstrap", 0)


def _read(kinds: Kinds, clients: Clients, setup: Setup, logins: list[_Login]) -> Survey:
    """Everything that may be needed, and all mounts. Raises BackendError for what may not be read."""
    home = logins[0].place._replace(namespace=logins[0].instance.namespace)
    addresses = {*_namespaces(home), Address(ENGINE, setup.ledger[1], home)}
    for login in logins:
        addresses |= {login.policy, login.method, Address(CONFIG, login.auth.path, login.place)}
        addresses |= {login.role} if login.role else set()
    readings: dict[tuple[str, Place], Reading[Any]] = {}
    for (name, place), names in wanted(kinds, addresses).items():
        kind = kinds[name]
        reading = kind.read(clients.client(kind.backend, place), names._replace(everything=name == ENGINE))
        for gap in reading.gaps:
            if name != NAMESPACE:
                what = gap.reason or f"this login may not {gap.capability} here"
                raise BackendError(f"{place}: {gap.path}: {what} (bootstrap needs an administrator's token)", path=gap.path)
        readings[name, place] = reading
    return readings


def _namespaces(home: Place) -> Iterator[Address]:
    """The instance's namespace and those around it."""
    parts = home.namespace.split("/") if home.namespace else []
    for depth in range(1, len(parts) + 1):
        yield Address(NAMESPACE, "/".join(parts[:depth]), Place(home.instance))


def _needed(kinds: Kinds, clients: Clients, setup: Setup, logins: list[_Login], readings: Survey) -> Iterator[Resource[Any]]:
    home = Place(logins[0].instance.name, logins[0].instance.namespace)
    for address in _namespaces(home):
        yield _once(kinds, address, {})
    if setup.ledger[0] == home.instance:
        yield _once(kinds, Address(ENGINE, setup.ledger[1], home), {"type": "kv-v2"})
    reach = _reach(kinds, clients, setup, home, readings[ENGINE, home])
    for login, rules_of in zip(logins, (plan_rules, apply_rules), strict=True):
        rules = rules_of(kinds, reach._replace(prefix=login.prefix))
        yield _whole(kinds, login.policy, {"rules": [rule._asdict() for rule in rules]})
        if login.auth.method == "approle" or (login.by_github and setup.github):
            yield _once(kinds, login.method, {"type": login.auth.method})
        if login.by_github and setup.github:
            issuer = setup.github.issuer
            yield _once(kinds, Address(CONFIG, login.auth.path, login.place), {"oidc_discovery_url": issuer, "bound_issuer": issuer})
    yield from _roles(kinds, setup.github, logins, readings)


def _whole(kinds: Kinds, address: Address, given: Mapping[str, Any], lifecycle: Lifecycle = ORDINARY) -> Resource[Any]:
    return Resource(address, kinds[address.kind].spec.model_validate(given), _ORIGIN, lifecycle)


def _once(kinds: Kinds, address: Address, given: Mapping[str, Any]) -> Resource[Any]:
    """Made where it is absent, and otherwise left as it is."""
    return _whole(kinds, address, given, Lifecycle(ignore=tuple(kinds[address.kind].spec.model_fields)))


def _reach(kinds: Kinds, clients: Clients, setup: Setup, home: Place, engines: Reading[Any]) -> Reach:
    mine = [address for address in setup.resources if address.place.instance == home.instance]
    specs = [resource.spec for resource in setup.resources.values()] if setup.sources == home.instance else []
    secrets = {value.source: value for spec in specs for value in spec.__dict__.values() if isinstance(value, Secret)}
    return Reach(
        addresses=mine,
        secrets=[secret for _, secret in sorted(secrets.items()) if secret.scheme == "vault"],
        mounts=sorted({*engines.live, *(address.name for address in mine if kinds[address.kind].mount)}),
        plaintext=[
            name for name, live in sorted(engines.live.items()) if live.spec.type == "kv" and live.spec.options.get("version") != "2"
        ],
        ledger=setup.ledger[1] if setup.ledger[0] == home.instance else "",
        scans=clients.client("vault", home).dialect == "openbao",
    )


def _roles(kinds: Kinds, github: GitHub | None, logins: list[_Login], readings: Survey) -> Iterator[Resource[Any]]:
    """One role for each login, or one with both policies where they share it."""
    by_role: dict[Address, list[_Login]] = {}
    for login in logins:
        if login.role:
            by_role.setdefault(login.role, []).append(login)
    for address, users in by_role.items():
        live = readings[address.kind, address.place].live.get(address.name)
        policies = [login.policy.name for login in users]
        if live is not None:
            yield Resource(address, _extended(live.spec, policies, github=all(login.by_github for login in users)), _ORIGIN)
        elif address.kind == APPROLE:
            yield _whole(kinds, address, {"token_policies": policies, **TOKEN_TTLS})
        elif github is not None and all(login.by_github for login in users):
            yield _whole(kinds, address, _jwt_role(github, users, policies))


def _extended(live: Any, policies: list[str], *, github: bool) -> Any:
    """A role that is there: what it binds is somebody's decision, and stays."""
    update: dict[str, Any] = {"token_policies": tuple(sorted({*live.token_policies, *policies}))}
    if github:
        update["claim_mappings"] = {**live.claim_mappings, **CLAIM_MAPPINGS}
    return live.model_copy(update=update)


def _jwt_role(github: GitHub, users: list[_Login], policies: list[str]) -> dict[str, Any]:
    claims = {"repository": github.repository}
    if all(login.purpose == "apply" for login in users):
        claims["ref"] = f"refs/heads/{github.branch}"  # a pull request must not apply
    usual = f"https://github.com/{github.repository.partition('/')[0]}"  # the audience that GitHub takes unasked
    return {
        "role_type": "jwt",
        "user_claim": "repository",
        "bound_audiences": [login.auth.audience or usual for login in users],
        "bound_claims": claims,
        "claim_mappings": CLAIM_MAPPINGS,
        "token_policies": policies,
        **TOKEN_TTLS,
    }


def _by_hand(logins: list[_Login], resources: Mapping[Address, Any], steps: Mapping[Address, Any]) -> Iterator[str]:
    """What bootstrap cannot do: hand out credentials, and decide who may log in."""
    for login in logins:
        head = f"vault instance {login.instance.name}: the {login.purpose} login"
        if login.role in resources:
            if login.auth.method == "approle" and login.role in steps:
                path = f"auth/{login.auth.path}/role/{login.role.name.rpartition('/')[2]}"
                yield f"{head} needs its role id (read {path}/role-id) and a secret id (write -f {path}/secret-id)"
        elif login.policy in steps:
            yield f"{head} is by {login.auth.method}: only you know who may log in so; give it the policy {login.policy.name}"
