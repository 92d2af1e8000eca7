"""tls_certificate: a certificate of Vault's PKI for a key that is made here.

The key is recorded before Vault is asked to sign. A certificate is ours if it has our key, so one whose answer was lost is
found by looking; what was signed twice is doomed by a record, then revoked.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..backends.vault.client import VaultClient
from .seen import Probe
from .state import Kept, kept
from .strategy import Call, NoLogins
from .targets import Target

if TYPE_CHECKING:  # slow to import
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

MOST_KNOWN = 500
"""Serial numbers that a state keeps, so that they need not be looked at again. AWS takes 65,536 bytes; of more, all are looked at."""


class TlsCertificate(NoLogins):
    """One name's certificate. Old and new are good at once, until one is revoked."""

    tested = True
    undoes = True

    def __init__(self, target: Target, client: VaultClient) -> None:
        self._spec = target
        self._client = client

    @property
    def target(self) -> str:
        return ""  # a PKI mount signs for many at once

    def make(self, main: Mapping[str, str] | None) -> dict[str, str]:
        role = self._client.read(f"{self._spec.mount}/roles/{self._spec.role}") or {}
        return {"private_key": _new_key(str(role.get("key_type", "any")), int(role.get("key_bits") or 0))}

    def identity(self, value: Mapping[str, str]) -> str:
        return ""

    def ends(self, value: Mapping[str, str]) -> bool:
        return bool(value.get("serial_number"))

    def apply(self, call: Call, value: Kept, previous: Kept | None) -> None:
        if self._signed(value, call.known):
            return
        body: dict[str, Any] = {"csr": _request(value, self._spec.common_name), "common_name": self._spec.common_name}
        body |= {"alt_names": ",".join(self._spec.alt_names)} if self._spec.alt_names else {}
        body |= {"ttl": f"{self._spec.ttl}s"} if self._spec.ttl else {}
        self._client.write(f"{self._spec.mount}/sign/{self._spec.role}", body, once=True)

    def probe(self, call: Call, value: Kept) -> Probe:
        serial = value.value.get("serial_number") or next(iter(self._signed(value, call.known)), "")
        return Probe.ACCEPTED if serial and self._good(serial) else Probe.REFUSED

    def revoke(self, call: Call, value: Kept) -> None:
        # A leaked key loses all it was ever signed for: a rotator that woke up late may have had it signed again.
        signed = self._signed(value, () if call.urgent else call.known)
        for serial in dict.fromkeys(filter(None, (value.value.get("serial_number", ""), *signed))):
            self.discard(call, serial)

    def fence(self, secret: str) -> int | None:
        return None

    def known_ids(self) -> tuple[str, ...]:
        found = self._serials()
        return found if len(found) <= MOST_KNOWN else ()

    def _serials(self) -> tuple[str, ...]:
        found = self._client.list(f"{self._spec.mount}/certs")
        return found.keys if found else ()

    def completed(self, value: Kept, known: tuple[str, ...]) -> tuple[Kept, tuple[str, ...]] | None:
        signed = self._signed(value, known)
        serial = next(iter(signed))
        chain = self._client.read(f"{self._spec.mount}/cert/ca_chain") or {}
        issued = {"certificate": signed[serial], "serial_number": serial, "ca_chain": str(chain.get("ca_chain", ""))}
        whole = {**value.value, **{name: text for name, text in issued.items() if text}}
        return kept(whole, value.version, value.identity, value.fp), tuple(signed)[1:]

    def alive(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(serial for serial in ids if self._good(serial))

    def discard(self, call: Call, id: str) -> None:
        self._client.write(f"{self._spec.mount}/revoke", {"serial_number": id})

    def _signed(self, value: Kept, known: tuple[str, ...]) -> dict[str, str]:
        """Certificates of this value's key, by serial number, in a fixed order. Only what is newer than `known` is looked at."""
        try:
            public = _public(value)
        except (KeyError, TypeError, ValueError):
            return {}  # a person's, who may have put anything there
        fresh = sorted(set(self._serials()) - set(known))
        return {serial: text for serial, text in self._texts(fresh) if _public_of(text) == public}

    def _texts(self, serials: list[str]) -> Iterator[tuple[str, str]]:
        paths = {f"{self._spec.mount}/cert/{serial}": serial for serial in serials}
        found = dict(self._client.read_many(tuple(paths)))
        for path, serial in paths.items():
            about = found.get(path)
            if isinstance(about, dict):
                yield serial, str(about.get("certificate", ""))

    def _good(self, serial: str) -> bool:
        found = self._client.read(f"{self._spec.mount}/cert/{serial}")
        if found is None or int(found.get("revocation_time") or 0):
            return False
        return _certificate(str(found["certificate"])).not_valid_after_utc > datetime.datetime.now(datetime.UTC)


def _new_key(sort: str, bits: int) -> str:
    """A key as the role asks for it."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key = (
        rsa.generate_private_key(65537, bits or 2048)
        if sort == "rsa"
        else ec.generate_private_key(ec.SECP384R1() if bits == 384 else ec.SECP256R1())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()


def _key(value: Kept) -> EllipticCurvePrivateKey | RSAPrivateKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    key = serialization.load_pem_private_key(value.value["private_key"].encode(), None)
    if not isinstance(key, EllipticCurvePrivateKey | RSAPrivateKey):
        raise TypeError("keys of ours are RSA or elliptic")
    return key


def _request(value: Kept, name: str) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(_key(value), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _public(value: Kept) -> bytes:
    return _encoded(_key(value).public_key())


def _public_of(pem: str) -> bytes:
    return _encoded(_certificate(pem).public_key())


def _encoded(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    encoded: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _certificate(pem: str) -> x509.Certificate:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem.encode())
