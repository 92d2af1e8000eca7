"""transit_key: versions of a key in Vault's transit engine. The secret holds the number of the version to encrypt with.

The key is rotated, ciphertexts in the store are rewrapped, and old versions stop decrypting only when nothing old remains.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..backends.vault.client import VaultClient
from ..core.errors import Missing
from ..secrets.store import Held, SecretStore
from .seen import Probe
from .state import Kept
from .strategy import Call, Definite, NoLogins, OwnValue
from .targets import Target

_CIPHERTEXT = re.compile(r"vault:v(\d+):.+")


class TransitKey(OwnValue, NoLogins):
    """One key. It is not fenced: versions only grow, and so does the oldest that decrypts."""

    tested = True
    undoes = False

    def __init__(self, target: Target, client: VaultClient, store: SecretStore) -> None:
        self._spec = target
        self._client = client
        self._store = store

    @property
    def target(self) -> str:
        return f"{self._spec.mount}/keys/{self._spec.name}"

    def make(self, main: Mapping[str, str] | None) -> dict[str, str]:
        newest = int(self._key()["latest_version"])
        return {"key": f"{self._spec.mount}/{self._spec.name}", "version": str(newest + 1 if main else newest)}

    def identity(self, value: Mapping[str, str]) -> str:
        return ""

    def ends(self, value: Mapping[str, str]) -> bool:
        # Where nobody said what the key encrypted, nobody knows that nothing old remains.
        return bool(self._spec.rewrap) and value.get("version", "").isdigit()

    def apply(self, call: Call, value: Kept, previous: Kept | None) -> None:
        if int(self._key()["latest_version"]) < _number(value):
            self._client.write(f"{self.target}/rotate", {}, once=True)  # sent twice it would rotate twice

    def probe(self, call: Call, value: Kept) -> Probe:
        key = self._key()
        good = int(key.get("min_decryption_version", 1)) <= _number(value) <= int(key["latest_version"])
        return Probe.ACCEPTED if good else Probe.REFUSED

    def revoke(self, call: Call, value: Kept) -> None:
        """Rewrap what the version or an older one encrypted, then have it decrypt nothing more. Killed, it goes on where it was."""
        ended = _number(value)
        if ended >= int(self._key()["latest_version"]):
            raise Definite(f"{self.target}: version {ended} is the newest and cannot be ended")
        for path in self._spec.rewrap:
            self._rewrap(path, ended)
        # Looked at again: rewrapping takes a while, in which others may have ended more, and the server would go back.
        if int(self._key().get("min_decryption_version", 1)) <= ended:
            self._client.write(f"{self.target}/config", {"min_decryption_version": ended + 1})

    def fence(self, secret: str) -> int | None:
        return None

    def _rewrap(self, path: str, ended: int) -> None:
        held = self._store.get(path)
        old = dict(_old(held, ended)) if held else {}
        if not held or not old:
            return
        new = {key: self._rewrapped(text) for key, text in old.items()}
        self._store.put(path, {**held.value, **new}, held.version)

    def _rewrapped(self, ciphertext: str) -> str:
        answer = self._client.ask(f"{self._spec.mount}/rewrap/{self._spec.name}", {"ciphertext": ciphertext})
        return str(answer["ciphertext"])

    def _key(self) -> dict[str, Any]:
        found = self._client.read(self.target)
        if found is None:
            raise Missing(f"{self.target}: there is no such key (declare a vault.transit_key)", path=self.target)
        return found


def _old(held: Held, ended: int) -> Iterator[tuple[str, str]]:
    for key, text in held.value.items():
        found = _CIPHERTEXT.fullmatch(text)
        if found and int(found[1]) <= ended:
            yield key, text


def _number(value: Kept) -> int:
    text = value.value.get("version", "")
    return int(text) if text.isdigit() else 0
