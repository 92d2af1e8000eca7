"""TLS and seals, on a real OpenBao whose certificate nobody signed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.backends.vault.connection import Connection, Tls
from reconciler.backends.vault.login import Login
from reconciler.backends.vault.transport import Transport
from reconciler.core.auth import Auth
from reconciler.core.errors import BackendError, Unavailable
from reconciler.dev.servers import Server

from .vault_tls import NAME, Pair, TlsServer, sealed_tls_server, self_signed


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with sealed_tls_server(tmp_path_factory.mktemp("bao-tls")) as server:
        yield server


@pytest.fixture
def unsealed(tls_server: TlsServer) -> TlsServer:
    tls_server.ask("POST", "sys/unseal", {"key": tls_server.unseal_key})
    return tls_server


@pytest.fixture
def client_pair(tmp_path: Path) -> Pair:
    return self_signed(tmp_path, "ci.example.com", client=True)


def client_of(server: TlsServer, tls: Tls, address: str = "") -> VaultClient:
    return connect(Transport(Connection(address or server.address, tls=tls), sleep=lambda _: None, retry_seconds=1), server.token)


def test_a_certificate_that_nobody_signed_is_refused_with_the_remedy(tls_server: TlsServer) -> None:
    with pytest.raises(
        BackendError, match=r"https://127.0.0.1:\d+: its certificate is not trusted: self.signed.*set VAULT_CACERT"
    ) as caught:
        client_of(tls_server, Tls()).read("sys/mounts")
    assert not isinstance(caught.value, Unavailable)


def test_a_sealed_server_is_reported_as_sealed_and_how_to_unseal_it(tls_server: TlsServer) -> None:
    tls_server.ask("POST", "sys/unseal", {"key": tls_server.unseal_key})
    tls_server.ask("POST", "sys/seal", {})
    client = client_of(tls_server, Tls(ca_cert=str(tls_server.ca)))
    with pytest.raises(Unavailable, match=r"it is sealed; tried \d+ times.*bao operator unseal"):
        client.read("sys/mounts")
    with pytest.raises(Unavailable, match="it is sealed"):
        Login(client.transport, Auth(), {"VAULT_TOKEN": tls_server.token}).token()
    client.close()


def test_a_server_that_is_unsealed_meanwhile_is_waited_for(tls_server: TlsServer) -> None:
    def unseal(_seconds: float) -> None:
        tls_server.ask("POST", "sys/unseal", {"key": tls_server.unseal_key})

    transport = Transport(Connection(tls_server.address, tls=Tls(ca_cert=str(tls_server.ca))), sleep=unseal)
    assert "sys" in (connect(transport, tls_server.token).mounts() or {})
    transport.close()


def test_the_authority_is_found_in_a_file_or_a_folder(unsealed: TlsServer, tmp_path: Path) -> None:
    name = subprocess.run(
        ["openssl", "x509", "-hash", "-noout", "-in", unsealed.ca], check=True, capture_output=True, text=True
    ).stdout.strip()
    (tmp_path / f"{name}.0").write_bytes(unsealed.ca.read_bytes())
    for tls in (Tls(ca_cert=str(unsealed.ca)), Tls(ca_path=str(tmp_path)), Tls(skip_verify=True)):
        client = client_of(unsealed, tls)
        assert client.mounts()
        client.close()


def test_the_name_in_the_certificate_is_checked_unless_another_is_given(unsealed: TlsServer) -> None:
    by_name = unsealed.address.replace("127.0.0.1", "localhost")
    with pytest.raises(BackendError, match=r"not trusted: Hostname mismatch.*VAULT_TLS_SERVER_NAME"):
        client_of(unsealed, Tls(ca_cert=str(unsealed.ca)), by_name).mounts()
    client = client_of(unsealed, Tls(ca_cert=str(unsealed.ca), server_name=NAME), by_name)
    assert client.mounts()
    client.close()


def test_http_to_a_tls_port_and_https_to_a_plain_one_are_told(unsealed: TlsServer, bao: Server) -> None:
    with pytest.raises(BackendError, match="it speaks TLS: write https:// in the address"):
        client_of(unsealed, Tls(), unsealed.address.replace("https", "http")).read("sys/mounts")
    # No certificate was seen, so none is to be trusted: the remedy is the address.
    with pytest.raises(BackendError, match=r"does not speak TLS \(check the address: https:// or http://, and the port\)"):
        client_of(unsealed, Tls(), bao.address.replace("http", "https")).read("sys/mounts")


@pytest.mark.parametrize("tls_of", [lambda path: Tls(ca_cert=path), lambda path: Tls(client_cert=path)], ids=["authority", "client"])
def test_a_pem_file_that_cannot_be_used_is_named(tmp_path: Path, tls_server: TlsServer, tls_of: Callable[[str], Tls]) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("not PEM")
    for path in (rubbish, tmp_path / "absent.pem"):
        with pytest.raises(BackendError, match=f"{path.name}.*cannot be used.*check VAULT_C"):
            client_of(tls_server, tls_of(str(path))).read("sys/mounts")


def test_login_by_certificate(unsealed: TlsServer, client_pair: Pair) -> None:
    if "cert/" not in unsealed.ask("GET", "sys/auth"):
        unsealed.ask("POST", "sys/auth/cert", {"type": "cert"})
    role = {"certificate": client_pair.certificate.read_text(), "token_policies": ["default"], "token_ttl": "10m"}
    unsealed.ask("POST", "auth/cert/certs/ci", role)
    tls = Tls(ca_cert=str(unsealed.ca), client_cert=str(client_pair.certificate), client_key=str(client_pair.key))
    transport = Transport(Connection(unsealed.address, tls=tls))
    login = Login(transport, Auth(method="cert", role="ci"), {})
    found = connect(transport, login.token).read("auth/token/lookup-self") or {}
    assert found["display_name"] == "cert-ci"
    login.close()
    transport.close()


def test_login_by_certificate_without_one_is_told(unsealed: TlsServer) -> None:
    transport = Transport(Connection(unsealed.address, tls=Tls(ca_cert=str(unsealed.ca))))
    with pytest.raises(BackendError, match=r"login by cert needs a client certificate \(set VAULT_CLIENT_CERT"):
        Login(transport, Auth(method="cert", role="ci"), {}).token()
    transport.close()
