"""TLS over real sockets: who shows a bad certificate is not talked to, and a good one is in the scope."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from reconciler.core.errors import Usage
from reconciler.server import protocol
from reconciler.server.listen import listening
from reconciler.server.tls import refuse_unverified, server_context
from tests.server.certificates import DAY, NOW, SERVER, Pair, authority, client, issue, revoke
from tests.server.serving import Recorder, Served, received, served

URI = "spiffe://genesis/prometheus"


@pytest.fixture(scope="module")
def ca() -> Pair:
    return authority()


@pytest.fixture
def client_ca(tmp_path: Path, ca: Pair) -> Path:
    path = tmp_path / "clients.pem"
    path.write_text(ca.pem)
    return path


@pytest.fixture
def context(tmp_path: Path, ca: Pair, client_ca: Path) -> ssl.SSLContext:
    return server_context(*issue(ca, names=["localhost"], usage=SERVER).write(tmp_path, "server"), client_ca)


@pytest.fixture
def app() -> Recorder:
    return Recorder()


@pytest.fixture
def server(app: Recorder, context: ssl.SSLContext) -> Iterator[Served]:
    with served(app, context) as one:
        yield one


def refused(server: Served, context: ssl.SSLContext) -> bool:
    """Whether a client gets no answer. In TLS 1.3 it learns that its certificate is refused when it reads."""
    try:
        return server.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", context) == b""
    except ssl.SSLError:
        return True


def test_a_good_certificate_is_in_the_scope(server: Served, app: Recorder, tmp_path: Path, ca: Pair) -> None:
    pair = issue(ca, uris=[URI], cn="prometheus")
    assert server.ask("/", context=client(tmp_path, ca, pair)).status == 200
    extension = app.scopes[0]["extensions"]["tls"]
    assert [text.strip() for text in extension["client_cert_chain"]] == [pair.pem.strip()]
    assert extension["client_cert_name"] == "CN=prometheus"
    assert extension["tls_version"] == 0x0304
    assert extension["cipher_suite"] in (0x1301, 0x1302, 0x1303)


def test_without_a_certificate_there_is_none_in_the_scope(server: Served, app: Recorder, tmp_path: Path, ca: Pair) -> None:
    assert server.ask("/", context=client(tmp_path, ca, None)).status == 200
    assert app.scopes[0]["extensions"]["tls"]["client_cert_chain"] == []


def test_certificates_that_are_not_good_end_the_connection(server: Served, app: Recorder, tmp_path: Path, ca: Pair) -> None:
    other = authority()  # of the same name
    bad = {
        "expired": issue(ca, uris=[URI], until=NOW - DAY),
        "of another authority": issue(other, uris=[URI]),
        "for servers": issue(ca, uris=[URI], usage=SERVER),
        "signed by itself": authority(),
        "signed by a client": issue(issue(ca, uris=[URI], cn="client"), uris=[URI]),
    }
    assert {name: refused(server, client(tmp_path, ca, pair, name)) for name, pair in bad.items()} == dict.fromkeys(bad, True)
    assert app.scopes == []


def test_a_revoked_certificate_ends_the_connection_and_others_do_not(tmp_path: Path, ca: Pair, client_ca: Path, app: Recorder) -> None:
    bad, good, later = (issue(ca, uris=[URI]) for _ in range(3))
    client_ca.write_text(ca.pem + revoke(ca, bad))
    context = server_context(*issue(ca, names=["localhost"], usage=SERVER).write(tmp_path, "server"), client_ca)
    clients = {name: client(tmp_path, ca, pair, name) for name, pair in (("bad", bad), ("good", good), ("later", later))}
    with served(app, context) as server:
        assert refused(server, clients["bad"])
        assert not refused(server, clients["good"])
        assert not refused(server, clients["later"])


def test_no_session_is_resumed_where_certificates_count(server: Served, tmp_path: Path, ca: Pair) -> None:
    shown = client(tmp_path, ca, issue(ca, uris=[URI]))
    with server.connect(shown) as connection:
        assert isinstance(connection, ssl.SSLSocket)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert received(connection)
        assert connection.version() == "TLSv1.3"
        assert connection.session is None or not connection.session.has_ticket


def test_old_versions_are_not_spoken(server: Served, tmp_path: Path, ca: Pair) -> None:
    old = client(tmp_path, ca, None)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        server.connect(old)


def test_plain_text_is_not_answered_where_tls_is_spoken(server: Served, app: Recorder) -> None:
    assert server.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") in (b"", b"\x15\x03\x01\x00\x02\x02P")
    assert app.scopes == []


def test_a_handshake_that_is_not_begun_is_closed(app: Recorder, context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    assert protocol.HEAD_SECONDS < 10
    monkeypatch.setattr("reconciler.server.listen.HEAD_SECONDS", 0.5)
    with served(app, context) as server, server.connect() as connection:
        assert received(connection) == b""


def test_without_tls_there_is_no_extension(app: Recorder) -> None:
    with served(app) as server:
        server.ask("/")
    assert app.scopes[0]["extensions"] == {}


def test_files_that_are_not_what_they_should_be_are_named(tmp_path: Path, ca: Pair, client_ca: Path) -> None:
    cert, key = issue(ca, names=["localhost"], usage=SERVER).write(tmp_path, "server")
    _, other_key = issue(ca).write(tmp_path, "other")
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    leaf = tmp_path / "leaf.pem"
    leaf.write_text(issue(ca).pem)
    locked = tmp_path / "locked.key"
    locked.write_bytes(
        issue(ca).key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"a password that nobody is asked for"))
    )
    for files, words in {
        (cert, locked): "no certificate and its key",
        (cert, other_key): "no certificate and its key",
        (tmp_path / "absent", key): "No such file",
        (cert, key, empty): "no certificates to verify clients by",
        (cert, key, tmp_path / "absent"): "No such file",
        (cert, key, leaf): "no certificate of an authority",
    }.items():
        with pytest.raises(Usage, match=re.escape(words)):
            server_context(*files)
    server_context(cert, key, client_ca)


def test_certificates_that_are_asked_for_but_not_verified_are_no_start(context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(Usage, match="everybody would be let in"):
        refuse_unverified(context)
    with pytest.raises(Usage, match="everybody would be let in"):
        listening(living_app, "127.0.0.1", 0, context)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "reconciler.example.com"])
def test_plain_text_stays_on_loopback_or_behind_a_proxy(host: str, context: ssl.SSLContext) -> None:
    with pytest.raises(Usage, match="TLS is off"):
        listening(living_app, host, 0, None)
    assert listening(living_app, host, 0, None, proxied=True).ssl is None
    assert listening(living_app, host, 0, context).ssl is context
    for near in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        assert listening(living_app, near, 0, None).ssl is None


async def living_app(scope: object, receive: object, send: object) -> None:
    """An application that nothing is asked of."""
