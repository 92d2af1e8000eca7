"""Proof by client certificate: its SAN's URI, or the hash of its key. Never its common name, which nobody has to keep apart.

The server has verified the chain, the time and the use when the connection was made. What may have changed since is looked at again.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import NamedTuple

from .asgi import Scope
from .identity import Proof
from .scope import Principal

PIN = "sha256:"
REMEMBERED = 1024  # certificates that were read: one for each connection that is open, at most
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[\x21-\x7e]{1,2000}")


class _Certificate(NamedTuple):
    name: str
    names: frozenset[str]  # all by which it can be revoked
    ends: float


def certificate_proof(revoked: Collection[str] = (), clock: Callable[[], float] = time.time) -> Proof:
    """A proof by the certificate of the connection. `revoked`: pins, as `sha256:HEX`, and URIs that count no more."""
    gone = frozenset(revoked)

    async def proof(scope: Scope) -> Principal | None:
        chain = scope.get("extensions", {}).get("tls", {}).get("client_cert_chain")
        shown = _read(chain[0]) if chain else None
        # A connection can outlive the certificate that it was made with.
        if shown is None or shown.ends <= clock() or gone & shown.names:
            return None
        return Principal("certificate", shown.name)

    return proof


@lru_cache(REMEMBERED)
def _read(pem: str) -> _Certificate | None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        uris = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
            x509.UniformResourceIdentifier
        )
    except x509.ExtensionNotFound:
        uris = []
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None  # openssl took it, but it cannot be read in one way
    pin = PIN + hashlib.sha256(key).hexdigest()
    # Of several names none is the name; and one that looks like a pin would be somebody else's.
    usable = len(uris) == 1 and _URI.fullmatch(uris[0]) and not uris[0].startswith(PIN)
    return _Certificate(uris[0] if usable else pin, frozenset((pin, *uris)), certificate.not_valid_after_utc.timestamp())
