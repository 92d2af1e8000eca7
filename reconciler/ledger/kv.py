"""The ledger in a KV v2 mount."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..backends.vault.client import VaultClient
from ..core.errors import BackendError, Conflict, Unavailable
from .shelf import Entry

# Of head and lock, written at every run: enough to look back by hand, few enough to cost nothing.
MAX_VERSIONS = 5
# A new KV v2 mount answers 400 for a moment, while it makes its key.
MOUNT_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)


class KvShelf:
    """Keys below `MOUNT/data/FOLDER/`. Text is kept as text under `v`, so that `kv get` shows head and lock; bytes in base64 under `b`."""

    def __init__(self, client: VaultClient, mount: str, folder: str, sleep: Callable[[float], object]) -> None:
        self._client = client
        self._mount = mount.strip("/")
        self._folder = folder.strip("/")
        self._sleep = sleep

    def get(self, key: str) -> Entry | None:
        path = self._path("data", key)
        found = self._client.read(path)
        if found is None:
            return None
        try:
            return Entry(_bytes(found["data"]), str(found["metadata"]["version"]))
        except (KeyError, TypeError, ValueError):
            raise BackendError(f"{path} is not an entry of a ledger (is {self._mount} a KV v2 mount of its own?)", path=path) from None

    def put(self, key: str, content: bytes, expected: str) -> str:
        body = {"options": {"cas": int(expected or 0)}, "data": _map(content)}
        return str(self._client.write(self._path("data", key), body)["version"])

    def add(self, key: str, content: bytes) -> None:
        try:
            self.put(key, content, "")
        except Conflict:
            # It is there already, and its key says that it is the same. Or an answer was lost, and it may not be.
            if self.get(key) is None:
                self.put(key, content, "")

    def delete(self, key: str) -> None:
        self._client.delete(self._path("metadata", key))

    def keys(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(self._walk(prefix)))

    def prepare(self) -> None:
        self._client.forget_mounts()
        mounts = self._client.mounts()
        if mounts is None:
            return  # this login may not look: it works with what bootstrap made, or the first write says what is missing
        if self._mount not in mounts:
            self._make()
            return
        options = mounts[self._mount].get("options") or {}
        if mounts[self._mount].get("type") != "kv" or options.get("version") != "2":
            raise BackendError(f"{self._mount} is not a KV v2 mount (give the ledger another `mount`)", path=self._mount)

    def _make(self) -> None:
        path = f"sys/mounts/{self._mount}"
        body = {"type": "kv", "options": {"version": "2"}, "description": "the reconciler's ledger and lock"}
        try:
            self._client.write(path, body)
        except BackendError as error:
            if error.status != 400:
                raise
            # Another run may have made it just now.
            self._client.forget_mounts()
            if self._mount not in (self._client.mounts() or {}):
                raise
        self._client.forget_mounts()
        self._configure()

    def _configure(self) -> None:
        """Bound the versions that are kept, as soon as the new mount lets us."""
        for wait in MOUNT_WAITS:
            try:
                self._client.write(f"{self._mount}/config", {"max_versions": MAX_VERSIONS})
            except BackendError as error:
                if error.status != 400:
                    raise
                self._sleep(wait)
            else:
                return
        raise Unavailable(f"{self._mount}: the new KV v2 mount is still not ready (try again)", path=self._mount)

    def _walk(self, prefix: str) -> Iterator[str]:
        listing = self._client.list(self._path("metadata", prefix))
        for name in listing.keys if listing else ():
            if name.endswith("/"):
                yield from self._walk(prefix + name)
            else:
                yield prefix + name

    def _path(self, api: str, key: str) -> str:
        return f"{self._mount}/{api}/{self._folder}/{key}"


def _map(content: bytes) -> dict[str, str]:
    try:
        return {"v": content.decode()}
    except UnicodeDecodeError:
        return {"b": base64.b64encode(content).decode()}


def _bytes(kept: Mapping[str, Any]) -> bytes:
    text = kept.get("v")
    return text.encode() if isinstance(text, str) else base64.b64decode(kept["b"], validate=True)
