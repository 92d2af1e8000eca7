"""What the encrypted store's files hold: versions sealed with AES-256-GCM, heads and the keyring under a MAC.

A version is one line of JSON that says what it is, then nonce and ciphertext. The line is authenticated with the
ciphertext, and it is compared with the place where the file was found, so a file that lies elsewhere is told from one
that was altered. Each version has a data key of its own, wrapped by the master key: rotating that key re-encrypts all.

JSON is read only in the one spelling that we write: a bit that flips into another spelling of the same is found too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from .store import Tampered

FORMAT = 1
KEY_BYTES = 32
_NONCE_BYTES = 12


@dataclass(frozen=True)
class Masters:
    """The master keys by generation: one, and while it is rotated two. They never show."""

    store: str
    newest: int
    keys: Mapping[int, bytes] = field(repr=False)

    @cached_property
    def _derived(self) -> dict[tuple[int, str], bytes]:
        return {}

    def key(self, generation: int, purpose: str) -> bytes:
        """A key for one purpose, of a generation that is there."""
        known = self._derived.get((generation, purpose))
        if known is None:
            known = self._derived[generation, purpose] = _derive(self.keys[generation], f"{self.store}/{purpose}")
        return known


class Sealed(NamedTuple):
    """Which file it is: the version of a path, or its metadata, whose versions count downwards. `id` stays when it is encrypted anew."""

    path: str
    version: int
    id: str
    master: int


@dataclass(frozen=True, slots=True)
class Head:
    """What a path has: the id of each version, so that none can be changed for one of another life of the same store."""

    path: str
    ids: tuple[str, ...]
    """From the first version to the newest. Empty: it was destroyed."""
    gone: bool = False
    """The newest version says that the secret was deleted."""
    destroying: tuple[int, ...] = ()
    """Versions that nobody is given any more, and whose files may still be there."""
    metadata: int = 0
    """Which metadata counts; 0: there is none."""

    @property
    def version(self) -> int:
        return len(self.ids)

    def is_readable(self, version: int) -> bool:
        return 0 < version <= len(self.ids) and bool(self.ids[version - 1]) and version not in self.destroying

    @property
    def absent(self) -> bool:
        return self.gone or not self.is_readable(self.version)


def new_id() -> str:
    """Short, since a head holds one a version; enough, since nobody gains by two that are the same."""
    return base64.urlsafe_b64encode(os.urandom(9)).decode()


def seal(masters: Masters, path: str, version: int, name: str, content: Mapping[str, Any]) -> bytes:
    """Encrypt with a new data key. `name`: the id of the version."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    about: dict[str, Any] = {"format": FORMAT, "store": masters.store, "path": path, "version": version, "id": name}
    about["master"] = masters.newest
    key = os.urandom(KEY_BYTES)
    wrapped = encrypt(masters.key(masters.newest, "versions"), key, canonical(about))
    about["key"] = base64.b64encode(wrapped).decode()
    line = canonical(about) + b"\n"
    nonce = os.urandom(_NONCE_BYTES)
    return line + nonce + AESGCM(key).encrypt(nonce, json.dumps(content, ensure_ascii=False).encode(), line)


def unseal(masters: Masters, path: str, version: int, raw: bytes, where: str) -> tuple[Sealed, dict[str, Any]]:
    """Decrypt what was found in the place of a version. Raises Tampered."""
    line, newline, rest = raw.partition(b"\n")
    about = strict_json(line, where)
    try:
        found = Sealed(about["path"], about["version"], about["id"], about["master"])
        store, wrapped = about["store"], base64.b64decode(about.pop("key"), validate=True)
    except (KeyError, TypeError, ValueError):
        raise altered(where) from None
    if not newline or about.get("format") != FORMAT or type(found.master) is not int:
        raise altered(where)
    if (store, found.path, found.version) != (masters.store, path, version):
        raise Tampered("swapped", where, f"it is version {found.version} of {found.path}, of the store {store}")
    if found.master not in masters.keys:
        raise old_master(where)
    key = decrypt(masters.key(found.master, "versions"), wrapped, canonical(about))
    content = None if key is None else decrypt(key, rest, line + newline)
    if content is None:
        raise altered(where)
    held: dict[str, Any] = json.loads(content)
    return found, held


def write_head(masters: Masters, head: Head) -> bytes:
    """A head under its MAC."""
    body = {"format": FORMAT, "store": masters.store, "path": head.path, "ids": list(head.ids), "gone": head.gone}
    return signed(masters, {**body, "destroying": list(head.destroying), "metadata": head.metadata, "master": masters.newest}, "heads")


def read_head(masters: Masters, path: str, raw: bytes, where: str) -> Head:
    """Check and read a head. Raises Tampered."""
    body = verified(masters, raw, "heads", where)
    if (body["store"], body["path"]) != (masters.store, path):
        raise Tampered("swapped", where, f"it is the head of {body['path']}, of the store {body['store']}")
    return Head(path, tuple(body["ids"]), body["gone"], tuple(body["destroying"]), body["metadata"])


def signed(masters: Masters, body: Mapping[str, Any], purpose: str) -> bytes:
    """JSON with a MAC of all of it. `master` says by which key."""
    return canonical({**body, "mac": _mac(masters, body, purpose)})


def verified(masters: Masters, raw: bytes, purpose: str, where: str) -> dict[str, Any]:
    """The JSON without its MAC. Raises Tampered."""
    body = strict_json(raw, where)
    mac = body.pop("mac", None)
    if not isinstance(mac, str) or type(body.get("master")) is not int:
        raise altered(where)
    if body["master"] not in masters.keys:
        raise old_master(where)
    if not hmac.compare_digest(mac.encode(), _mac(masters, body, purpose).encode()):
        raise altered(where)
    return body


def _mac(masters: Masters, body: Mapping[str, Any], purpose: str) -> str:
    return hmac.new(masters.key(body["master"], purpose), canonical(body), hashlib.sha256).hexdigest()


def canonical(body: Mapping[str, Any]) -> bytes:
    """The one spelling."""
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def strict_json(raw: bytes, where: str) -> dict[str, Any]:
    """A JSON map in the one spelling. Raises Tampered."""
    try:
        body = json.loads(raw)
        same = isinstance(body, dict) and canonical(body) == raw
    except (ValueError, RecursionError):  # not text, not JSON, or nested without end
        same = False
    if not same:
        raise altered(where)
    return dict(body)


def encrypt(key: bytes, content: bytes, bound: bytes) -> bytes:
    """AES-256-GCM: nonce and ciphertext. `bound` is authenticated with it."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, bound)


def decrypt(key: bytes, sealed: bytes, bound: bytes) -> bytes | None:
    """The content; None where anything of it is not as it was written."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
        return None


def altered(where: str) -> Tampered:
    return Tampered("altered", where, "it is not what was written")


def old_master(where: str) -> Tampered:
    return Tampered("replayed", where, "it is sealed with a master key that the keyring does not hold (any more)")


def _derive(master: bytes, purpose: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

    return HKDFExpand(SHA256(), KEY_BYTES, purpose.encode()).derive(master)
