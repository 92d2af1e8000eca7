"""Names of entities and groups for the server's ids, and ids for names: specs hold names alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from reconciler.backends.vault.client import VaultClient
from reconciler.core.errors import Denied, Missing
from reconciler.core.kind import Ref

Sort = Literal["entity", "group"]

# Members from other namespaces are not listed in this one: they stay the ids they are.
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.\w+)?")
LOGIN_MADE = "entity_" + "[0-9a-f]" * 8 + "*"
"""What the server calls an entity that it made for a login."""


def names_by_id(client: VaultClient, sort: Sort) -> Mapping[str, str]:
    """Every entity's or group's name by id, in one request. Raises Denied."""
    listing = client.list(f"identity/{sort}/id")
    return {key: str(shown.get("name", key)) for key, shown in listing.key_info.items()} if listing is not None else {}


def ids_by_name(client: VaultClient, sort: Sort, names: Iterable[str]) -> list[str]:
    """The ids of named entities or groups. Raises Missing for one that is not there, Denied."""
    paths = {f"identity/{sort}/name/{name}": name for name in names if not _ID.fullmatch(name) and name != "*"}
    ids = [name for name in names if f"identity/{sort}/name/{name}" not in paths]
    for path, body in client.read_many(list(paths)):
        if isinstance(body, Denied):
            raise body
        if body is None:
            raise Missing(f"there is no {sort} named {paths[path]!r}", path=path)
        ids.append(str(body["id"]))
    return sorted(ids)


def named(ids: Iterable[str], names: Mapping[str, str]) -> tuple[str, ...]:
    """Names for ids, sorted; an id that is not known stays itself."""
    return tuple(sorted(names.get(key, key) for key in ids))


def member_refs(field: str, kind: str, names: Iterable[str]) -> Iterator[Ref]:
    """References to named members; ids and `*` are no names."""
    for name in names:
        if name != "*" and not _ID.fullmatch(name):
            yield Ref(field, kind, name)
