"""Who signs checkpoints: a key in a file, in a Vault's transit engine, or in an HSM. All are Ed25519."""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..backends.vault.client import VaultClient
from ..core.errors import BackendError, Missing, ReconcilerError
from .note import KEY_BYTES, SIGNATURE_BYTES, Verifier

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from ..backends.hsm import Hsm


class FileKey(NamedTuple):
    """A private key in a PEM file (PKCS #8) that only its owner may read."""

    name: str
    key: Ed25519PrivateKey

    def __repr__(self) -> str:
        return f"FileKey({self.name})"

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.key.public_key().public_bytes_raw())

    def sign(self, text: bytes) -> bytes:
        return self.key.sign(text)


def file_key(path: Path, name: str, *, make: bool = True) -> FileKey:
    """Read the key, made if there is none. Raises ReconcilerError for a file that is none, or that others may read."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        raw = _read(path) or (_made(path) if make else b"")
        if not raw:
            raise Missing(f"{path}: the key of the audit log is not on this machine (declare `audit: {{trusted: ...}}`)", path=str(path))
        key = load_pem_private_key(raw, password=None)
    except (ValueError, TypeError):
        raise ReconcilerError(f"{path}: it holds no private key of the audit log (PEM, PKCS #8, Ed25519)") from None
    except OSError as error:
        raise ReconcilerError(f"{path}: the key of the audit log: {error.strerror}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ReconcilerError(f"{path}: the key of the audit log is not one of Ed25519")
    return FileKey(name, key)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_mode & 0o077:
                raise ReconcilerError(f"{path}: others may read the key of the audit log (chmod 600 {path})")
            return stream.read()
    except FileNotFoundError:
        return None


def _made(path: Path) -> bytes:
    """Make the key. Where two processes do so at once, the key of one of them counts for both."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(new, path)
    except FileExistsError:
        pass
    finally:
        new.unlink()
    return path.read_bytes()


class TransitKey(NamedTuple):
    """A key of a transit engine, of type ed25519. It never leaves the server, and each signature is in the server's audit log."""

    name: str
    client: VaultClient
    mount: str
    key: str
    publics: tuple[bytes, ...]
    """Of its versions, newest last: a rotated key still vouches for what it signed."""

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.publics[-1])

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        return tuple(Verifier(self.name, public) for public in self.publics)

    def sign(self, text: bytes) -> bytes:
        body = {"input": base64.b64encode(text).decode(), "key_version": len(self.publics)}
        answer = self.client.ask(f"{self.mount}/sign/{self.key}", body)
        return _raw(str(answer.get("signature", "")).rpartition(":")[2], SIGNATURE_BYTES, self.key)


def transit_key(client: VaultClient, mount: str, key: str, name: str) -> TransitKey:
    """Read the public halves of a key. Raises BackendError."""
    found = client.read(f"{mount}/keys/{key}")
    if found is None:
        remedy = f"declare a vault.transit_key `{mount}/{key}` of type ed25519"
        raise BackendError(f"{mount}/{key}: there is no such transit key to sign the audit log with ({remedy})", path=f"{mount}/keys/{key}")
    if found.get("type") != "ed25519":
        raise BackendError(f"{mount}/{key}: the key of the audit log is not of type ed25519", path=f"{mount}/keys/{key}")
    versions = sorted(found.get("keys", {}).items(), key=lambda one: int(one[0]))
    return TransitKey(name, client, mount, key, tuple(_raw(str(about["public_key"]), KEY_BYTES, key) for _, about in versions))


class HsmKey(NamedTuple):
    """A key in a PKCS#11 token."""

    name: str
    hsm: Hsm
    public: bytes

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.public)

    def sign(self, text: bytes) -> bytes:
        return self.hsm.sign(text)


def hsm_key(hsm: Hsm, name: str) -> HsmKey:
    """Read the public half of the token's key. Raises BackendError."""
    return HsmKey(name, hsm, hsm.public_key())


def _raw(text: str, length: int, key: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != length:
        raise BackendError(f"{key}: the transit engine answered something that is neither key nor signature of Ed25519", path=key)
    return raw
