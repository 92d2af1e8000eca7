"""An OpenBao behind TLS with a certificate that nobody signed, sealed when it starts; and certificates of clients."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from reconciler.dev.process import await_line, binary, free_port, launch, stop

NAME = "vault.test"


class Pair(NamedTuple):
    certificate: Path
    key: Path


class TlsServer(NamedTuple):
    address: str
    ca: Path
    token: str
    unseal_key: str
    process: subprocess.Popen[bytes]

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Speak to it past the code under test."""
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/v1/{path}", sent, {"X-Vault-Token": self.token}, method=method)
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=str(self.ca))) as response:
            return json.loads(response.read() or b"null")


def self_signed(folder: Path, name: str, *, client: bool = False) -> Pair:
    """Write a certificate, which is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]) if client else names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(key, SHA256())
    )
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pair


@contextmanager
def sealed_tls_server(folder: Path) -> Iterator[TlsServer]:
    """Run it, initialised and sealed. Its key and root token are in what is yielded."""
    pair = self_signed(folder, NAME)
    port = free_port()
    configuration = folder / "bao.hcl"
    configuration.write_text(
        f'storage "inmem" {{}}\nlistener "tcp" {{\n  address = "127.0.0.1:{port}"\n'
        f'  tls_cert_file = "{pair.certificate}"\n  tls_key_file = "{pair.key}"\n}}\n'
    )
    process = launch([binary("bao"), "server", f"-config={configuration}"], folder / "bao.log")
    try:
        await_line(process, folder / "bao.log", "server started!")
        server = TlsServer(f"https://127.0.0.1:{port}", pair.certificate, "", "", process)
        made = server.ask("POST", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
        yield server._replace(token=made["root_token"], unseal_key=made["keys"][0])
    finally:
        stop(process)
