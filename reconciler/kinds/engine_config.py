"""`vault.engine_config`: the settings of a secrets engine. Named MOUNT for KV v2, else MOUNT/PART: `pki/urls`, `ssh/ca`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Change
from reconciler.core.errors import BackendError, Denied
from reconciler.core.kind import Gap, Kind, Live, Names, Reading, Ref
from reconciler.core.secret import Reveal

from .engine_parts import PARTS, EngineConfigSpec
from .mount_config import body_for, longest, misfits, read_configs, says_nothing


def _split(name: str, mounts: frozenset[str]) -> tuple[str, str]:
    """(mount, part). Where no mount is known, a last segment that names a part is taken for one."""
    mount = longest(name, mounts)
    if mount:
        return mount, _part(name[len(mount) + 1 :])
    before, _, last = name.rpartition("/")
    place = (before, last) if before and last in PARTS else (name, "")
    return place[0].removesuffix("/config"), place[1]


def _part(path: str) -> str:
    """Some write the path on the API, `pki/config/urls`, where the mount and the part alone say it."""
    return path if path in PARTS else path.removeprefix("config").removeprefix("/")


def _fits(mounts: Mapping[str, Mapping[str, Any]] | None, mount: str, part: str) -> bool:
    """Whether the mount, where it is known, has such a part: elsewhere the path may be a secret or a connection of that name."""
    if part not in PARTS:
        return False
    body = (mounts or {}).get(mount)
    if body is None:
        return mounts is None
    versioned = part or (body.get("options") or {}).get("version") == "2"
    return body.get("type") == PARTS[part].engine and bool(versioned)


def _path(mount: str, part: str) -> str:
    return f"{mount}/config/{part}" if part else f"{mount}/config"


def _read(client: VaultClient, names: Names) -> Reading[EngineConfigSpec]:
    mounts = client.mounts()
    known = frozenset(mounts or ()) | frozenset(names.mounts)
    places = {name: _split(name, known) for name in names.wanted}
    gaps: list[Gap] = []
    if names.everything and mounts is None:
        gaps.append(Gap("", "sys/mounts", "read"))
    elif names.everything:
        places |= {
            f"{mount}/{part}".rstrip("/"): (mount, part)
            for mount, body in (mounts or {}).items()
            for part, (engine, _) in PARTS.items()
            if body.get("type") == engine
        }
    places = {name: place for name, place in places.items() if _fits(mounts, *place)}
    live, more = read_configs(client, {_path(*place): name for name, place in places.items() if place[1] != "ca"}, EngineConfigSpec)
    gaps += more
    for name, (mount, part) in places.items():
        if part == "ca":
            gaps += _read_ca(client, name, mount, live)
    return Reading(live, tuple(sorted(gaps)))


def _read_ca(client: VaultClient, name: str, mount: str, live: dict[str, Live[EngineConfigSpec]]) -> Iterator[Gap]:
    try:
        body = client.read(_path(mount, "ca"))
    except Denied as denied:
        yield Gap(name, denied.path, denied.capability)
        return
    except BackendError as error:
        # The server's answer where no key was made yet.
        if error.status != 400:
            raise
        return
    if body is not None:
        spec = EngineConfigSpec.from_live(body)
        live[name] = Live(spec, "", {"public_key": spec.public_key or ""})


def _write(client: VaultClient, change: Change[EngineConfigSpec], reveal: Reveal) -> None:
    mounts = client.mounts()
    mount, part = _split(change.address.name, frozenset(mounts or ()))
    path, after = _path(mount, part), change.after
    if not _fits(mounts, mount, part):
        what = f"a {PARTS[part].engine} mount{'' if part else ' of version 2'}" if part in PARTS else "a known part of its engine"
        raise BackendError(f"{change.address.name} is not {what}, so it has no such configuration", path=path)
    if part == "ca":
        if change.before is not None or after is None:
            client.delete(path)  # a second POST would add a key beside the first
        if after is not None:
            client.write(path, _ca_body(after, reveal))
        return
    if part == "cluster" and (kept := _kept_addresses(change.before, after)):
        remedy = "declare them, or another in their place; only a new mount has none"
        raise BackendError(
            f"{change.address.name}: the server takes no empty {' and '.join(kept)} once there was one ({remedy})", path=path
        )
    client.write(path, body_for(PARTS[part].sort, after or EngineConfigSpec(), reveal))


def _kept_addresses(before: EngineConfigSpec | None, after: EngineConfigSpec | None) -> list[str]:
    return [name for name in ("path", "aia_path") if getattr(before, name, "") and not getattr(after, name, "")]


def _ca_body(spec: EngineConfigSpec, reveal: Reveal) -> dict[str, object]:
    if spec.private_key is None:
        return {"generate_signing_key": True, "key_type": spec.key_type, "key_bits": spec.key_bits}
    return {"generate_signing_key": False, "private_key": reveal(spec.private_key), "public_key": spec.public_key}


def _refs(name: str, _spec: EngineConfigSpec) -> Iterator[Ref]:
    yield Ref("name", "vault.secrets_engine", name, within=True)


def _check(name: str, spec: EngineConfigSpec) -> Iterator[str]:
    last = name.rpartition("/")[2]
    # Without the mounts at hand a name may be read in two ways: "x/keys" is a part of x, or the KV mount x/keys itself.
    readings = {part or "a KV mount": PARTS[part].sort for part in (last, "") if part in PARTS}
    yield from misfits(spec, readings)
    if last == "ca" and (spec.private_key is None) != (spec.public_key is None):
        yield "private_key and public_key are given together, or neither (then the server makes them)"
    elif not spec.generate_signing_key and spec.private_key is None:
        yield "generate_signing_key: false needs a private_key and its public_key"
    elif last != "ca" and says_nothing(spec):
        yield "sets nothing: every field has the server's default (set one, or remove the document)"


def _stays(name: str, _spec: EngineConfigSpec) -> str:
    return "the server takes no empty addresses for a PKI cluster" if name.endswith("/cluster") else ""


def _loses(name: str, _spec: EngineConfigSpec) -> str:
    return f"the CA key {name}: nothing trusts certificates of a new one" if name.endswith("/ca") else ""


ENGINE_CONFIG = Kind(
    name="vault.engine_config",
    paths=("{mount}/config", "{mount}/config/*"),
    backend="vault",
    spec=EngineConfigSpec,
    read=_read,
    write=_write,
    refs=_refs,
    check=_check,
    fold=lambda name: name.strip("/"),
    immutable=frozenset({"public_key", "generate_signing_key", "key_type", "key_bits"}),
    runtime=frozenset({"public_key"}),
    kept=frozenset({"generate_signing_key", "key_type", "key_bits"}),
    loses=_loses,
    stays=_stays,
)
