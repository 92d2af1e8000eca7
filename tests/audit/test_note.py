"""Signed notes: the published example of the format, and that nothing but what was signed is taken."""

from __future__ import annotations

import base64
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from reconciler.audit.merkle import EMPTY_ROOT
from reconciler.audit.note import Checkpoint, NoteError, Verifier, read_checkpoint, read_note, read_vkey, signed, verified

# The example of the format's reference implementation (golang.org/x/mod/sumdb/note).
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = TEXT + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"


class Pen(NamedTuple):
    """A signer with its key in hand."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.key.public_key().public_bytes_raw())

    def sign(self, text: bytes) -> bytes:
        return self.key.sign(text)


def pen(name: str, seed: bytes) -> Pen:
    return Pen(name, Ed25519PrivateKey.from_private_bytes(seed))


PETER, EVE = pen("PeterNeumann", SEED), pen("PeterNeumann", b"e" * 32)


def test_the_published_note_is_made_and_verified_byte_for_byte() -> None:
    assert PETER.verifier.vkey == VKEY
    assert read_vkey(VKEY) == PETER.verifier
    assert signed(TEXT, [PETER]) == NOTE
    assert verified(NOTE, [read_vkey(VKEY)]) == (TEXT, PETER.verifier)


@pytest.mark.parametrize("at", range(0, len(VKEY)))
def test_a_public_key_with_a_changed_letter_is_refused(at: int) -> None:
    for altered in (VKEY[:at] + chr(ord(VKEY[at]) + 1) + VKEY[at + 1 :], VKEY[:at]):
        with pytest.raises(ValueError, match="public key"):
            read_vkey(altered)


@pytest.mark.parametrize(
    ("note", "sort"),
    [
        (NOTE.replace("answer", "anſwer"), "forged"),
        (NOTE.replace("x08go/ZJ", "x08go/ZK"), "forged"),
        (signed(TEXT, []), "unsigned"),
        (signed(TEXT, [EVE]), "foreign"),
        (NOTE.removesuffix("\n"), "malformed"),
        (NOTE.replace("\n\n", "\n"), "malformed"),
        (NOTE.replace("— ", "- "), "malformed"),
        (NOTE.replace("JnAM=", "JnAN="), "malformed"),  # the same bytes in another spelling
        (NOTE.replace("— PeterNeumann ", "—  "), "malformed"),
        (NOTE.replace("your", "yo\tur"), "malformed"),
        ("", "malformed"),
        (TEXT + "\n" + NOTE.splitlines(keepends=True)[-1] * 101, "malformed"),
    ],
)
def test_a_note_that_is_not_as_it_was_signed_says_what_is_wrong(note: str, sort: str) -> None:
    with pytest.raises(NoteError) as caught:
        verified(note, [PETER.verifier])
    assert caught.value.sort == sort


def test_signatures_of_others_are_passed_over_and_one_wrong_signature_spoils_the_note() -> None:
    witness = pen("witness.example", b"w" * 32)
    both = signed(TEXT, [witness, PETER])
    assert verified(both, [PETER.verifier]) == (TEXT, PETER.verifier)
    stranger = both.splitlines(keepends=True)[-2]
    bad = NOTE + stranger.replace(stranger[-20], "A" if stranger[-20] != "A" else "B")
    with pytest.raises(NoteError):
        verified(bad, [PETER.verifier, witness.verifier])


@given(st.from_regex(r"[^\s+]{1,40}", fullmatch=True), st.integers(0, 10**18 - 1), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_is_read_as_it_was_written(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    assert read_checkpoint(checkpoint.text) == checkpoint
    assert read_checkpoint(checkpoint.text + "an extension\n") == checkpoint


def test_the_published_checkpoint_is_read() -> None:
    published = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n— example.com/behind-the-sofa "
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    )
    found = read_checkpoint(read_note(published).text)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20852163)
    assert found.text == published.partition("\n\n")[0] + "\n"


@pytest.mark.parametrize("text", ["", "x\n", "x\n01\n" + "A" * 43 + "=\n", "x\n-1\n\n", "x\n1\nAAAA\n", "\n1\n" + "A" * 43 + "=\n"])
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError, match="no checkpoint"):
        read_checkpoint(text)


def test_the_empty_tree_has_a_checkpoint() -> None:
    assert read_checkpoint(Checkpoint("x", 0, EMPTY_ROOT).text).size == 0
