"""Names of entities and groups for the server's ids, and ids for names: specs hold names alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from reconciler.backends.vault.client import VaultClient
from reconciler.core.errors import Denied, Missing
from reconciler.core.kind import Gap, Reading, Ref
from reconciler.core.resource import S

Sort = Literal["entity", "group"]

# Members from other namespaces are not listed in this one: they stay the ids they are.
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(\.\w+)?")
EVERYBODY = "*"
_MADE = "entity_" + "[0-9a-f]" * 8
LOGIN_MADE = (_MADE, f"{_MADE}.*")
"""What the servers call an entity that they made for a login: Vault, and OpenBao with the namespace's id."""


def names_by_id(client: VaultClient, sort: Sort) -> Mapping[str, str]:
    """Every entity's or group's name by id, in one request. Raises Denied."""
    listing = client.list(f"identity/{sort}/id")
    return {key: str(shown.get("name", key)) for key, shown in listing.key_info.items()} if listing is not None else {}


def ids_by_name(client: VaultClient, sort: Sort, names: Iterable[str]) -> list[str]:
    """The ids of named entities or groups. Raises Missing for one that is not there, Denied."""
    paths = {f"identity/{sort}/name/{name}": name for name in names if not _ID.fullmatch(name) and name != EVERYBODY}
    ids = [name for name in names if f"identity/{sort}/name/{name}" not in paths]
    for path, body in client.read_many(list(paths)):
        if isinstance(body, Denied):
            raise body
        if body is None:
            raise Missing(f"there is no {sort} named {paths[path]!r}", path=path)
        ids.append(str(body["id"]))
    return sorted(ids)


def with_names(client: VaultClient, reading: Reading[S], fields: Mapping[str, Sort]) -> Reading[S]:
    """Put names in place of the ids in those fields, sorted. An object whose members cannot be named becomes a gap.

    An id that is not listed belongs to another namespace and stays itself.
    """
    live, gaps = dict(reading.live), list(reading.gaps)
    for field, sort in fields.items():
        holders = [name for name, found in live.items() if set(getattr(found.spec, field)) - {EVERYBODY}]
        try:
            known = names_by_id(client, sort) if holders else {}
        except Denied as denied:
            gaps += [Gap(name, denied.path, denied.capability) for name in holders]
            live = {name: found for name, found in live.items() if name not in holders}
            continue
        for name in holders:
            found = live[name]
            members = tuple(sorted(known.get(key, key) for key in getattr(found.spec, field)))
            live[name] = found._replace(spec=found.spec.model_copy(update={field: members}))
    return Reading(live, tuple(gaps), reading.seen)


def member_refs(field: str, kind: str, names: Iterable[str]) -> Iterator[Ref]:
    """References to named members; ids and `*` are no names."""
    for name in names:
        if name != EVERYBODY and not _ID.fullmatch(name):
            yield Ref(field, kind, name)
