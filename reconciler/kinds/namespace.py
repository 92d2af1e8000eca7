"""`vault.namespace`: a namespace below its place; its name may be a path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Action, Change
from reconciler.core.errors import Denied
from reconciler.core.kind import Gap, Kind, Live, Names, Reading, Ref
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import StringMap

from .waiting import until

# Namespaces that every namespace would hide: their names begin API paths.
_RESERVED = frozenset({"root", "sys", "audit", "auth", "cubbyhole", "identity"})


class NamespaceSpec(Spec):
    """A namespace has nothing but its metadata."""

    custom_metadata: StringMap = {}


def _split(name: str) -> tuple[str, str]:
    parent, _, leaf = name.rpartition("/")
    return parent, leaf


def _within(client: VaultClient, parent: str) -> VaultClient:
    return client.at(f"{client.namespace}/{parent}") if parent else client


def _read(client: VaultClient, names: Names) -> Reading[NamespaceSpec]:
    """One request for each parent: the list brings the bodies along."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for name in names.wanted:
        wanted[_split(name)[0]].add(name)
    if names.everything:
        wanted[""] |= set()
    live: dict[str, Live[NamespaceSpec]] = {}
    gaps: list[Gap] = []
    seen: set[str] = set()
    for parent in sorted(wanted):
        prefix = f"{parent}/" if parent else ""
        try:
            listing = _within(client, parent).list("sys/namespaces")
        except Denied as denied:
            gaps += _one_by_one(client, sorted(wanted[parent]), live)
            if names.everything and not parent:
                gaps.append(Gap("", denied.path, denied.capability))
            continue
        for key, body in (listing.key_info if listing else {}).items():
            name = prefix + key.rstrip("/")
            if names.everything or name in names.wanted:
                live[name] = Live(NamespaceSpec.from_live(body), "", {"id": str(body.get("id", ""))})
            else:
                seen.add(name)
    return Reading(live, tuple(gaps), frozenset(seen))


def _one_by_one(client: VaultClient, names: list[str], live: dict[str, Live[NamespaceSpec]]) -> Iterator[Gap]:
    for name in names:
        parent, leaf = _split(name)
        try:
            body = _within(client, parent).read(f"sys/namespaces/{leaf}")
        except Denied as denied:
            yield Gap(name, f"{parent}/{denied.path}".lstrip("/"), denied.capability)
            continue
        if body is not None:
            live[name] = Live(NamespaceSpec.from_live(body), "", {"id": str(body.get("id", ""))})


def _write(client: VaultClient, change: Change[NamespaceSpec], _reveal: Reveal) -> None:
    parent, leaf = _split(change.address.name)
    inside, path = _within(client, parent), f"sys/namespaces/{leaf}"
    if change.after is None or change.action is Action.REPLACE:
        inside.delete(path)
        # The server answers at once and takes the namespace apart afterwards; until then its name is taken.
        until(lambda: inside.read(path) is None, f"namespace {change.address.name} shall be gone")
        client.forget_mounts()
    if change.after is None:
        return
    if change.before is not None and client.dialect == "vault":
        # Vault refuses a POST for a namespace that is there; a null takes a key away.
        gone = dict.fromkeys(change.before.custom_metadata.keys() - change.after.custom_metadata.keys())
        inside.write(path, {"custom_metadata": {**gone, **change.after.custom_metadata}}, method="PATCH")
    else:
        inside.write(path, {"custom_metadata": change.after.custom_metadata})
    client.forget_mounts()


def _refs(name: str, _spec: NamespaceSpec) -> Iterator[Ref]:
    parent, _ = _split(name)
    if parent:
        yield Ref("name", "vault.namespace", parent)


def _check(name: str, _spec: NamespaceSpec) -> Iterator[str]:
    for part in name.split("/"):
        if part in _RESERVED:
            yield f"a namespace cannot be called {part!r} (API paths begin so)"
        if not part or any(character.isspace() for character in part):
            yield f"{name!r} is not a namespace path (no blanks, no empty parts)"


def _loses(name: str, _spec: NamespaceSpec) -> str:
    return f"the namespace {name}/ with every secret and object in it"


NAMESPACE = Kind(
    name="vault.namespace",
    paths=("sys/namespaces", "sys/namespaces/*"),
    backend="vault",
    spec=NamespaceSpec,
    read=_read,
    write=_write,
    refs=_refs,
    check=_check,
    fold=lambda name: name.strip("/"),
    loses=_loses,
)
