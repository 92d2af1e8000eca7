"""The two logins of a Vault instance, and the roles that bootstrap makes for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.core.address import Address, Place
from reconciler.core.auth import Auth
from reconciler.core.errors import Usage

POLICY, METHOD, CONFIG = "vault.policy", "vault.auth_method", "vault.auth_config"
APPROLE, JWT = "vault.approle_role", "vault.jwt_role"

# So that the server's audit log tells which commit and which workflow wrote.
CLAIM_MAPPINGS = {"sha": "commit", "ref": "ref", "workflow": "workflow", "actor": "actor"}
# A run renews its token; GitHub ends a job after six hours.
TOKEN_TTLS = {"token_ttl": "15m", "token_max_ttl": "6h"}
_ROLES = {"approle": APPROLE, "jwt": JWT}


class GitHub(NamedTuple):
    """Whose workflows may log in. A role bound to an audience alone would let in every repository there is."""

    repository: str  # OWNER/NAME
    branch: str = "main"  # the one that is applied from
    issuer: str = "https://token.actions.githubusercontent.com"


class Instance(NamedTuple):
    """One Vault instance: its own namespace, from the server's root, and how its two logins are made."""

    name: str
    namespace: str
    plan: Auth
    apply: Auth

    @property
    def home(self) -> Place:
        return Place(self.name, self.namespace)


class Login(NamedTuple):
    """One of the two logins of an instance."""

    instance: Instance
    purpose: str  # plan | apply
    auth: Auth

    def __str__(self) -> str:
        return f"vault instance {self.instance.name}: the {self.purpose} login"

    @property
    def place(self) -> Place:
        """The namespace that its auth method and policy are in: the instance's own, or one around it."""
        namespace = self.instance.namespace if self.auth.namespace is None else self.auth.namespace.strip("/")
        return Place(self.instance.name, namespace)

    @property
    def prefix(self) -> str:
        """The way from there to the instance's own namespace. Raises Usage if there is none."""
        own, around = (f"{namespace}/".lstrip("/") for namespace in (self.instance.namespace, self.place.namespace))
        if not own.startswith(around):
            what = f"{self.instance.namespace or 'the root namespace'} cannot be reached from {self.place.namespace}"
            raise Usage(f"{self} is in another namespace, and {what} (correct auth.{self.purpose}.namespace)")
        return own.removeprefix(around)

    @property
    def policy(self) -> Address:
        return Address(POLICY, f"reconciler-{self.purpose}", self.place)

    @property
    def method(self) -> Address:
        return Address(METHOD, self.auth.path, self.place)

    @property
    def config(self) -> Address:
        return Address(CONFIG, self.auth.path, self.place)

    @property
    def role(self) -> Address | None:
        """The role that gives the login its policy; None for methods whose roles bootstrap cannot make."""
        kind = _ROLES.get(self.auth.method)
        # Servers fold the names of roles.
        return Address(kind, f"{self.auth.path}/{(self.auth.role or self.policy.name).lower()}", self.place) if kind else None

    @property
    def by_github(self) -> bool:
        return self.auth.method == "jwt" and self.auth.jwt == "github"


def logins(instance: Instance) -> tuple[Login, Login]:
    """The plan's and the apply's."""
    return Login(instance, "plan", instance.plan), Login(instance, "apply", instance.apply)


def shared_roles(users: Iterable[Login]) -> Mapping[Address, list[Login]]:
    """Which logins use which role: one role for each, or one with both policies."""
    by_role: dict[Address, list[Login]] = {}
    for login in users:
        if login.role:
            by_role.setdefault(login.role, []).append(login)
    return by_role


def extended(live: Any, users: list[Login]) -> Any:
    """The spec of a role that is there, with what we need: what it binds is somebody's decision, and stays."""
    update: dict[str, Any] = {"token_policies": tuple(sorted({*live.token_policies, *(login.policy.name for login in users)}))}
    if all(login.by_github for login in users):
        update["claim_mappings"] = {**live.claim_mappings, **CLAIM_MAPPINGS}
    return live.model_copy(update=update)


def new_role(users: list[Login], github: GitHub | None) -> dict[str, Any] | None:
    """The spec of a new role; None where only a person can say who may log in."""
    usual: dict[str, Any] = {"token_policies": [login.policy.name for login in users], **TOKEN_TTLS}
    if all(login.auth.method == "approle" for login in users):
        return usual
    if github is None or not all(login.by_github for login in users):
        return None
    claims = {"repository": github.repository}
    if all(login.purpose == "apply" for login in users):
        claims["ref"] = f"refs/heads/{github.branch}"  # a pull request must not apply
    unasked = f"https://github.com/{github.repository.partition('/')[0]}"  # GitHub's own audience
    audiences = [login.auth.audience or unasked for login in users]
    bound = {"bound_audiences": audiences, "bound_claims": claims, "claim_mappings": CLAIM_MAPPINGS}
    return {"role_type": "jwt", "user_claim": "repository", **bound, **usual}


def by_hand(users: Iterable[Login], resources: Mapping[Address, Any], steps: Mapping[Address, Any]) -> Iterator[str]:
    """What bootstrap cannot do: hand out credentials, and decide who may log in."""
    for login in users:
        if login.role is not None and login.role in resources:
            if login.auth.method == "approle" and login.role in steps:
                path = f"auth/{login.auth.path}/role/{login.role.name.rpartition('/')[2]}"
                yield f"{login} needs its role id (read {path}/role-id) and a secret id (write -f {path}/secret-id)"
        elif login.policy in steps:
            yield f"{login} is by {login.auth.method}: only you know who may log in so; give it the policy {login.policy.name}"
