"""Vault KV v2 as a store. Check-and-set is the server's own; a delete is its soft one, so that `vault kv undelete` works."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from ..backends.vault.client import UNSUPPORTED, VaultClient
from ..core.errors import BackendError, Conflict, Denied, Missing
from .store import Held, Version, checked_path, checked_value, is_path, value_of

_ATTEMPTS = 5  # to write over whatever is there while others write the same path


class KvStore:
    """The secrets of one KV v2 mount. The client must not wait long for a server that is down: the caller fails over."""

    def __init__(self, name: str, client: VaultClient | Callable[[], VaultClient], mount: str) -> None:
        """A function that makes the client is called at each use: where it raises, the store does not answer."""
        self.name = name
        self._client = client if callable(client) else lambda: client
        self._mount = mount.strip("/")

    def check(self, path: str, value: Mapping[str, str]) -> None:
        checked_value(checked_path(path), value)

    def get(self, path: str, version: str = "") -> Held | None:
        if version and not _number(version):
            return None  # a version of another store
        found = self._read("data", path, **({"version": version} if version else {}))
        held, about = (found or {}).get("data"), (found or {}).get("metadata")
        if found is not None and not isinstance(about, Mapping):
            raise Missing(f"{self._mount} is not a KV v2 mount, or the login reads something else there", path=path)
        return Held(value_of(held), str(about["version"])) if isinstance(held, Mapping) and about else None

    def put(self, path: str, value: Mapping[str, str], expected: str | None = None) -> str:
        sent = checked_value(checked_path(path), value)
        if expected is None:
            return self._put_over(path, sent)
        follows = int(expected) if _number(expected) else 0
        if expected and not follows:
            raise Conflict(f"{path}: version {expected!r} is not one of {self.name}", path=path)
        try:
            return self._write(path, sent, follows)
        except Conflict:
            # Nothing to read where there once was something: what check-and-set then expects is what was deleted.
            deleted = "" if expected else self._deleted(path)
            if not deleted:
                raise
            return self._write(path, sent, int(deleted))

    def list(self, prefix: str = "") -> tuple[str, ...]:
        folder = prefix[: prefix.rfind("/") + 1]
        if folder and not is_path(folder[:-1]):
            return ()
        return tuple(sorted(path for path, readable in self._all(folder).items() if readable and path.startswith(prefix)))

    def paths(self) -> Iterator[str]:
        """Every path that has versions, readable or deleted."""
        yield from sorted(self._all(""))

    def _all(self, folder: str) -> dict[str, bool]:
        """Every path below a folder, and whether it can be read."""
        live = self._scanned(folder)
        if live is None:
            live = dict(self._read_all(self._below(folder)))
        if not live:
            self._answers()
        return live

    def _scanned(self, folder: str) -> dict[str, bool] | None:
        """Which paths below a folder can be read, by one request; None where the server or the login cannot do that."""
        if self._client().dialect != "openbao":
            return None
        try:
            found = self._client().scan(f"{self._mount}/detailed-metadata/{folder}")
        except Denied:
            return None  # it is a right of its own, which logins that may list need not have
        if found is UNSUPPORTED:
            return None
        return {folder + path: self._readable(about) for path, about in found.key_info.items() if about} if found else {}

    def versions(self, path: str) -> tuple[Version, ...]:
        found = self._read("metadata", path)
        known = (found or {}).get("versions") or {}
        newest_first = sorted(known, key=int, reverse=True)
        return tuple(
            Version(number, _to_second(known[number].get("created_time", "")), _is_readable(known[number])) for number in newest_first
        )

    def metadata(self, path: str) -> Mapping[str, str]:
        found = self._client().read(self._at("metadata", path))
        return dict((found or {}).get("custom_metadata") or {})

    def annotate(self, path: str, metadata: Mapping[str, str]) -> None:
        # By PATCH, which leaves what others wrote: a POST would replace the whole map.
        self._client().write(self._at("metadata", path), {"custom_metadata": dict(metadata)}, method="PATCH")

    def delete(self, path: str) -> None:
        self._client().delete(self._at("data", path))

    def destroy(self, path: str, version: str) -> None:
        if not _number(version):
            raise Missing(f"{path}: version {version!r} is not one of {self.name}", path=path)
        self._client().write(self._at("destroy", path), {"versions": [int(version)]})

    def probe(self) -> str:
        try:
            self._answers()
        except BackendError as error:
            return str(error)
        return ""

    def _answers(self) -> None:
        # Any answer about one path proves that the server is unsealed, the mount there and the token good for something.
        with suppress(Denied):
            self._read("data", "_probe")

    def _read(self, part: str, path: str, **query: str) -> dict[str, Any] | None:
        return self._client().read(self._at(part, path), mounted=True, **query)

    def _at(self, part: str, path: str) -> str:
        return f"{self._mount}/{part}/{checked_path(path)}"

    def _write(self, path: str, sent: dict[str, str], follows: int | None) -> str:
        where = self._at("data", path)
        options = {} if follows is None else {"options": {"cas": follows}}
        try:
            written = self._client().write(where, {**options, "data": sent})
        except Conflict as conflict:
            if conflict.status or follows is None or not self._is_there(path, sent, follows + 1):
                raise
            return str(follows + 1)
        if "version" not in written:
            remedy = "delete it there, and name a mount of type kv-v2"
            raise BackendError(f"{self._mount} is not a KV v2 mount: what was put lies at {where} now ({remedy})", path=path)
        return str(written["version"])

    def _is_there(self, path: str, sent: dict[str, str], version: int) -> bool:
        """Whether a write whose answer was lost was done."""
        try:
            return self.get(path) == Held(sent, str(version))
        except BackendError:
            return False

    def _put_over(self, path: str, sent: dict[str, str]) -> str:
        try:
            return self._write(path, sent, None)
        except BackendError as error:
            if error.status != 400 or "check-and-set" not in str(error):
                raise
        for _ in range(_ATTEMPTS):  # the mount insists on check-and-set
            newest = next(iter(self.versions(path)), None)
            try:
                return self._write(path, sent, int(newest.id) if newest else 0)
            except Conflict:
                continue
        raise Conflict(f"{path}: others write it all the time", path=path)

    def _deleted(self, path: str) -> str:
        """The newest version, where that is one that was deleted; else empty."""
        newest = next(iter(self.versions(path)), None)
        return newest.id if newest and not newest.readable else ""

    def _readable(self, about: Mapping[str, Any]) -> bool:
        newest = (about.get("versions") or {}).get(str(about.get("current_version", 0)))
        return newest is not None and _is_readable(newest)

    def _read_all(self, paths: Iterator[str]) -> Iterator[tuple[str, bool]]:
        where = {self._at("metadata", path): path for path in paths}
        for place, found in self._client().read_many(tuple(where)):
            # One whose metadata may not be read is there all the same.
            yield where[place], isinstance(found, Denied) or (found is not None and self._readable(found))

    def _below(self, folder: str) -> Iterator[str]:
        listing = self._client().list(f"{self._mount}/metadata/{folder}")
        for key in listing.keys if listing else ():
            if key.endswith("/"):
                yield from self._below(folder + key)
            else:
                yield folder + key


def _number(version: str) -> bool:
    return version.isascii() and version.isdigit() and int(version) > 0


def _is_readable(about: Mapping[str, Any]) -> bool:
    deletion = str(about.get("deletion_time") or "")
    # A time in the future is an expiry that was set.
    return not about.get("destroyed") and not (deletion and deletion[:19] <= datetime.datetime.now(datetime.UTC).isoformat()[:19])


def _to_second(moment: str) -> str:
    return f"{moment[:19]}Z" if moment else ""
