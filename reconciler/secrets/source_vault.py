"""Values in KV v2, as sources of write-only fields: `vault:MOUNT/data/PATH#KEY`."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

from ..backends.vault.client import VaultClient
from ..core.errors import Conflict, Denied, Missing
from .value import ABSENT, ATTEMPTS, UNKNOWN, Value, text_of


def vault_marks(client: VaultClient, locations: Iterable[str]) -> dict[str, str]:
    """The newest version of each path, by one read of metadata each, in parallel; no value is read."""
    paths = {_metadata(location): location for location in locations}
    return {paths[path]: _mark(found) for path, found in client.read_many(tuple(paths))}


def vault_value(client: VaultClient, location: str, key: str) -> Value:
    """Read one key of the newest version. Raises Missing."""
    held, version = _held(client, location)
    if key not in held:
        raise _nothing(location, key)
    return Value(text_of(held[key], f"vault:{location}#{key}"), version)


def vault_made(client: VaultClient, location: str, key: str, fresh: str) -> tuple[Value, str | None]:
    """Return the value, and keep `fresh` as that if there is none yet; other keys stay as they are.

    The second is the version that this write followed, None if nothing was written.
    """
    for _ in range(ATTEMPTS):
        held, version = _held(client, location)
        if key in held:
            return vault_value(client, location, key), None
        follows = int(version) if version else _deleted_version(client, location)
        if follows is None:
            continue
        try:
            written = client.write(location, {"options": {"cas": follows}, "data": {**held, key: fresh}})
        except Conflict:
            continue  # somebody else wrote the path, perhaps this very value: theirs counts
        return Value(fresh, str(written["version"])), str(follows)
    raise Conflict(f"vault:{location} is written by others all the time; the value for {key!r} could not be made", path=location)


def _held(client: VaultClient, location: str) -> tuple[Mapping[str, Any], str]:
    """The keys of the newest version, and its number; empty where there is none."""
    found = client.read(location)
    if found is None:
        return {}, ""
    held, about = found.get("data"), found.get("metadata")
    if not isinstance(held, dict) or not isinstance(about, dict):
        raise Missing(f"vault:{location} is not a secret of a KV v2 mount (write vault:MOUNT/data/PATH#KEY)", path=location)
    return held, str(about.get("version", ""))


def _deleted_version(client: VaultClient, location: str) -> int | None:
    """What check-and-set expects of a path that had nothing to read: 0 if there never was a version, else the deleted one.

    None where there is a value after all: it was written since, and must not be written over.
    """
    try:
        found = client.read(_metadata(location))
    except Denied:
        return 0
    if found is None:
        return 0
    return int(found["current_version"]) if _mark(found) == ABSENT else None


def _metadata(location: str) -> str:
    return location.replace("/data/", "/metadata/", 1)


def _mark(found: dict[str, Any] | Denied | None) -> str:
    if isinstance(found, Denied):
        return UNKNOWN
    newest = str(found.get("current_version", 0)) if found else "0"
    about = (found.get("versions") or {}).get(newest) if found else None
    if newest == "0" or (about and (about.get("destroyed") or _is_over(about.get("deletion_time", "")))):
        return ABSENT
    return newest


def _is_over(deletion: str) -> bool:
    # To the second, since the server writes nine decimals; a time in the future is an expiry that was set.
    return bool(deletion) and deletion[:19] <= datetime.datetime.now(datetime.UTC).isoformat()[:19]


def _nothing(location: str, key: str) -> Missing:
    remedy = f"write it with `kv put -cas=0`, or declare it with `generate` and `to: vault:{location}#{key}`"
    return Missing(f"vault:{location} has no value for {key!r} ({remedy})", path=location)
