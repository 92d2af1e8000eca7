"""Where a server is said to be, and the proxies on the way to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from reconciler.backends.vault.client import connect
from reconciler.backends.vault.connection import Connection, Proxy, Tls, connection_from, parse_host, proxy_from
from reconciler.backends.vault.transport import Transport
from reconciler.core.errors import BackendError, Unavailable
from reconciler.dev.servers import Server

from .vault_tls import TlsServer, sealed_tls_server


def test_what_the_environment_file_leaves_out_comes_from_the_environment() -> None:
    environ = {
        "VAULT_ADDR": "https://vault:8200",
        "BAO_ADDR": "https://bao:8200",
        "VAULT_NAMESPACE": "/team/",
        "VAULT_CACERT": "ca.pem",
        "VAULT_CAPATH": "cas",
        "BAO_CLIENT_CERT": "me.crt",
        "VAULT_CLIENT_KEY": "me.key",
        "VAULT_TLS_SERVER_NAME": "vault.test",
        "VAULT_SKIP_VERIFY": "True",
    }
    tls = Tls("ca.pem", "cas", "me.crt", "me.key", "vault.test", True)
    assert connection_from(environ) == Connection("https://bao:8200", "team", tls)
    assert connection_from(environ, "https://eu:8200", "") == Connection("https://eu:8200", "", tls)


def test_without_any_address_the_remedy_is_given() -> None:
    with pytest.raises(BackendError, match=r"no Vault address .*set VAULT_ADDR"):
        connection_from({})


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("vault.example.com:8200", "must start with https://"),
        ("ftp://vault", "must start with https://"),
        ("https://", "must start with https://"),
        ("https://vault:port", "is not a URL"),
        ("https://vault:8200/v1/secret", "scheme, host and port only"),
        ("https://user:canary@vault", "scheme, host and port only"),
    ],
)
def test_an_address_that_cannot_be_is_refused(address: str, words: str) -> None:
    with pytest.raises(BackendError, match=words) as caught:
        parse_host(address)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8200", "https://[::1]:8200", "https://vault.example.com:443"])
def test_an_address_is_written_as_it_was_read(address: str) -> None:
    assert str(parse_host(address)) == address


PROXIED = {"HTTPS_PROXY": "http://me:c%40nary@proxy:3128", "http_proxy": "plain:8080"}


@pytest.mark.parametrize(
    ("environ", "address", "proxy"),
    [
        (PROXIED, "https://vault", "proxy:3128"),
        (PROXIED, "http://vault", "plain:8080"),
        (PROXIED, "https://localhost", None),
        (PROXIED, "https://127.0.0.1", None),
        ({**PROXIED, "NO_PROXY": "a.b, vault.example.com"}, "https://vault.example.com", None),
        ({**PROXIED, "NO_PROXY": ".example.com"}, "https://vault.example.com", None),
        ({**PROXIED, "NO_PROXY": "example.com:8200"}, "https://vault.example.com:8200", None),
        ({**PROXIED, "NO_PROXY": "example.com:8200"}, "https://vault.example.com:8201", "proxy:3128"),
        ({**PROXIED, "NO_PROXY": "ample.com"}, "https://vault.example.com", "proxy:3128"),
        ({**PROXIED, "no_proxy": "10.0.0.0/8"}, "https://10.1.2.3", None),
        ({**PROXIED, "no_proxy": "10.0.0.0/8,x/y"}, "https://11.1.2.3", "proxy:3128"),
        ({**PROXIED, "NO_PROXY": "*"}, "https://vault", None),
        ({"ALL_PROXY": "http://all:1"}, "https://vault", "all:1"),
        ({"HTTP_PROXY": "http://cgi:1", "REQUEST_METHOD": "GET"}, "http://vault", None),
        ({}, "https://vault", None),
    ],
)
def test_proxies_are_chosen_as_curl_does(environ: dict[str, str], address: str, proxy: str | None) -> None:
    chosen = proxy_from(environ, parse_host(address))
    assert (chosen and f"{chosen.host}:{chosen.port}") == proxy


def test_vault_proxy_addr_is_for_vault_alone_and_beats_the_others() -> None:
    found = connection_from({**PROXIED, "VAULT_PROXY_ADDR": "http://own:1", "NO_PROXY": "*"}, "https://vault")
    assert found.proxy == Proxy("own", 1)


def test_a_proxys_password_is_not_in_its_text() -> None:
    found = proxy_from(PROXIED, parse_host("https://vault"))
    assert found is not None
    assert found.authorization.startswith("Basic ")
    assert found.authorization not in repr(found)


def test_a_proxy_that_is_not_http_is_refused() -> None:
    with pytest.raises(BackendError, match="must be http://HOST:PORT"):
        proxy_from({"HTTPS_PROXY": "socks5://proxy:1"}, parse_host("https://vault"))


@contextmanager
def proxying(answer: bytes = b"") -> Iterator[tuple[Proxy, list[str]]]:
    """A proxy for one connection at a time: tunnels CONNECT, forwards the rest; or gives one answer to all."""
    heads: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    _proxied(listener.accept()[0], answer, heads)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Proxy("127.0.0.1", listener.getsockname()[1], "Basic bWU6Y2FuYXJ5"), heads
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _proxied(near: socket.socket, answer: bytes, heads: list[str]) -> None:
    with near:
        request = near.recv(65536)
        heads.append(request.decode())
        if answer:
            near.sendall(answer)
            return
        method, where, _ = request.decode().split(" ", 2)
        name, _, port = where.removeprefix("http://").partition("/")[0].partition(":")
        with socket.create_connection((name, int(port))) as far:
            if method == "CONNECT":
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                far.sendall(request)
            back = threading.Thread(target=_pump, args=(far, near))
            back.start()
            _pump(near, far)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while got := source.recv(65536):
            sink.sendall(got)
        sink.shutdown(socket.SHUT_WR)


def test_a_plain_server_is_reached_through_a_proxy(bao: Server) -> None:
    with proxying() as (proxy, heads):
        client = connect(Transport(Connection(bao.address, proxy=proxy)), bao.token)
        assert client.mounts()
        assert client.auth_mounts()
        client.close()
        assert heads[0].startswith(f"GET {bao.address}/v1/sys/mounts HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic bWU6Y2FuYXJ5" in heads[0]


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with sealed_tls_server(tmp_path_factory.mktemp("bao-proxied")) as server:
        server.ask("POST", "sys/unseal", {"key": server.unseal_key})
        yield server


def test_a_tls_server_is_reached_through_a_tunnel_that_sees_no_token(tls_server: TlsServer) -> None:
    with proxying() as (proxy, heads):
        connection = Connection(tls_server.address, tls=Tls(ca_cert=str(tls_server.ca)), proxy=proxy)
        client = connect(Transport(connection), tls_server.token)
        assert client.mounts()
        client.close()
        assert [head.partition(" ")[0] for head in heads] == ["CONNECT"]
        assert tls_server.token not in heads[0]


def test_a_proxy_that_refuses_is_named_and_its_password_is_not(tls_server: TlsServer, tmp_path: Path) -> None:
    with proxying(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n") as (proxy, _):
        connection = Connection(tls_server.address, tls=Tls(ca_cert=str(tls_server.ca)), proxy=proxy)
        client = connect(Transport(connection, retry_seconds=0), tls_server.token)
        with pytest.raises(Unavailable, match=f"the proxy 127.0.0.1:{proxy.port} refused to connect with status 407") as caught:
            client.mounts()
        assert "bWU6" not in str(caught.value)
