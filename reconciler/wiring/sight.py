"""Which managed objects somebody may be shown: those that their own Vault token may read, each where it is on the API.

What has no place there (what AWS has, what is declared of the server itself, what another instance holds, whose tokens are
others) is known from the ledger alone: whoever may read the ledger's state may see it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from reconciler.core.address import Address, Place, parse_address
from reconciler.edge.scope import Principal
from reconciler.kinds import KINDS

from .people import People

Shown = Callable[[Principal, Collection[str]], frozenset[str]]
"""Which of some addresses somebody may be shown. Raises BackendError where Vault does not answer."""
Mounts = Callable[[str, Place], Collection[str]]
"""(kind, place) -> the mounts of that kind that are managed there."""

SECRET, ENGINE, METHOD = "secret", "vault.secrets_engine", "vault.auth_method"
STATE = "state/objects"  # stands for every chunk of the ledger's state
_READ_AT = {  # for kinds whose paths name more than where an object is read
    "vault.namespace": "sys/namespaces/*",
    "vault.audit_device": "sys/audit",
    "vault.engine_config": "{mount}/config/*",
    "vault.identity_entity": "identity/entity/name/*",
    "vault.identity_group": "identity/group/name/*",
    # Their ids are the server's: whoever may read any may read these.
    "vault.identity_entity_alias": "identity/entity-alias/id/*",
    "vault.identity_group_alias": "identity/group-alias/id/*",
}


class Store(NamedTuple):
    """The store that is in a Vault; empty where there is none."""

    instance: str = ""
    mount: str = ""


def shown_by(people: People, mounts: Mounts, store: Callable[[], Store]) -> Shown:
    """What asks Vault, with everybody's own token, all addresses at once."""

    def shown(principal: Principal, addresses: Collection[str]) -> frozenset[str]:
        if not people.may_see(principal):
            return frozenset()
        if principal.kind != "vault":
            return frozenset(addresses)
        home, kept, state = people.instance()[0], store(), (people.ledger_path(STATE),)
        places = {text: _places(text, home, mounts, kept) or state for text in addresses}
        readable = people.readable(principal.token, [path for paths in places.values() for path in paths])
        return frozenset(text for text, paths in places.items() if readable.intersection(paths))

    return shown


def _places(text: str, home: str, mounts: Mounts, store: Store) -> tuple[str, ...]:
    try:
        return places_of(parse_address(text), home, mounts, store)
    except ValueError:
        return ()  # an ARN: of AWS


def places_of(address: Address, home: str, mounts: Mounts, store: Store) -> tuple[str, ...]:
    """The paths of which one has to be readable, in the instance `home`; none for what has no place there."""
    kind = KINDS.get(address.kind)
    if address.kind == SECRET and store.instance == home:
        return tuple(f"{store.mount}/{api}/{address.name}" for api in ("metadata", "data"))
    if kind is None or kind.backend != "vault" or address.place.instance != home:
        return ()
    start = f"{address.place.namespace}/" if address.place.namespace else ""
    template, mount, rest = _READ_AT.get(kind.name, kind.paths[0]), "", address.name
    if "{mount}" in template:
        known = mounts(METHOD if template.startswith("auth/") else ENGINE, address.place)
        mount, rest = _split(address.name, known)
    if kind.name == "vault.engine_config":
        rest = rest.removeprefix("config").removeprefix("/")  # some write the path on the API
    if kind.name == "vault.kv_secret":
        return tuple(f"{start}{mount}/{api}/{rest}" for api in ("metadata", "data"))
    path = template.rstrip("*+").replace("{mount}", mount) if mount else template.rstrip("*+").replace("{name}", address.name)
    return (start + (path + rest if template.endswith(("*", "+")) else path).rstrip("/"),)


def _split(name: str, mounts: Collection[str]) -> tuple[str, str]:
    """(mount, the rest). Of a mount that is not managed, the first part is taken for all of it."""
    known = max((mount for mount in mounts if name == mount or name.startswith(f"{mount}/")), key=len, default="")
    mount = known or name.partition("/")[0]
    return mount, name[len(mount) + 1 :]
