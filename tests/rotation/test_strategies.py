"""Certificates, keys, commands and web services, each on what it is for."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from reconciler.backends.aws.client import AwsClient
from reconciler.backends.vault.client import VaultClient
from reconciler.rotation.seen import Asked, Probe
from reconciler.rotation.state import Phase, kept
from reconciler.rotation.targets import Source
from reconciler.secrets.store import SecretStore
from tests.rotation.rig import Fault
from tests.rotation.strategies import CALL, SCRIPT, certificate, external, rig

# --- certificates


@pytest.mark.parametrize("role", ["web", "old"], ids=["elliptic keys", "RSA keys"])
def test_a_certificate_is_signed_for_a_key_made_here_and_the_previous_one_revoked(store: SecretStore, pki: VaultClient, role: str) -> None:
    one = rig(store, pki, certificate(role))
    one.settle()
    first = one.value()
    loaded = x509.load_pem_x509_certificate(first["certificate"].encode())
    key = serialization.load_pem_private_key(first["private_key"].encode(), None)
    assert loaded.public_key() == key.public_key()
    assert "BEGIN CERTIFICATE" in first["ca_chain"]
    one.settle(Asked("somebody"))
    second = one.value()
    assert second["serial_number"] != first["serial_number"]
    assert one.strategy.probe(CALL, kept(first)) is Probe.REFUSED
    assert one.strategy.probe(CALL, kept(second)) is Probe.ACCEPTED


@pytest.mark.parametrize("mode", ["lost", "killed"])
def test_a_certificate_whose_answer_was_lost_is_found_by_its_key(store: SecretStore, pki: VaultClient, mode: Any) -> None:
    one = rig(store, pki, certificate())
    before = len(one.strategy.known_ids())
    while one.state().phase is not Phase.STAGED:
        one.step()
    one.fault = OnlyAtApply(mode)
    one.step()
    one.settle()
    assert len(one.strategy.known_ids()) == before + 1, "nothing was signed twice"
    assert one.strategy.probe(CALL, kept(one.value())) is Probe.ACCEPTED


class OnlyAtApply(Fault):
    def __init__(self, mode: Any) -> None:
        super().__init__()
        self.mode = mode

    def around(self, name: str, call: Any) -> Any:
        self.countdown = 0 if name == "apply" else -1
        return super().around(name, call)


def test_what_was_signed_twice_is_revoked(store: SecretStore, pki: VaultClient) -> None:
    one = rig(store, pki, certificate())
    while one.state().phase is not Phase.STAGED:
        one.step()
    state = one.state()
    assert state.pending is not None
    from reconciler.rotation.tls_certificate import _request

    for _ in range(2):  # two rotators that asked at the same moment
        pki.write("pki/sign/web", {"csr": _request(state.pending, "www.example.com"), "common_name": "www.example.com"})
    one.settle()
    good = [serial for serial in one.strategy.known_ids() if one.strategy.alive((serial,))]
    mine = [serial for serial in good if serial not in state.known_ids]
    assert mine == [one.value()["serial_number"]]


# --- keys


def test_a_transit_key_is_rotated_its_ciphertexts_rewrapped_and_the_old_version_ended(store: SecretStore, vault: VaultClient) -> None:
    vault.write("sys/mounts/transit", {"type": "transit"})
    vault.write("transit/keys/orders", {})
    sealed = vault.write("transit/encrypt/orders", {"plaintext": "aGVsbG8="})["ciphertext"]
    store.put("cards/one", {"number": sealed, "note": "plain"})
    one = rig(store, vault, {"type": "transit_key", "target": {"mount": "transit", "name": "orders", "rewrap": ["cards/one"]}})
    one.settle()
    assert one.value() == {"key": "transit/orders", "version": "1"}
    one.settle(Asked("somebody"))
    assert one.value()["version"] == "2"
    held = store.get("cards/one")
    assert held is not None
    assert held.value["number"].startswith("vault:v2:")
    assert held.value["note"] == "plain"
    assert vault.write("transit/decrypt/orders", {"ciphertext": held.value["number"]})["plaintext"] == "aGVsbG8="
    key = vault.read("transit/keys/orders")
    assert key is not None
    assert (key["latest_version"], key["min_decryption_version"]) == (2, 2)


def test_a_kms_key_is_rotated_on_demand_once(store: SecretStore, vault: VaultClient, aws: AwsClient) -> None:
    made = aws.change("kms", "create_key")["KeyMetadata"]["KeyId"]
    one = rig(store, vault, {"type": "kms_key", "target": {"key": made}}, aws=aws)
    one.settle()
    one.settle(Asked("somebody"))
    assert len(list(aws.pages("kms", "list_key_rotations", "Rotations", KeyId=made))) == 1
    assert one.value()["rotations"] == "1"


# --- commands and web services


@pytest.fixture
def partner(tmp_path: Path) -> Path:
    (tmp_path / "partner-key").write_text(SCRIPT)
    (tmp_path / "partner-key").chmod(0o755)
    return tmp_path


def test_a_command_makes_tries_and_ends_values(store: SecretStore, vault: VaultClient, partner: Path) -> None:
    one = rig(store, vault, external(), partner)
    one.settle()
    first = one.value()["value"]
    one.settle(Asked("somebody"))
    assert json.loads((partner / "good.json").read_text()) == [one.value()["value"]]
    assert first not in (partner / "calls.log").read_text()
    calls = [json.loads(line) for line in (partner / "calls.log").read_text().splitlines()]
    assert {call[0][0] for call in calls} == {"apply", "probe", "revoke"}
    assert all(call[1] == ["fence", "previous", "rid", "secret", "value"] for call in calls)


def test_a_command_that_says_no_spends_the_budget_and_is_given_up(store: SecretStore, vault: VaultClient, partner: Path) -> None:
    one = rig(store, vault, external(), partner)
    one.policy = one.policy.model_copy(update={"retries": 1})
    one.settle()
    before = one.value()
    (partner / "partner-key").write_text(SCRIPT.replace("good.append(value)", "sys.exit(1)"))
    one.settle(Asked("somebody"))
    assert one.state().failures == 1
    one.now = float(one.state().backoff_until)
    one.settle(Asked("somebody"))
    assert one.state().phase is Phase.ORPHANED
    assert one.value() == before
    assert one.strategy.probe(CALL, kept(before)) is Probe.ACCEPTED


def test_a_command_that_says_try_again_spends_nothing(store: SecretStore, vault: VaultClient, partner: Path) -> None:
    one = rig(store, vault, external(), partner)
    one.settle()
    (partner / "partner-key").write_text("#!/bin/sh\nexit 75\n")
    for _ in range(5):
        one.step(Asked("somebody"))
    assert one.state().failures == 0
    (partner / "partner-key").write_text(SCRIPT)
    one.settle()
    assert one.state().phase is Phase.IDLE


class _Partner(BaseHTTPRequestHandler):
    good: set[str] = set()
    seen: list[tuple[str, str | None]] = []
    broken = 0

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        value = told["value"]["value"]
        verb = self.path.rpartition("/")[2]
        self.seen.append((verb, self.headers["Authorization"]))
        if _Partner.broken:
            _Partner.broken -= 1
            self._answer(503)
        elif verb == "apply":
            self.good.add(value)
            self._answer(204)
        elif verb == "revoke":
            self.good.discard(value)
            self._answer(204)
        else:
            self._answer(200 if value in self.good else 404)

    def do_GET(self) -> None:
        given = (self.headers["Authorization"] or "").removeprefix("bearer ")
        self._answer(503 if _Partner.broken else 200 if given in self.good else 401)
        _Partner.broken = max(0, _Partner.broken - 1)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def service() -> Iterator[str]:
    _Partner.good, _Partner.seen, _Partner.broken = set(), [], 0
    server = HTTPServer(("127.0.0.1", 0), _Partner)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_web_service_makes_tries_and_ends_values(store: SecretStore, vault: VaultClient, service: str) -> None:
    target = {"http": {"url": f"{service}/keys", "token": {"from": "env:PARTNER"}}}
    tried = {"http": {"url": f"{service}/v1/me", "header": "Authorization: bearer ${{ value }}", "expect": 200}, "of": 3, "need": 2}
    one = rig(store, vault, external(target=target, validate=tried))
    one.settle()
    _Partner.broken = 1
    one.settle(Asked("somebody"))
    one.settle()
    assert _Partner.good == {one.value()["value"]}
    assert {token for _, token in _Partner.seen} == {"Bearer token-of-env:PARTNER"}


def test_a_validation_that_fails_takes_the_new_value_back(store: SecretStore, vault: VaultClient, partner: Path) -> None:
    one = rig(store, vault, external(validate={"command": ["./check"]}), partner)
    (partner / "check").write_text("#!/bin/sh\nexit 0\n")
    (partner / "check").chmod(0o755)
    one.settle()
    before = one.value()
    (partner / "check").write_text("#!/bin/sh\nexit 1\n")
    one.settle(Asked("somebody"))
    assert one.value() == before
    assert json.loads((partner / "good.json").read_text()) == [before["value"]]
    assert (one.state().phase, one.state().failures) == (Phase.IDLE, 1)


def test_sources_of_a_rotation_survive_the_ledger() -> None:
    assert Source.model_validate({"from": "env:X"}) == Source.model_validate({"origin": "env:X"})
