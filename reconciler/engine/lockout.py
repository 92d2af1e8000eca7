"""The guard `self_lockout`: a plan must not take from the login that applies it what it needs for its objects.

Its policies are those of its token, where this run is that login, and those of the role that the environment names for
it. Both are evaluated as they are and as the plan would leave them. A change of such a policy is written last: until
then the run can do everything else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.access.book import Book
from reconciler.access.compare import Policies
from reconciler.access.holders import POLICY, VAULT_KINDS, Holders, Specs
from reconciler.access.lockout import Loss, losses, needed
from reconciler.core.address import Address, Place
from reconciler.core.change import Action, Change
from reconciler.core.diff import Survey
from reconciler.core.errors import BackendError
from reconciler.core.guard import Guard, Refusal
from reconciler.core.order import Graph

from .access import following, specs_of
from .world import Wish, World

METHOD, ENGINE = "vault.auth_method", "vault.secrets_engine"
_SHOWN = 3  # paths named in a refusal
_LEDGER = ("data", "metadata")


class Own(NamedTuple):
    """What the apply login of an instance depends on: policies, and the role and auth method that it logs in by."""

    policies: frozenset[Address]
    login: frozenset[Address] = frozenset()
    refusals: tuple[Refusal, ...] = ()

    def joined(self, other: Own) -> Own:
        return Own(self.policies | other.policies, self.login | other.login, self.refusals + other.refusals)


def self_lockout(world: World, wish: Wish, readings: Survey, changes: Sequence[Change[Any]]) -> Own:
    """Everything that the apply logins depend on, and why the plan may be refused for it."""
    kinds = {*VAULT_KINDS, METHOD}
    own = Own(frozenset())
    for instance in sorted({change.address.place.instance for change in changes if change.address.kind in kinds}):
        mine = [change for change in changes if change.address.place.instance == instance and change.action is not Action.ADOPT]
        own = own.joined(_of_instance(world, wish, readings, mine, instance))
    return own


def _of_instance(world: World, wish: Wish, readings: Survey, changes: Sequence[Change[Any]], instance: str) -> Own:
    role = wish.apply_roles.get(instance)
    before = specs_of(readings)
    after = following(before, changes)
    token = _token_policies(world, instance) if instance in wish.own_tokens else frozenset()
    had = token | frozenset(Holders(before).held(role) if role else ())
    if Address(POLICY, "root", Place(instance)) in had:
        return Own(frozenset())
    has = _afterwards(role, before, after, token)
    login = frozenset(_login(role, changes))
    own = Own(had | has, login)
    culprits = sorted(change.address for change in changes if change.address in own.policies | login)
    if not culprits:
        return own
    if any(change.address in login and change.deletes for change in changes):
        has = frozenset()
    old, new = _compiled(world, before, had), _compiled(world, after, has)
    lost = losses(old, new, _needs(world, wish, readings, instance))
    return own._replace(refusals=tuple(refusal(culprit, lost) for culprit in culprits if lost))


def _token_policies(world: World, instance: str) -> frozenset[Address]:
    """The policies of the token that this run has, where it is of the instance's own namespace."""
    client = world.clients.client("vault", Place(instance))
    try:
        shown = client.read("auth/token/lookup-self") or {}
    except BackendError:
        return frozenset()  # a token that may not look at itself; its role, if it is declared, is looked at all the same
    if str(shown.get("namespace_path", "")).strip("/") != client.own_namespace:
        names = [name for name in shown.get("policies") or () if name == "root"]  # the rest are of another namespace
    else:
        names = [*(shown.get("policies") or ()), *(shown.get("identity_policies") or ())]
    return frozenset(Address(POLICY, name, Place(instance)) for name in names)


def _afterwards(role: Address | None, before: Specs, after: Specs, token: frozenset[Address]) -> frozenset[Address]:
    """The policies of the next login; of a role that the plan does not touch or see, those of the token."""
    if role is None or (role not in before and role not in after):
        return token
    outside = token - frozenset(Holders(before).held(role))  # by groups, or given to a token made by hand
    return frozenset(Holders(after).held(role)) | outside


def _login(role: Address | None, changes: Iterable[Change[Any]]) -> Iterator[Address]:
    """The role, and the auth method that it is mounted below, as far as they change."""
    if role is None:
        return
    for change in changes:
        address = change.address
        method = address.kind == METHOD and address.place == role.place and role.name.startswith(f"{address.name}/")
        if method or address == role:
            yield address


def _compiled(world: World, specs: Specs, names: Collection[Address]) -> Policies:
    """The policies, with those that no document declares read from the server."""
    unseen = {name: _read(world, name) for name in names if name not in specs and name.name not in ("default", "root")}
    book = Book({**specs, **{name: spec for name, spec in unseen.items() if spec is not None}}, world.now())
    return tuple(book.policy(name) for name in sorted(names))


def _read(world: World, policy: Address) -> Any:
    try:
        body = world.clients.client("vault", policy.place).read(f"sys/policies/acl/{policy.name}")
    except BackendError:
        return None
    text = (body or {}).get("policy")
    return world.kinds[POLICY].spec.model_validate({"hcl": text}) if text else None


def _needs(world: World, wish: Wish, readings: Survey, instance: str) -> Iterator[str]:
    """The paths of everything that the commit declares on the instance, and of the ledger."""
    declared: dict[Place, list[Address]] = {}
    for address in wish.resources:
        if address.place.instance == instance:
            declared.setdefault(address.place, []).append(address)
    for place, addresses in declared.items():
        yield from needed(world.kinds, addresses, set(_mounts(readings, wish, place)))
    where, mount = wish.ledger
    if where == instance and mount:
        yield from (f"{mount}/{view}/{wish.project}/{wish.environment}/head" for view in _LEDGER)


def _mounts(readings: Survey, wish: Wish, place: Place) -> Iterator[str]:
    for kind in (METHOD, ENGINE):
        reading = readings.get((kind, place))
        yield from (*reading.live, *reading.seen) if reading is not None else ()
    yield from (address.name for address in wish.resources if address.place == place and address.kind in (METHOD, ENGINE))


def refusal(culprit: Address, lost: Sequence[Loss]) -> Refusal:
    """Why a change is refused, by the first few losses."""
    named = "; ".join(f"{', '.join(loss.capabilities)} on {loss.path}" for loss in lost[:_SHOWN])
    more = f" and on {len(lost) - _SHOWN} more paths" if len(lost) > _SHOWN else ""
    return Refusal(Guard.SELF_LOCKOUT, str(culprit), f"would take from the login that applies: {named}{more}")


def written_last(order: Graph, own: Collection[Address]) -> Graph:
    """The same order, with the login's own policies after everything that does not wait for them."""
    if not own & order.keys():
        return order
    made: dict[Address, set[Address]] = dict(order)
    for policy in sorted(own & order.keys()):
        made[policy] = made[policy] | (order.keys() - own - _waiting_for(order, own & order.keys()))
    return made


def _waiting_for(order: Mapping[Address, set[Address]], first: Collection[Address]) -> set[Address]:
    """What comes after any of these."""
    found: set[Address] = set()
    grown = True
    while grown:
        fresh = {address for address, before in order.items() if address not in found and before & (found | set(first))}
        grown = bool(fresh)
        found |= fresh
    return found
