"""`vault.identity_entity`, `vault.identity_group`. Members are named; the server's ids are looked up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Change
from reconciler.core.kind import Kind, Live, Names, Reading, Ref
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import FoldedSet, StringMap, StringSet

from .identity_names import LOGIN_MADE, ids_by_name, member_refs, with_names
from .listed import Body, Folder, body_of


class Entity(Spec):
    """A person or machine, whatever it logs in with. The server lower-cases policies."""

    policies: FoldedSet = ()
    metadata: StringMap = {}
    disabled: bool = False


class Group(Spec):
    """Entities and groups with policies in common. An external group's members come from its alias."""

    type: Literal["internal", "external"] = "internal"
    policies: FoldedSet = ()
    metadata: StringMap = {}
    member_entities: StringSet = ()
    member_groups: StringSet = ()

    live_names = {"member_entities": "member_entity_ids", "member_groups": "member_group_ids"}


def _parse_entity(body: Body) -> Live[Entity]:
    return Live(Entity.from_live(body), attributes={"id": str(body.get("id", ""))})


def _parse_group(body: Body) -> Live[Group]:
    # Logins put members into external groups: those are not ours to declare.
    mine = body if body.get("type") != "external" else {**body, "member_entity_ids": None, "member_group_ids": None}
    return Live(Group.from_live(mine), attributes={"id": str(body.get("id", ""))})


ENTITIES = Folder("identity/entity/name", _parse_entity, caseless=True)
GROUPS = Folder("identity/group/name", _parse_group, caseless=True)


def _read_groups(client: VaultClient, names: Names) -> Reading[Group]:
    return with_names(client, GROUPS.read(client, names), {"member_entities": "entity", "member_groups": "group"})


def _write_group(client: VaultClient, change: Change[Group], reveal: Reveal) -> None:
    path = GROUPS.at(change.address.name)
    above = _parents(client, path) if change.after is not None and change.deletes else ()
    if change.after is None or change.deletes:
        client.delete(path)
    if change.after is None:
        return
    body = body_of(change.after, reveal)
    entities, groups = body.pop("member_entities"), body.pop("member_groups")
    if change.after.type == "internal":
        body["member_entity_ids"] = ids_by_name(client, "entity", entities)
        body["member_group_ids"] = ids_by_name(client, "group", groups)
    client.write(path, body)
    for parent in above:
        _put_into(client, parent, path)


def _parents(client: VaultClient, path: str) -> tuple[str, ...]:
    """The groups that hold this one by its id, which a replace changes."""
    return tuple((client.read(path) or {}).get("parent_group_ids") or ())


def _put_into(client: VaultClient, parent: str, path: str) -> None:
    at = f"identity/group/id/{parent}"
    made, holder = client.read(path) or {}, client.read(at)
    if holder is not None:
        client.write(at, {"member_group_ids": sorted({*(holder.get("member_group_ids") or ()), str(made["id"])})})


def _policy_refs(_name: str, spec: Entity | Group) -> Iterator[Ref]:
    for policy in spec.policies:
        yield Ref("policies", "vault.policy", policy, soft=True)


def _group_refs(name: str, spec: Group) -> Iterator[Ref]:
    yield from _policy_refs(name, spec)
    yield from member_refs("member_entities", "vault.identity_entity", spec.member_entities)
    yield from member_refs("member_groups", "vault.identity_group", spec.member_groups)


def _group_problems(_name: str, spec: Group) -> Iterator[str]:
    if spec.type == "external" and (spec.member_entities or spec.member_groups):
        yield "an external group takes its members from logins: declare no member_entities or member_groups"


IDENTITY_ENTITY = Kind(
    name="vault.identity_entity",
    paths=("identity/entity/*",),
    backend="vault",
    spec=Entity,
    read=ENTITIES.read,
    write=ENTITIES.write,
    refs=_policy_refs,
    builtin=LOGIN_MADE,
)
IDENTITY_GROUP = Kind(
    name="vault.identity_group",
    paths=("identity/group/*",),
    looks=("identity/entity/*",),
    backend="vault",
    spec=Group,
    read=_read_groups,
    write=_write_group,
    refs=_group_refs,
    check=_group_problems,
    immutable=frozenset({"type"}),
)
