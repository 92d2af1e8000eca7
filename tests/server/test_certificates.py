"""Certificates and revocation lists that are renewed while the server runs: real handshakes before and after, and open connections."""

from __future__ import annotations

import http.client
import signal
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives import hashes

from reconciler.core.errors import Usage
from reconciler.server.certificates import Certificates, Files
from tests.server.certificates import SERVER, Pair, authority, client, issue, revoke
from tests.server.deployment import Deployment, ask_on, until
from tests.server.serving import Recorder, Served, served
from tests.server.test_tls import refused

URI = "spiffe://genesis/prometheus"


class Place(NamedTuple):
    """A server's files, and who signs its certificate and its clients'."""

    folder: Path
    ca: Pair
    files: Files

    def renew(self) -> Pair:
        pair = issue(self.ca, names=["localhost"], usage=SERVER)
        pair.write(self.folder, "server")
        return pair

    def trust(self, text: str) -> None:
        assert self.files.client_ca is not None
        replaced = self.folder / "new.pem"
        replaced.write_text(text)
        replaced.replace(self.files.client_ca)  # as those who renew files do it: another file of that name


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path, authority(), Files(tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "clients.pem"))
    made.renew()
    made.trust(made.ca.pem)
    return made


@pytest.fixture
def running(place: Place) -> Iterator[tuple[Certificates, Served]]:
    certificates = Certificates(place.files)
    with served(Recorder(), certificates.context) as server:
        yield certificates, server


def shown(server: Served, context: ssl.SSLContext) -> bytes | None:
    """The certificate that a new connection is shown, as its fingerprint."""
    with server.connect(context) as connection:
        assert isinstance(connection, ssl.SSLSocket)
        found = connection.getpeercert(binary_form=True)
    assert found is not None
    return hashed(found)


def hashed(der: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return digest.finalize()


def test_a_client_is_refused_once_it_is_on_the_revocation_list(place: Place, running: tuple[Certificates, Served]) -> None:
    certificates, server = running
    bad, good = (issue(place.ca, uris=[URI]) for _ in range(2))
    clients = [client(place.folder, place.ca, pair, name) for pair, name in ((bad, "bad"), (good, "good"))]
    assert [refused(server, one) for one in clients] == [False, False]
    place.trust(place.ca.pem + revoke(place.ca, bad))
    certificates.look()
    assert [refused(server, one) for one in clients] == [True, False]
    place.trust(place.ca.pem + revoke(place.ca))
    certificates.look()
    assert [refused(server, one) for one in clients] == [False, False], "what was taken off the list counts no more"


def test_a_file_that_is_half_written_lets_nobody_in_who_was_revoked(place: Place, running: tuple[Certificates, Served]) -> None:
    certificates, server = running
    bad = issue(place.ca, uris=[URI])
    context = client(place.folder, place.ca, bad)
    place.trust(place.ca.pem + revoke(place.ca, bad))
    certificates.look()
    place.trust(place.ca.pem)  # as far as it was written when it was read
    certificates.look()
    assert refused(server, context)
    assert "revocation list is gone" in certificates.problems()[0]
    place.trust(place.ca.pem + revoke(place.ca, bad))
    certificates.look()
    assert (refused(server, context), certificates.problems()) == (True, [])


def test_an_authority_that_is_taken_away_is_trusted_no_more(place: Place, running: tuple[Certificates, Served]) -> None:
    certificates, server = running
    other = authority("other")
    mine = issue(other, uris=[URI])
    context = client(place.folder, place.ca, mine)
    assert refused(server, context)
    place.trust(place.ca.pem + other.pem)
    certificates.look()
    assert not refused(server, context)
    place.trust(place.ca.pem)
    certificates.look()
    assert refused(server, context)


def test_files_that_do_not_fit_change_nothing_until_they_do(place: Place, running: tuple[Certificates, Served]) -> None:
    certificates, server = running
    context = client(place.folder, place.ca, None)
    before = shown(server, context)
    key = place.files.key.read_bytes()
    pair = place.renew()
    new_key = place.files.key.read_bytes()
    place.files.key.write_bytes(key)  # the certificate is written, and its key is not yet
    certificates.look()
    assert shown(server, context) == before
    assert "no certificate and its key" in certificates.problems()[0]
    place.files.key.write_bytes(new_key)
    certificates.look()
    assert shown(server, context) == pair.certificate.fingerprint(hashes.SHA256())
    assert certificates.problems() == []
    place.trust("nothing")
    certificates.look()
    assert "verify clients by" in certificates.problems()[0]
    assert not refused(server, context)


def test_the_first_files_have_to_fit(place: Place) -> None:
    place.files.key.write_text("nothing")
    with pytest.raises(Usage, match="no certificate and its key"):
        Certificates(place.files)


def test_a_server_that_serves_reads_them_when_they_change_or_on_sighup_and_drops_no_connection(deployed: Deployment, place: Place) -> None:
    context = client(place.folder, place.ca, None)
    files = ("--tls-cert", str(place.files.cert), "--tls-key", str(place.files.key), "--client-ca", str(place.files.client_ca))
    mine = issue(place.ca, uris=[URI])
    certified = client(place.folder, place.ca, mine)
    with deployed.serving(*files) as running:
        server = Served(running.port)
        kept = http.client.HTTPSConnection("localhost", running.port, timeout=60, context=certified)
        assert ask_on(kept, "GET", "/api/v1/status")[0] == 200, "the certificate proves who asks"
        port = kept.sock.getsockname()

        def still_open() -> bool:
            """Use the connection, since one that nobody uses is closed after a while."""
            time.sleep(0.2)  # or it would be asked more often than the limit allows
            assert ask_on(kept, "GET", "/health/live")[0] == 200
            return bool(kept.sock.getsockname() == port)

        renewed = place.renew().certificate.fingerprint(hashes.SHA256())
        until(lambda: still_open() and shown(server, context) == renewed, "it is read because it has changed")

        place.trust(place.ca.pem + revoke(place.ca, mine))
        running.process.send_signal(signal.SIGHUP)
        until(lambda: still_open() and refused(server, certified), "the revocation list is read")
        assert still_open(), "it is the same connection, of a certificate that is good no more for a new one"
        kept.close()
        assert running.process.poll() is None
    assert "Traceback" not in "".join(running.said)


def test_sighup_ends_no_server_without_certificates(deployed: Deployment) -> None:
    with deployed.serving() as running:
        running.process.send_signal(signal.SIGHUP)
        assert running.ask("GET", "/health/live")[0] == 200
        running.process.terminate()
        assert running.ends() == 0
