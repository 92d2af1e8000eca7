"""`vault.kv_secret`: how a KV v2 secret is kept: its metadata, never its data. Names are MOUNT/PATH, and paths hold slashes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from reconciler.backends.vault.client import UNSUPPORTED, VaultClient
from reconciler.core.change import Change
from reconciler.core.errors import Conflict, Denied
from reconciler.core.kind import Gap, Kind, Live, Names, Reading, Ref
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import Seconds, StringMap

from .listed import Body, body_of, longest_mount

RUNTIME_KEYS = "reconciler_"
"""Custom metadata that the reconciler writes as it works (rotation): not part of what is declared."""
_ATTEMPTS = 3  # a rotation may write the same metadata at the same moment, hardly twice in a row


class KvSecret(Spec):
    """The settings of one secret. 0 is the mount's default. Its data is made and changed elsewhere."""

    max_versions: Annotated[int, Field(ge=0)] = 0
    delete_version_after: Seconds = 0
    cas_required: bool = False
    metadata_cas_required: bool = False  # OpenBao only
    custom_metadata: StringMap = {}


def _path(mount: str, name: str) -> str:
    return f"{mount}/metadata/{name.removeprefix(f'{mount}/')}"


def _read(client: VaultClient, names: Names) -> Reading[KvSecret]:
    mounts = client.mounts()
    kv2 = {path for path, mount in (mounts or {}).items() if _is_v2(mount)}
    wanted: dict[str, set[str]] = defaultdict(set)
    for name in names.wanted:
        # Where nobody says where the mount ends, it most likely lies at the top.
        mount = longest_mount(name, kv2) if mounts is not None else longest_mount(name, names.mounts) or name.partition("/")[0]
        if mount:
            wanted[mount].add(name)
    gaps: list[Gap] = []
    if names.everything:
        wanted.update({mount: set() for mount in kv2 if mount not in wanted})
        gaps += [Gap("", "sys/mounts", "read")] if mounts is None else []
    live: dict[str, Live[KvSecret]] = {}
    seen: set[str] = set()
    for mount, mine in sorted(wanted.items()):
        part = _read_mount(client, mount, mine, everything=names.everything)
        live.update(part.live)
        gaps += part.gaps
        seen |= part.seen
    return Reading(live, tuple(gaps), frozenset(seen))


def _is_v2(mount: Mapping[str, object]) -> bool:
    options = mount.get("options")
    return mount.get("type") == "kv" and isinstance(options, Mapping) and options.get("version") == "2"


def _read_mount(client: VaultClient, mount: str, wanted: set[str], *, everything: bool) -> Reading[KvSecret]:
    """One SCAN shows all of a mount; without it (Vault, or a login that may not) secrets are read one by one."""
    try:
        listing = client.scan(f"{mount}/detailed-metadata")
    except Denied:
        listing = UNSUPPORTED
    if listing is None:
        return Reading({})
    if listing is not UNSUPPORTED:
        found = {f"{mount}/{key}": body for key, body in listing.key_info.items() if body}
        live = {name: _live(body) for name, body in found.items() if everything or name in wanted}
        return Reading(live, (), frozenset(found) - live.keys())
    gaps: list[Gap] = []
    listed = set(_names_below(client, mount, wanted, gaps, everything=everything))
    return _read_each(client, mount, listed | wanted if everything else wanted, listed, gaps)


def _names_below(client: VaultClient, mount: str, wanted: set[str], gaps: list[Gap], *, everything: bool) -> Iterator[str]:
    """Names in the folders of the wanted names, or in all folders. A mount may hold more folders than a plan can wait for."""
    folders = {name.rpartition("/")[0] for name in wanted} | ({mount} if everything else set())
    done: set[str] = set()
    while folders:
        folder = folders.pop()
        done.add(folder)
        try:
            listing = client.list(_path(mount, f"{folder}/").rstrip("/"))
        except Denied as denied:
            gaps += [Gap(f"{folder}/", denied.path, denied.capability)] if everything else []
            continue
        for key in listing.keys if listing is not None else ():
            if not key.endswith("/"):
                yield f"{folder}/{key}"
            elif everything:
                folders |= {f"{folder}/{key[:-1]}"} - done


def _read_each(client: VaultClient, mount: str, names: Iterable[str], listed: set[str], gaps: list[Gap]) -> Reading[KvSecret]:
    paths = {_path(mount, name): name for name in names}
    live: dict[str, Live[KvSecret]] = {}
    for path, body in client.read_many(list(paths)):
        if isinstance(body, Denied):
            gaps.append(Gap(paths[path], path, "read"))
        elif body is not None:
            live[paths[path]] = _live(body)
    return Reading(live, tuple(gaps), frozenset(listed) - live.keys())


def _live(body: Body) -> Live[KvSecret]:
    return Live(KvSecret.from_live(body), str(body.get("current_metadata_version", "")))


def _align(desired: KvSecret, live: KvSecret) -> KvSecret:
    """Keys that the reconciler itself writes count only where somebody declares them."""
    kept = {key: value for key, value in live.custom_metadata.items() if not _runtime(key) or key in desired.custom_metadata}
    return live if len(kept) == len(live.custom_metadata) else live.model_copy(update={"custom_metadata": kept})


def _runtime(key: str) -> bool:
    return key.startswith(RUNTIME_KEYS)


def _spell(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    mine = {key: value for key, value in fields.get("custom_metadata", {}).items() if not _runtime(key)}
    rest = {name: value for name, value in fields.items() if name != "custom_metadata"}
    return {**rest, "custom_metadata": mine} if mine else rest


def _write(client: VaultClient, change: Change[KvSecret], reveal: Reveal) -> None:
    name = change.address.name
    mount = longest_mount(name, client.mounts() or ()) or name.partition("/")[0]
    path = _path(mount, name)
    if change.after is None:
        client.delete(path)
    else:
        _write_metadata(client, path, change.after, reveal)


def _write_metadata(client: VaultClient, path: str, after: KvSecret, reveal: Reveal) -> None:
    """Write the whole metadata but for the runtime keys, which a rotation may be writing at this moment."""
    for attempt in range(1, _ATTEMPTS + 1):
        now = client.read(path) or {}
        theirs = {key: value for key, value in (now.get("custom_metadata") or {}).items() if _runtime(key)}
        body = body_of(after, reveal) | {"custom_metadata": theirs | after.custom_metadata}
        if client.dialect == "openbao":
            body["metadata_cas"] = now.get("current_metadata_version", 0)
        try:
            client.write(path, body)
        except Conflict:
            if attempt == _ATTEMPTS:
                raise
        else:
            return


def _refs(name: str, _spec: KvSecret) -> Iterator[Ref]:
    yield Ref("name", "vault.secrets_engine", name, within=True)


def _loses(_name: str, _spec: KvSecret) -> str:
    return "every version of the secret"


KV_SECRET = Kind(
    name="vault.kv_secret",
    paths=("{mount}/metadata/*",),
    looks=("{mount}/detailed-metadata/*",),
    backend="vault",
    spec=KvSecret,
    read=_read,
    write=_write,
    refs=_refs,
    align=_align,
    spell=_spell,
    loses=_loses,
)
