"""Key slots: the ways to open the encrypted store. Each wraps the master keys, so a slot can change and no secret does.

A slot is opened by a passphrase, by Vault's transit engine, by AWS KMS, or by a key in an HSM. What is wrapped is bound to
the store and to the slot's name: a slot of another store, or one under another name, does not open.
"""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..core.errors import BackendError, Invalid, Problem
from .aws_store import Aws
from .file_seal import KEY_BYTES, canonical, decrypt, encrypt

if TYPE_CHECKING:
    from ..backends.hsm import Hsm
    from ..backends.vault.client import VaultClient

log = logging.getLogger(__name__)

SHORT_PASSPHRASE = 12  # characters; shorter ones are guessed in spite of a slow derivation
_SALT_BYTES = range(16, 65)

Kept = Mapping[str, Any]
"""A slot as the keyring holds it."""


class Closed(Exception):
    """A slot that does not open: why, in words."""


class Slot(Protocol):
    """One way in."""

    @property
    def name(self) -> str: ...
    @property
    def sort(self) -> str: ...

    def wrap(self, secret: bytes, store: str) -> dict[str, Any]:
        """What to keep in the keyring. Raises BackendError."""
        ...

    def unwrap(self, kept: Kept, store: str) -> bytes:
        """The secret again. Raises Closed, BackendError."""
        ...

    def is_like(self, kept: Kept) -> bool:
        """Whether one that opens was also made as this slot would make it now."""
        ...


def bound(slot: Slot, store: str) -> bytes:
    """What a slot's content is authenticated with."""
    return canonical({"store": store, "slot": slot.name, "type": slot.sort})


class Limits(NamedTuple):
    """What is taken of the keyring's header: less would be guessed, more would take the machine down."""

    least: int
    most: int


class Kdf(NamedTuple):
    """How a key is made of a passphrase, as the header says it."""

    name: str
    parameters: Mapping[str, int]


ARGON2ID = Kdf("argon2id", {"memory_kib": 64 * 1024, "iterations": 3, "lanes": 4})
PBKDF2 = Kdf("pbkdf2-hmac-sha256", {"rounds": 1_000_000})
KDFS = {"argon2id": ARGON2ID, "pbkdf2": PBKDF2}
LIMITS = {
    ARGON2ID.name: {"memory_kib": Limits(64 * 1024, 1024 * 1024), "iterations": Limits(3, 20), "lanes": Limits(1, 16)},
    PBKDF2.name: {"rounds": Limits(1_000_000, 20_000_000)},
}


class PassphraseSlot(NamedTuple):
    """Opened by a passphrase, which is asked for when it is needed."""

    name: str
    passphrase: Callable[[], str]
    kdf: Kdf = ARGON2ID
    sort: str = "passphrase"

    def wrap(self, secret: bytes, store: str) -> dict[str, Any]:
        phrase, salt = self.passphrase(), os.urandom(_SALT_BYTES.start)
        if not phrase:
            raise Invalid([Problem("", "", f"slot {self.name}: the passphrase of the encrypted store is empty")])
        if len(phrase) < SHORT_PASSPHRASE:
            log.warning("slot %s: a passphrase of under %d characters can be guessed", self.name, SHORT_PASSPHRASE)
        wrapped = encrypt(_derive(self.kdf, phrase, salt), secret, bound(self, store))
        return {"kdf": self.kdf.name, **self.kdf.parameters, "salt": _text(salt), "wrapped": _text(wrapped)}

    def unwrap(self, kept: Kept, store: str) -> bytes:
        kdf, salt = _checked_kdf(kept)
        secret = decrypt(_derive(kdf, self.passphrase(), salt), _bytes(kept, "wrapped"), bound(self, store))
        if secret is None:
            raise Closed("wrong passphrase, or the slot was altered")
        return secret

    def is_like(self, kept: Kept) -> bool:
        return _checked_kdf(kept)[0] == self.kdf


class TransitSlot(NamedTuple):
    """Opened by a key of a Vault's transit engine, which never leaves it."""

    name: str
    client: Callable[[], VaultClient]
    mount: str
    key: str
    sort: str = "transit"

    def wrap(self, secret: bytes, store: str) -> dict[str, Any]:
        answer = self._ask("encrypt", {"plaintext": _text(secret)}, store)
        return {"wrapped": str(answer["ciphertext"])}

    def unwrap(self, kept: Kept, store: str) -> bytes:
        answer = self._ask("decrypt", {"ciphertext": str(kept.get("wrapped"))}, store)
        return _bytes(answer, "plaintext")

    def is_like(self, kept: Kept) -> bool:
        return True

    def _ask(self, verb: str, body: dict[str, str], store: str) -> dict[str, Any]:
        return self.client().ask(f"{self.mount}/{verb}/{self.key}", {**body, "associated_data": _text(bound(self, store))})


class KmsSlot(NamedTuple):
    """Opened by a key of AWS KMS. The encryption context shows in CloudTrail which store was opened."""

    name: str
    client: Callable[[], Aws]
    key: str
    sort: str = "kms"

    def wrap(self, secret: bytes, store: str) -> dict[str, Any]:
        answer = self.client().change("kms", "encrypt", KeyId=self.key, Plaintext=secret, EncryptionContext=self._context(store))
        return {"wrapped": _text(answer["CiphertextBlob"])}

    def unwrap(self, kept: Kept, store: str) -> bytes:
        blob = _bytes(kept, "wrapped")
        # With the key's name: without it, KMS would decrypt with whichever key the blob names.
        answer = self.client().change("kms", "decrypt", KeyId=self.key, CiphertextBlob=blob, EncryptionContext=self._context(store))
        return bytes(answer["Plaintext"])

    def is_like(self, kept: Kept) -> bool:
        return True

    def _context(self, store: str) -> dict[str, str]:
        return {"reconciler-store": store, "reconciler-slot": self.name}


class HsmSlot(NamedTuple):
    """Opened by an AES key in an HSM, through PKCS#11."""

    name: str
    hsm: Callable[[], Hsm]
    sort: str = "pkcs11"

    def wrap(self, secret: bytes, store: str) -> dict[str, Any]:
        return {"wrapped": _text(self.hsm().encrypt(secret, bound(self, store)))}

    def unwrap(self, kept: Kept, store: str) -> bytes:
        return self.hsm().decrypt(_bytes(kept, "wrapped"), bound(self, store))

    def is_like(self, kept: Kept) -> bool:
        return True


def _checked_kdf(kept: Kept) -> tuple[Kdf, bytes]:
    """The derivation that a header asks for, where it is neither weak nor an attack on this machine."""
    limits = LIMITS.get(str(kept.get("kdf")))
    if limits is None:
        raise Closed(f"its header asks for a key derivation that is not one of {', '.join(LIMITS)}")
    parameters = {name: kept.get(name) for name in limits}
    for name, limit in limits.items():
        given = parameters[name]
        if type(given) is not int or not limit.least <= given <= limit.most:
            raise Closed(f"its header asks for {name} outside of {limit.least:,} to {limit.most:,}")
    salt = _bytes(kept, "salt")
    if len(salt) not in _SALT_BYTES:
        raise Closed("its header holds a salt of a wrong length")
    return Kdf(str(kept["kdf"]), {name: int(given) for name, given in parameters.items() if given is not None}), salt


def _derive(kdf: Kdf, phrase: str, salt: bytes) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm

    raw = phrase.encode("utf-8", "surrogateescape")  # the bytes that the environment holds, text or not
    try:
        return _argon2id(kdf, raw, salt) if kdf.name == ARGON2ID.name else _pbkdf2(kdf, raw, salt)
    except UnsupportedAlgorithm:
        raise BackendError(f"this Python's OpenSSL lacks {kdf.name} (declare the slot with `kdf: pbkdf2`)") from None


def _argon2id(kdf: Kdf, phrase: bytes, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    memory, iterations, lanes = (kdf.parameters[name] for name in ("memory_kib", "iterations", "lanes"))
    return Argon2id(salt=salt, length=KEY_BYTES, memory_cost=memory, iterations=iterations, lanes=lanes).derive(phrase)


def _pbkdf2(kdf: Kdf, phrase: bytes, salt: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

    return PBKDF2HMAC(SHA256(), KEY_BYTES, salt, kdf.parameters["rounds"]).derive(phrase)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(kept: Kept, name: str) -> bytes:
    try:
        return base64.b64decode(kept[name], validate=True)
    except (KeyError, TypeError, ValueError):
        raise Closed("it was altered") from None
