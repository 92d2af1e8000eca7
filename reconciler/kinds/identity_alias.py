"""`vault.identity_entity_alias`, `vault.identity_group_alias`: who a login is. Names are MOUNT/NAME, MOUNT an auth method."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from pydantic import Field

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Change
from reconciler.core.errors import Conflict, Denied, Missing
from reconciler.core.kind import Gap, Kind, Live, Names, Reading, Ref
from reconciler.core.resource import S, Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import StringMap

from .identity_names import LOGIN_MADE, Sort, ids_by_name, names_by_id
from .listed import body_of, longest_mount


class EntityAlias(Spec):
    """The entity that a login of this name at this auth method is."""

    entity: str = Field(min_length=1)
    custom_metadata: StringMap = {}


class GroupAlias(Spec):
    """The external group that members of this outside group are in. A group has one alias."""

    group: str = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class _Aliases(Generic[S]):
    """How aliases of one sort are read and written. One LIST shows them all."""

    sort: Sort
    spec: type[S]
    owner: Callable[[S], str]

    def read(self, client: VaultClient, names: Names) -> Reading[S]:
        path = f"identity/{self.sort}-alias/id"
        try:
            listing = client.list(path)
            owners = names_by_id(client, self.sort) if listing is not None else {}
        except Denied as denied:
            return Reading({}, (Gap("", denied.path or path, denied.capability),))
        live: dict[str, Live[S]] = {}
        seen: set[str] = set()
        for key, shown in listing.key_info.items() if listing is not None else ():
            if "mount_path" not in shown:
                continue  # its auth method was disabled: nobody can log in by it, and it has no name
            name = f"{str(shown['mount_path']).removeprefix('auth/').rstrip('/')}/{shown['name']}"
            owner = owners.get(str(shown["canonical_id"]), str(shown["canonical_id"]))
            if name in names.wanted or (names.everything and not _login_made(owner)):
                live[name] = Live(self.spec.from_live({**shown, self.sort: owner}), attributes={"id": key})
            elif not _login_made(owner):
                seen.add(name)
        return Reading(live, (), frozenset(seen))

    def write(self, client: VaultClient, change: Change[S], reveal: Reveal) -> None:
        mount, alias, accessor = _login(client, change.address.name)
        found = self._find(client, alias, accessor)
        path = f"identity/{self.sort}-alias"
        if change.after is None:
            if found is not None:
                client.delete(f"{path}/id/{found['id']}")
            return
        (owner,) = ids_by_name(client, self.sort, [self.owner(change.after)])
        if found is not None and change.before is None and found["canonical_id"] != owner:
            # The server would move it in silence, and the other owner would lose its login.
            raise Conflict(f"{alias!r} at {mount} belongs to another {self.sort} since the plan was made", path=path)
        body = body_of(change.after, reveal)
        del body[self.sort]
        body |= {"name": alias, "mount_accessor": accessor, "canonical_id": owner}
        client.write(f"{path}/id/{found['id']}" if found is not None else path, body)

    def _find(self, client: VaultClient, alias: str, accessor: str) -> Mapping[str, Any] | None:
        """The alias as its owner shows it."""
        shown = client.ask(f"identity/lookup/{self.sort}", {"alias_name": alias, "alias_mount_accessor": accessor})
        mine = shown.get("aliases") or [shown.get("alias") or {}]
        return next((one for one in mine if one.get("mount_accessor") == accessor and one.get("id")), None)

    def refs(self, name: str, spec: S) -> Iterator[Ref]:
        yield Ref("name", "vault.auth_method", name, within=True)
        yield Ref(self.sort, f"vault.identity_{self.sort}", self.owner(spec))


def _login_made(owner: str) -> bool:
    return any(fnmatch.fnmatchcase(owner, glob) for glob in LOGIN_MADE)


def _login(client: VaultClient, name: str) -> tuple[str, str, str]:
    """(mount, alias, the mount's accessor) of MOUNT/NAME, where both may hold slashes."""
    mounts = client.auth_mounts()
    if mounts is None:
        raise Denied("the auth methods may not be listed", path="sys/auth", capability="read")
    mount = longest_mount(name, mounts)
    if not mount:
        raise Missing(f"no auth method is mounted where {name!r} starts", path="sys/auth")
    return mount, name.removeprefix(f"{mount}/"), str(mounts[mount]["accessor"])


def _entity_of(spec: EntityAlias) -> str:
    return spec.entity


def _group_of(spec: GroupAlias) -> str:
    return spec.group


_ENTITY_ALIASES = _Aliases("entity", EntityAlias, _entity_of)
_GROUP_ALIASES = _Aliases("group", GroupAlias, _group_of)

IDENTITY_ENTITY_ALIAS = Kind(
    name="vault.identity_entity_alias",
    paths=("identity/entity-alias", "identity/entity-alias/*", "identity/lookup/entity"),
    looks=("identity/entity/*",),
    backend="vault",
    spec=EntityAlias,
    read=_ENTITY_ALIASES.read,
    write=_ENTITY_ALIASES.write,
    refs=_ENTITY_ALIASES.refs,
)
IDENTITY_GROUP_ALIAS = Kind(
    name="vault.identity_group_alias",
    paths=("identity/group-alias", "identity/group-alias/*", "identity/lookup/group"),
    looks=("identity/group/*",),
    backend="vault",
    spec=GroupAlias,
    read=_GROUP_ALIASES.read,
    write=_GROUP_ALIASES.write,
    refs=_GROUP_ALIASES.refs,
)
