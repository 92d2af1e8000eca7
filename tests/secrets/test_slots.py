"""The ways to open the encrypted store: passphrases, a real transit engine, KMS as moto plays it, a SoftHSM token."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.backends.aws.client import AwsClient
from reconciler.backends.hsm import Hsm
from reconciler.backends.vault.client import VaultClient, connect
from reconciler.core.errors import BackendError, Denied, Invalid, Unavailable
from reconciler.secrets.file_disk import KEYS
from reconciler.secrets.file_keyring import Locked
from reconciler.secrets.file_rotate import rotate_master
from reconciler.secrets.file_slots import ARGON2ID, PBKDF2, HsmSlot, Kdf, KmsSlot, PassphraseSlot, Slot, TransitSlot
from reconciler.secrets.file_store import FileStore
from reconciler.secrets.store import Held, Tampered
from tests.secrets.files import QuickSlot

PHRASE = "correct horse battery staple"


def passphrase(text: str = PHRASE, kdf: Kdf = PBKDF2) -> PassphraseSlot:
    return PassphraseSlot("passphrase", lambda: text, kdf)


def transit_slot(vault: VaultClient) -> TransitSlot:
    vault.write("sys/mounts/transit", {"type": "transit"})
    vault.write("transit/keys/store", {})
    return TransitSlot("transit", lambda: vault, "transit", "store")


def kms_slot(aws: AwsClient) -> KmsSlot:
    key = aws.change("kms", "create_key")["KeyMetadata"]["KeyId"]
    return KmsSlot("kms", lambda: aws, key)


@pytest.fixture(params=["argon2id", "pbkdf2", "transit", "kms", "pkcs11"])
def slot(request: pytest.FixtureRequest) -> Slot:
    match request.param:
        case "argon2id":
            return passphrase(kdf=ARGON2ID)
        case "pbkdf2":
            return passphrase()
        case "transit":
            return transit_slot(request.getfixturevalue("vault"))
        case "kms":
            return kms_slot(request.getfixturevalue("aws"))
        case _:
            key: Hsm = request.getfixturevalue("hsm")
            return HsmSlot("pkcs11", lambda: key)


def test_store_opens_with_the_slot_that_it_was_made_with(tmp_path: Path, slot: Slot) -> None:
    FileStore("files", tmp_path / "store", [slot]).put("db", {"password": "one"})
    assert FileStore("files", tmp_path / "store", [slot]).get("db") == Held({"password": "one"}, "1")


def test_slot_of_another_store_does_not_open(tmp_path: Path, slot: Slot) -> None:
    for name in ("one", "two"):
        FileStore("files", tmp_path / name, [slot]).put("db", {"password": name})
    one, two = (json.loads((tmp_path / name / KEYS).read_text()) for name in ("one", "two"))
    two["slots"] = one["slots"]
    (tmp_path / "two" / KEYS).write_text(json.dumps(two, separators=(",", ":")))
    with pytest.raises((Locked, Tampered)):
        FileStore("files", tmp_path / "two", [slot]).get("db")


def test_store_opens_with_whichever_slot_is_there(tmp_path: Path, vault: VaultClient) -> None:
    transit, gone = transit_slot(vault), TransitSlot("transit", lambda: vault, "transit", "store")
    FileStore("files", tmp_path / "store", [transit, passphrase()]).put("db", {"password": "one"})
    vault.delete("sys/mounts/transit")
    assert FileStore("files", tmp_path / "store", [gone, passphrase()]).get("db") == Held({"password": "one"}, "1")
    with pytest.raises(Locked, match="transit: "):
        FileStore("files", tmp_path / "store", [gone]).get("db")


def test_passphrase_is_changed_by_way_of_a_second_slot(tmp_path: Path) -> None:
    old, new = passphrase("the old passphrase"), PassphraseSlot("next", lambda: "the new passphrase", PBKDF2)
    FileStore("files", tmp_path / "store", [old]).put("db", {"password": "one"})
    FileStore("files", tmp_path / "store", [old, new]).keyring.sync_slots()
    FileStore("files", tmp_path / "store", [new]).keyring.sync_slots()
    assert FileStore("files", tmp_path / "store", [new]).get("db") == Held({"password": "one"}, "1")
    with pytest.raises(Locked):
        FileStore("files", tmp_path / "store", [old]).get("db")


@pytest.mark.parametrize("change", ["sync", "rotate"])
def test_slot_that_does_not_open_with_what_is_declared_is_left_as_it_is_and_said(tmp_path: Path, change: str) -> None:
    """A passphrase that lies in a safe must not be replaced by a typing error in the environment, unnoticed until it is needed."""
    good, mistyped = passphrase(), passphrase("correct horse battery stable")
    FileStore("files", tmp_path / "store", [QuickSlot(), good]).put("db", {"password": "one"})
    before = (tmp_path / "store" / KEYS).read_bytes()
    store = FileStore("files", tmp_path / "store", [QuickSlot(), mistyped])
    with pytest.raises(BackendError, match="slot passphrase does not open with what is declared: wrong passphrase") as caught:
        store.keyring.sync_slots() if change == "sync" else rotate_master(store)
    assert "stable" not in str(caught.value)
    assert (tmp_path / "store" / KEYS).read_bytes() == before
    assert FileStore("files", tmp_path / "store", [good]).get("db") == Held({"password": "one"}, "1")


def test_slots_that_stay_are_not_touched_and_need_not_be_asked(tmp_path: Path, vault: VaultClient) -> None:
    def down() -> VaultClient:
        raise Unavailable("vault is down")

    FileStore("files", tmp_path / "store", [QuickSlot(), transit_slot(vault)]).put("db", {"password": "one"})
    before = json.loads((tmp_path / "store" / KEYS).read_text())["slots"]
    slots: list[Slot] = [QuickSlot(), TransitSlot("transit", down, "transit", "store"), QuickSlot("other", bytes([1]) * 32)]
    assert FileStore("files", tmp_path / "store", slots).keyring.sync_slots() == (("other",), ())
    after = json.loads((tmp_path / "store" / KEYS).read_text())["slots"]
    assert {name: after[name] for name in before} == before
    with pytest.raises(Unavailable):
        rotate_master(FileStore("files", tmp_path / "store", slots))


def test_derivation_that_was_declared_anew_is_used_from_the_next_sync_on(tmp_path: Path) -> None:
    FileStore("files", tmp_path / "store", [passphrase(kdf=PBKDF2)]).put("db", {"password": "one"})
    FileStore("files", tmp_path / "store", [passphrase(kdf=ARGON2ID)]).keyring.sync_slots()
    kept = json.loads((tmp_path / "store" / KEYS).read_text())["slots"]["passphrase"]
    assert kept["kdf"] == ARGON2ID.name
    assert FileStore("files", tmp_path / "store", [passphrase(kdf=PBKDF2)]).get("db") == Held({"password": "one"}, "1")


def test_slot_that_can_close_and_not_open_is_refused(tmp_path: Path, vault: VaultClient) -> None:
    transit_slot(vault)
    vault.write("sys/policies/acl/closer", {"policy": 'path "transit/encrypt/*" { capabilities = ["update"] }'})
    token = vault.write("auth/token/create", {"policies": ["closer"]})["auth"]["client_token"]
    closer = TransitSlot("transit", lambda: connect(vault.transport, token), "transit", "store")
    with pytest.raises(Denied):
        FileStore("files", tmp_path / "store", [closer]).put("db", {"password": "one"})
    FileStore("files", tmp_path / "store", [QuickSlot()]).put("db", {"password": "one"})
    with pytest.raises(Denied):
        FileStore("files", tmp_path / "store", [QuickSlot(), closer]).keyring.sync_slots()
    assert FileStore("files", tmp_path / "store", [QuickSlot()]).keyring.slot_names() == ("quick",)


def test_wrong_passphrase_opens_nothing(tmp_path: Path) -> None:
    FileStore("files", tmp_path / "store", [passphrase()]).put("db", {"password": "one"})
    with pytest.raises(Locked, match="passphrase: wrong passphrase") as caught:
        FileStore("files", tmp_path / "store", [passphrase("something else")]).get("db")
    assert "something" not in str(caught.value)
    assert FileStore("files", tmp_path / "store", [passphrase("something else")]).probe() != ""


def test_empty_passphrase_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="is empty"):
        FileStore("files", tmp_path / "store", [passphrase("")]).put("db", {"password": "one"})


def test_passphrase_that_is_no_text_is_taken_as_the_bytes_it_is(tmp_path: Path) -> None:
    """The environment can hold any bytes; Python shows those that are not UTF-8 as halves of characters."""
    raw = os.fsdecode(b"\xff\xfe" * 8)
    FileStore("files", tmp_path / "store", [passphrase(raw)]).put("db", {"password": "one"})
    assert FileStore("files", tmp_path / "store", [passphrase(raw)]).get("db") == Held({"password": "one"}, "1")


@pytest.mark.parametrize(
    ("kdf", "changed"),
    [
        (PBKDF2, {"rounds": 999_999}),
        (PBKDF2, {"rounds": 10**9}),
        (PBKDF2, {"rounds": True}),
        (PBKDF2, {"rounds": "1000000"}),
        (PBKDF2, {"salt": "AAAA"}),
        (PBKDF2, {"kdf": "scrypt"}),
        (ARGON2ID, {"memory_kib": 1024}),
        (ARGON2ID, {"memory_kib": 1024**3}),
        (ARGON2ID, {"iterations": 1}),
        (ARGON2ID, {"lanes": 0}),
    ],
)
def test_header_that_asks_for_too_little_or_too_much_is_refused_before_anything_is_derived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kdf: Kdf, changed: dict[str, Any]
) -> None:
    kept = {**passphrase(kdf=kdf).wrap(b"secret", "store"), "type": "passphrase"}
    monkeypatch.setattr("reconciler.secrets.file_slots._derive", None)
    (tmp_path / KEYS).write_text(json.dumps({"store": "store", "slots": {"passphrase": {**kept, **changed}}}, separators=(",", ":")))
    with pytest.raises(Locked, match="its header"):
        FileStore("files", tmp_path, [passphrase(kdf=kdf)]).get("db")


def test_server_that_is_down_is_not_a_wrong_key(tmp_path: Path, vault: VaultClient) -> None:
    def down() -> VaultClient:
        raise Unavailable("vault is down")

    FileStore("files", tmp_path / "store", [transit_slot(vault)]).put("db", {"password": "one"})
    with pytest.raises(Unavailable, match="vault is down"):
        FileStore("files", tmp_path / "store", [TransitSlot("transit", down, "transit", "store")]).get("db")


def test_wrong_pin_is_denied_and_not_shown(hsm: Hsm) -> None:
    with pytest.raises(Denied, match="does not take the PIN") as caught:
        hsm._replace(pin="9876").encrypt(b"x", b"")
    assert "9876" not in str(caught.value) + repr(hsm._replace(pin="9876"))


def test_wrong_pin_is_tried_once_since_tokens_lock_themselves(hsm: Hsm) -> None:
    import pkcs11

    wrong = hsm._replace(token="cautious", pin="2222")
    with pytest.raises(Denied):
        wrong.encrypt(b"x", b"")
    with pkcs11.lib(hsm.module).get_token(token_label="cautious").open(rw=True, user_pin="1111") as session:
        session.set_pin("1111", "2222")
    with pytest.raises(Denied, match="it is not tried again"):  # though the token would take it by now
        wrong.encrypt(b"x", b"")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"token": "nobody"}, "is not there"), ({"key": "nothing"}, "holds no key"), ({"module": "/nowhere.so"}, "PKCS#11 module")],
)
def test_hsm_that_is_not_as_declared_is_said_in_words(hsm: Hsm, wrong: dict[str, str], words: str) -> None:
    with pytest.raises(BackendError, match=words):
        hsm._replace(**wrong).encrypt(b"x", b"")


def test_hsm_does_not_open_what_was_altered(hsm: Hsm) -> None:
    sealed = hsm.encrypt(b"secret", b"bound")
    assert hsm.decrypt(sealed, b"bound") == b"secret"
    for wrong, bound in ((sealed[:-1] + bytes([sealed[-1] ^ 1]), b"bound"), (sealed, b"other")):
        with pytest.raises(BackendError):
            hsm.decrypt(wrong, bound)


def test_two_processes_that_make_the_store_at_once_agree_on_its_keys(tmp_path: Path) -> None:
    one, two = (FileStore("files", tmp_path / "store", [QuickSlot()]) for _ in range(2))
    one.keyring.masters(make=True)
    two.keyring._make()
    assert two.keyring.masters() == one.keyring.masters()
