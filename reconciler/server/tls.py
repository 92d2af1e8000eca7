"""TLS: a context in which certificates that are asked for are verified, and what of a connection's goes into the scope."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path
from typing import Any

from reconciler.core.errors import Usage

# Forward secrecy and authenticated encryption; TLS 1.3 has nothing else.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_NUMBERS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


def server_context(cert: Path, key: Path, client_ca: Path | None = None) -> ssl.SSLContext:
    """Return the context of the server. Raises Usage for files that cannot be what they should.

    `client_ca`: who signs client certificates, and, in the same file, its revocation list. Such certificates are optional, since
    webhooks and people come without; one that is shown and is not good ends the connection. TLS 1.3 is then required, and no
    session is resumed: a resumed one keeps the certificate of another time, though it be revoked.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        # Without a password, openssl would ask for one on the terminal.
        context.load_cert_chain(cert, key, password="")
    except (OSError, ssl.SSLError) as error:
        raise Usage(f"{cert} and {key} are no certificate and its key: {_reason(error)}") from None
    if client_ca is not None:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        context.verify_mode = ssl.CERT_OPTIONAL
        _trust(context, client_ca)
    return context


def _trust(context: ssl.SSLContext, client_ca: Path) -> None:
    try:
        context.load_verify_locations(client_ca)
    except (OSError, ssl.SSLError) as error:
        raise Usage(f"{client_ca} has no certificates to verify clients by: {_reason(error)}") from None
    held = context.cert_store_stats()
    if not held["x509_ca"]:
        raise Usage(f"{client_ca} has no certificate of an authority: no client's could be verified")
    if held["crl"]:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def refuse_unverified(context: ssl.SSLContext) -> ssl.SSLContext:
    """The context itself. Raises Usage where it has authorities for client certificates, and lets in whoever has none of theirs."""
    if context.verify_mode is ssl.CERT_NONE and any(context.cert_store_stats().values()):
        raise Usage("client certificates are asked for but not verified: everybody would be let in (set verify_mode)")
    return context


def _reason(error: OSError) -> str:
    return str(error.strerror or getattr(error, "reason", "") or type(error).__name__)


def tls_extension(connection: ssl.SSLObject | None) -> dict[str, Any] | None:
    """What the ASGI TLS extension says of a connection; None for one without TLS."""
    if connection is None:
        return None
    # Where none is verified none is asked for, and openssl has none to give.
    der = connection.getpeercert(binary_form=True)
    cipher = connection.cipher()
    return {
        "server_cert": None,
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(der)] if der else [],
        "client_cert_name": _subject(der) if der else None,
        "client_cert_error": None,
        "tls_version": _NUMBERS.get(connection.version() or ""),
        "cipher_suite": _suites(connection.context).get(cipher[0]) if cipher else None,
    }


def _subject(der: bytes) -> str:
    from cryptography.x509 import load_der_x509_certificate

    return load_der_x509_certificate(der).subject.rfc4514_string()


@lru_cache(8)
def _suites(context: ssl.SSLContext) -> dict[str, int]:
    """IANA's numbers by OpenSSL's names: the low two bytes of what it calls an id."""
    return {str(cipher["name"]): int(cipher["id"]) & 0xFFFF for cipher in context.get_ciphers()}
