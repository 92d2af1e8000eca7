"""What targets may do to us: answer late, be full, be somebody's already, or hold more than was thought."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.backends.aws.client import AwsClient
from reconciler.backends.postgres import Postgres, refusal
from reconciler.backends.vault.client import VaultClient
from reconciler.core.errors import Refused
from reconciler.report.rotations import rotated_json
from reconciler.rotation.rotate import Orders, rotate_one
from reconciler.rotation.seen import Asked, Probe
from reconciler.rotation.state import State, kept, write_state
from reconciler.rotation.strategy import Call
from reconciler.rotation.tls_certificate import MOST_KNOWN, _request
from reconciler.secrets.store import SecretStore
from tests.rotation.logins import logins
from tests.rotation.orders import administrator
from tests.rotation.rig import Rig
from tests.rotation.strategies import CALL, SCRIPT, certificate, external, rig

WISH = Asked("somebody")


def transit(store: SecretStore, vault: VaultClient, rewrap: list[str]) -> Rig:
    vault.write("sys/mounts/transit", {"type": "transit"})
    vault.write("transit/keys/orders", {})
    return rig(store, vault, {"type": "transit_key", "target": {"mount": "transit", "name": "orders", "rewrap": rewrap}})


def test_versions_of_a_key_go_on_where_nobody_said_what_it_encrypted(store: SecretStore, vault: VaultClient) -> None:
    one = transit(store, vault, [])
    sealed = vault.write("transit/encrypt/orders", {"plaintext": "aGVsbG8="})["ciphertext"]
    one.settle()
    one.settle(Asked("somebody", ("current",)))
    assert one.value()["version"] == "2"
    assert vault.write("transit/decrypt/orders", {"ciphertext": sealed})["plaintext"] == "aGVsbG8="


def test_a_late_rotator_never_lets_an_ended_version_decrypt_again(store: SecretStore, vault: VaultClient) -> None:
    one = transit(store, vault, ["cards/one"])
    for _ in range(3):
        vault.write("transit/keys/orders/rotate", {})

    class Late:
        """A store that is read while somebody else ends version 3."""

        name = "vault"

        def get(self, path: str, version: str = "") -> None:
            vault.write("transit/keys/orders/config", {"min_decryption_version": 4})

    spec = {"type": "transit_key", "target": {"mount": "transit", "name": "orders", "rewrap": ["cards/one"]}}
    late = rig(Late(), vault, spec)  # type: ignore[arg-type]  # nothing else is called
    late.strategy.revoke(CALL, kept({"version": "1"}))
    key = vault.read("transit/keys/orders")
    assert key is not None
    assert key["min_decryption_version"] == 4
    assert one.strategy.probe(CALL, kept({"version": "3"})) is Probe.REFUSED


@pytest.mark.parametrize("written", [{"rotations": "many"}, {}])
def test_what_a_person_wrote_over_a_keys_secret_is_no_value(
    store: SecretStore,
    vault: VaultClient,
    aws: AwsClient,
    written: dict[str, str],
) -> None:
    made = aws.change("kms", "create_key")["KeyMetadata"]["KeyId"]
    one = rig(store, vault, {"type": "kms_key", "target": {"key": made}}, aws=aws)
    assert one.strategy.probe(CALL, kept(written)) is Probe.REFUSED


def test_a_large_authority_does_not_swell_the_state(store: SecretStore, pki: VaultClient, monkeypatch: pytest.MonkeyPatch) -> None:
    one = rig(store, pki, certificate())
    one.settle()
    strategy: Any = one.strategy
    serials = tuple(f"{number:040x}" for number in range(MOST_KNOWN + 1))
    monkeypatch.setattr(strategy, "_serials", lambda: serials)
    assert strategy.known_ids() == (), "all are looked at instead"
    monkeypatch.setattr(strategy, "_serials", lambda: serials[:-1])
    assert len(strategy.known_ids()) == MOST_KNOWN
    assert len(write_state(State(known_ids=strategy.known_ids()))["state"]) < 30_000, "AWS takes 65,536 bytes"


def test_a_leaked_key_loses_every_certificate_it_has(store: SecretStore, pki: VaultClient) -> None:
    one = rig(store, pki, certificate())
    one.settle()
    leaked = kept(one.value())
    # A rotator that woke up late had the same key signed once more.
    pki.write("pki/sign/web", {"csr": _request(leaked, "www.example.com"), "common_name": "www.example.com"})
    one.settle(Asked("somebody", ("current",)))
    good = [serial for serial in one.strategy._serials() if one.strategy.alive((serial,))]  # type: ignore[attr-defined]  # a certificate's own
    root = [serial for serial in good if serial != one.value()["serial_number"]]
    assert len(root) == 1, "the authority's own, and no other"


def test_a_target_without_room_is_held_and_nothing_is_deleted(store: SecretStore, vault: VaultClient, tmp_path: Path) -> None:
    script = tmp_path / "partner-key"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    one = rig(store, vault, external(), tmp_path)
    one.settle()
    before = one.value()
    script.write_text(SCRIPT.replace("good.append(value)", "sys.exit(73)"))
    done = rotate_one(one.unharmed, Orders(WISH))
    assert (done.phase, done.failed, one.state().failures) == ("HELD", True, 0)
    assert "no room" in one.state().hold
    assert one.value() == before
    assert json.loads((tmp_path / "good.json").read_text()) == [before["value"]]


def test_a_secret_that_aws_rotates_is_refused_at_once(store: SecretStore, vault: VaultClient, tmp_path: Path) -> None:
    (tmp_path / "partner-key").write_text(SCRIPT)
    (tmp_path / "partner-key").chmod(0o755)
    one = rig(store, vault, external(), tmp_path)
    one.settle()
    one.foreign = "AWS rotates it itself"
    done = [rotate_one(one.unharmed, Orders(WISH))]
    assert rotated_json(done)[0]["outcome"] == "error"
    assert "AWS rotates it itself" in done[0].error
    with pytest.raises(Refused):
        one.settle(WISH)


# --- databases


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ('FATAL:  password authentication failed for user "orders_a"', True),
        ('FATAL:  role "orders_a" is not permitted to log in', True),
        ('FATAL:  role "orders_a" does not exist', True),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "orders_a", database "orders", no encryption', False),
        ('FATAL:  pg_hba.conf rejects connection for host "10.0.0.9", user "orders_a", database "orders"', False),
        ("FATAL:  sorry, too many clients already", False),
        ("FATAL:  the database system is starting up", False),
        ('FATAL:  database "orders" does not exist', False),
        ("connection refused", False),
    ],
)
def test_only_an_answer_about_the_login_is_a_refusal(said: str, meant: bool) -> None:
    assert refusal(said) is meant


@pytest.mark.parametrize("count", [1, 2], ids=["one user", "two users"])
def test_a_login_that_somebody_uses_is_not_taken_over_by_the_schedule(store: SecretStore, users: str, count: int) -> None:
    one = logins(store, users, count)
    target = one.spec.target
    assert target is not None
    with administrator() as connection:
        for user in target.users:
            connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'of-the-application' IN ROLE rig_owner".encode())
    one.settle()
    server = Postgres(target.dsn, lambda: users)
    assert all(server.login(user, "of-the-application") for user in target.users)
    assert one.store.get(one.path) is None
    done = rotate_one(one.unharmed, Orders())
    assert "has a password that the store does not know" in done.waits
    one.settle(WISH)
    assert one.strategy.probe(Call("", "", 0), kept(one.value())) is Probe.ACCEPTED, "who asks for it gets it"


def test_a_first_value_is_made_for_the_login_that_nobody_uses(store: SecretStore, users: str) -> None:
    one = logins(store, users, 2)
    target = one.spec.target
    assert target is not None
    with administrator() as connection:
        connection.execute(f"CREATE ROLE {target.users[0]} LOGIN PASSWORD 'of-the-application' IN ROLE rig_owner".encode())
        connection.execute(f"CREATE ROLE {target.users[1]} LOGIN IN ROLE rig_owner".encode())
    one.settle()
    assert one.value()["username"] == target.users[1]
    assert one.strategy.probe(Call("", "", 0), kept(one.value())) is Probe.ACCEPTED
