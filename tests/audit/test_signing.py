"""The three sorts of keys, on a real transit engine and a real token: what they sign, everybody can verify."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.audit.note import Signer, signed, verified
from reconciler.audit.signing import file_key, hsm_key, transit_key
from reconciler.backends.hsm import Hsm
from reconciler.backends.vault.client import VaultClient
from reconciler.core.errors import BackendError, ReconcilerError

NAME = "genesis/dev"


@pytest.fixture(params=["file", "transit", "pkcs11"])
def signer(request: pytest.FixtureRequest, tmp_path: Path) -> Signer:
    if request.param == "file":
        return file_key(tmp_path / "audit.key", NAME)
    if request.param == "transit":
        vault: VaultClient = request.getfixturevalue("vault")
        vault.write("sys/mounts/transit", {"type": "transit"})
        vault.write("transit/keys/audit", {"type": "ed25519"})
        return transit_key(vault, "transit", "audit", NAME)
    hsm: Hsm = request.getfixturevalue("hsm")
    token = hsm._replace(key=f"audit-{tmp_path.name}")
    token.make_signing_key()
    return hsm_key(token, NAME)


def test_what_is_signed_is_verified_by_the_public_half(signer: Signer) -> None:
    note = signed("text\n", [signer])
    assert verified(note, [signer.verifier]) == ("text\n", signer.verifier)
    assert "sk" not in repr(signer).lower().replace("audit.key", "")


def test_a_rotated_transit_key_still_vouches_for_what_it_signed(vault: VaultClient) -> None:
    vault.write("sys/mounts/transit", {"type": "transit"})
    vault.write("transit/keys/audit", {"type": "ed25519"})
    old = transit_key(vault, "transit", "audit", NAME)
    before = signed("text\n", [old])
    vault.write("transit/keys/audit/rotate", {})
    new = transit_key(vault, "transit", "audit", NAME)
    assert new.verifier != old.verifier
    assert verified(before, new.verifiers)[1] == old.verifier
    assert verified(signed("text\n", [new]), new.verifiers)[1] == new.verifier
    assert verified(signed("text\n", [old]), new.verifiers)[1] == old.verifier, "who has not noticed yet signs as before"


def test_a_transit_key_that_cannot_sign_notes_is_refused(vault: VaultClient) -> None:
    vault.write("sys/mounts/transit", {"type": "transit"})
    vault.write("transit/keys/aes", {})
    with pytest.raises(BackendError, match="not of type ed25519"):
        transit_key(vault, "transit", "aes", NAME)
    with pytest.raises(BackendError, match="there is no such transit key"):
        transit_key(vault, "transit", "nothing", NAME)


def test_a_key_in_a_file_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "audit.key"
    made = file_key(path, NAME)
    assert path.stat().st_mode & 0o777 == 0o600
    assert file_key(path, NAME).verifier == made.verifier
    assert [one.name for one in path.parent.iterdir()] == ["audit.key"]
    path.chmod(0o640)
    with pytest.raises(ReconcilerError, match="others may read"):
        file_key(path, NAME)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_file_that_is_no_key_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "audit.key"
    path.write_bytes(content or b"\n")
    path.chmod(0o600)
    with pytest.raises(ReconcilerError, match="holds no private key"):
        file_key(path, NAME)
