"""Evidence from the servers themselves: audit devices, clocks, shares, keys, certificates, who may do what."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.backends.vault.connection import Connection, connection_from, tls_context
from reconciler.backends.vault.transport import Transport
from reconciler.compliance.evidence import Part, absent
from reconciler.compliance.seen import Certificate, Clock, LiveKey, Shares, Sinks
from reconciler.core.address import Address, Place
from reconciler.core.errors import BackendError, Denied, ReconcilerError
from reconciler.engine.access_live import live_access

from .compliance_reach import first_line

if TYPE_CHECKING:
    from reconciler.desired.environments import Environment
    from reconciler.desired.load import Desired
    from reconciler.engine.world import World
    from reconciler.settings import Settings

    from .clients import ClientPool

_TRANSIT, _PKI = "vault.transit_key", "vault.pki_"
_SECONDS = 10.0  # for a handshake


def connection_of(settings: Settings, environment: Environment, instance: str) -> Connection:
    declared = environment.vault[instance]
    return connection_from(settings.environ, declared.address, declared.namespace or None)


@contextmanager
def at_root(settings: Settings, environment: Environment, clients: ClientPool, instance: str) -> Iterator[VaultClient]:
    """The same login in the server's root namespace, where what the whole server has is told."""
    connection = connection_of(settings, environment, instance)._replace(namespace="")
    client = connect(Transport(connection), clients.vault(instance, gated=False).token())
    try:
        yield client
    finally:
        client.close()


def sinks_of(root: VaultClient, instance: str) -> Sinks:
    """The audit devices of a server. Raises Denied, BackendError."""
    found = root.read("sys/audit") or {}
    return Sinks(instance, tuple(sorted(name.rstrip("/") for name, body in found.items() if isinstance(body, dict))))


def clock_of(root: VaultClient, instance: str, now: float) -> Clock:
    """How far apart. The server tells whole seconds, so that one of them is no difference."""
    said = (root.read("sys/health", standbyok="true", perfstandbyok="true") or {}).get("server_time_utc")
    if not isinstance(said, int):
        raise BackendError(f"vault {instance} does not tell its time", path="sys/health")
    apart = said - now
    return Clock(instance, 0.0 if abs(apart) <= 1 else round(apart, 1))


def shares_of(root: VaultClient, instance: str) -> Shares:
    """How many people unseal or recover a server."""
    said = root.read("sys/seal-status") or {}
    return Shares(instance, str(said.get("type", "")), int(said.get("t") or 0), int(said.get("n") or 0))


def keys_of(clients: ClientPool, desired: Desired, instance: str) -> Iterator[LiveKey]:
    """Every transit key in the instance's namespace, and in those where one is declared."""
    for place in _places(desired, instance, _TRANSIT):
        client = clients.client("vault", place)
        for mount in _mounts(client, "transit"):
            listing = client.list(f"{mount}/keys")
            for name in listing.keys if listing else ():
                read = client.read(f"{mount}/keys/{name}")
                if read is not None:
                    yield _key(str(Address(_TRANSIT, f"{mount}/{name}", place)), read)


def _places(desired: Desired, instance: str, kinds: str) -> list[Place]:
    """The instance's own namespace, and those where something of kinds that begin so is declared."""
    declared = {address.place for address in desired.resources if address.kind.startswith(kinds) and address.place.instance == instance}
    return sorted({Place(instance), *declared})


def _mounts(client: VaultClient, sort: str) -> Iterator[str]:
    mounts = client.mounts()
    if mounts is None:
        raise Denied("the login may not list mounts", path="sys/mounts", capability="read")
    yield from (name for name, mount in sorted(mounts.items()) if mount.get("type") == sort)


def _key(address: str, read: Mapping[str, Any]) -> LiveKey:
    try:
        versions = {int(number): _made(version) for number, version in read.get("keys", {}).items()}
    except ValueError:
        raise BackendError(f"{address} does not tell when its versions were made") from None
    oldest = max(int(read.get("min_decryption_version") or 1), min(versions, default=1))
    may = [bool(read.get(field)) for field in ("exportable", "deletion_allowed", "allow_plaintext_backup")]
    return LiveKey(address, versions, oldest, *may)


def _made(version: object) -> datetime.datetime:
    """Symmetric keys have the moment itself, others a map that holds it."""
    if isinstance(version, Mapping):
        return datetime.datetime.fromisoformat(str(version.get("creation_time")))
    return datetime.datetime.fromtimestamp(int(str(version)), datetime.UTC)


def authorities_of(clients: ClientPool, desired: Desired, instance: str) -> Iterator[Certificate]:
    """The certificates of the issuers in the instance's namespace, and in those where a PKI role is declared."""
    for place in _places(desired, instance, _PKI):
        client = clients.client("vault", place)
        for mount in _mounts(client, "pki"):
            listing = client.list(f"{mount}/issuers")
            for id in listing.keys if listing else ():
                text = str((client.read(f"{mount}/issuer/{id}") or {}).get("certificate", ""))
                if text:
                    yield _certificate(f"vault/{place}/{mount}", text.encode())


def endpoint_certificate(connection: Connection, instance: str) -> Iterator[Certificate]:
    """What a server shows of itself. Nothing where it has no TLS. Raises BackendError."""
    host = connection.host
    if not host.secure:
        return
    if connection.proxy is not None:
        raise BackendError(f"the certificate of vault {instance} is not seen through a proxy")
    context = tls_context(connection.tls)
    try:
        with (
            socket.create_connection((host.name, host.port), _SECONDS) as line,
            context.wrap_socket(line, server_hostname=connection.tls.server_name or host.name) as secure,
        ):
            shown = secure.getpeercert(binary_form=True)
    except OSError as error:
        raise BackendError(f"the certificate of vault {instance} cannot be read: {error.strerror or type(error).__name__}") from None
    yield _certificate(f"vault/{instance}", shown or b"")


def _certificate(address: str, raw: bytes) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    try:
        found = x509.load_pem_x509_certificate(raw) if raw.lstrip().startswith(b"-----") else x509.load_der_x509_certificate(raw)
    except ValueError:
        raise BackendError(f"{address} shows a certificate that is none") from None
    key = found.public_key()
    names: tuple[tuple[type, str], ...] = ((rsa.RSAPublicKey, "rsa"), (ec.EllipticCurvePublicKey, "ec"), (dsa.DSAPublicKey, "dsa"))
    names += ((ed25519.Ed25519PublicKey, "ed25519"), (ed448.Ed448PublicKey, "ed448"))
    algorithm = next((name for type, name in names if isinstance(key, type)), "unknown")
    digest = found.signature_hash_algorithm.name if found.signature_hash_algorithm else ""
    subject = found.subject.rfc4514_string() or "no name"
    return Certificate(address, subject, found.not_valid_after_utc, algorithm, int(getattr(key, "key_size", 0)), digest)


def access_of_all(world: World, instances: Iterable[tuple[str, str]]) -> Part[tuple[Address, Any]]:
    """Everything on the servers that decides who may do what."""
    found: dict[Address, Any] = {}
    unread: list[str] = []
    for backend, instance in instances:
        try:
            seen = live_access(world, backend, instance)
        except ReconcilerError as error:
            unread.append(f"{backend} {instance}: {first_line(error)}")
            continue
        found.update(seen.specs)
        unread.extend(seen.unread)
    return Part(tuple(found.items()), tuple(unread)) if found or unread else absent("there is no server")


__all__ = [
    "access_of_all",
    "at_root",
    "authorities_of",
    "clock_of",
    "connection_of",
    "endpoint_certificate",
    "keys_of",
    "shares_of",
    "sinks_of",
]
