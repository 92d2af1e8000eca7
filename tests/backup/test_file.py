"""The file: what was written is read again, by its recipients, and anything else is refused with the reason."""

from __future__ import annotations

import datetime
import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.backup.damage import Damaged
from reconciler.backup.records import Record
from reconciler.backup.sealing import identities_of, new_pair, recipients_of, unsealed
from reconciler.backup.writing import MAGIC
from reconciler.core.errors import Unavailable, Usage
from tests.audit.desk import pen
from tests.backup.files import CANARY, RECORDS, Kept, written


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return written(tmp_path_factory.mktemp("backup") / "whole.backup")


def refused(kept: Kept, content: bytes) -> str:
    """Why a changed file is refused; its name alone is that of the whole one."""
    file = kept.file.with_name("changed.backup")
    file.write_bytes(content)
    with pytest.raises(Damaged) as error:
        kept.read(file)
    return str(error.value)


@pytest.mark.parametrize("who", [0, 1])
def test_each_recipient_reads_what_was_written(kept: Kept, who: int) -> None:
    assert kept.read(pair=kept.pairs[who]) == list(RECORDS)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_flipped_bit_is_refused(kept: Kept, data: st.DataObject) -> None:
    whole = kept.file.read_bytes()
    # Payload, index and note are of very different sizes: each is to be hit often.
    at = data.draw(st.one_of(st.integers(0, len(whole) - 1), st.integers(0, 600), st.integers(len(whole) - 3000, len(whole) - 1)))
    changed = bytearray(whole)
    changed[at] ^= 1 << data.draw(st.integers(0, 7))
    assert refused(kept, bytes(changed))


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_cut_is_refused(kept: Kept, data: st.DataObject) -> None:
    whole = kept.file.read_bytes()
    begin = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(begin + 1, len(whole)))
    assert refused(kept, whole[:begin] + whole[end:])


def test_a_file_that_was_cut_or_never_finished_is_said_to_be_so(kept: Kept) -> None:
    assert "the file was cut, or never finished" in refused(kept, kept.file.read_bytes()[:-1])
    assert "the file was cut, or never finished" in refused(kept, kept.file.read_bytes()[: len(MAGIC) + 5000])


def test_chunks_that_changed_places_are_refused(kept: Kept) -> None:
    whole = kept.file.read_bytes()
    payload = whole[len(MAGIC) : len(MAGIC) + kept.manifest.payload.bytes]
    head, chunk = payload.index(b"\n", payload.index(b"\n--- ") + 1) + 1 + 16, 65_536 + 16
    first, second = payload[head : head + chunk], payload[head + chunk : head + 2 * chunk]
    assert len(second) == chunk
    swapped = payload[:head] + second + first + payload[head + 2 * chunk :]
    assert "payload: it is not what was signed" in refused(kept, whole.replace(payload, swapped))
    identities = identities_of(kept.pairs[0].identity, "the key")
    for wrong in (swapped, payload.replace(first, b""), payload[: head + chunk]):
        with pytest.raises(Damaged, match="a chunk of it was altered, moved or cut off"):
            list(unsealed(io.BytesIO(wrong), identities))


def test_parts_of_two_backups_do_not_make_one(kept: Kept, tmp_path: Path) -> None:
    other = written(tmp_path / "other.backup")
    a, b = kept.file.read_bytes(), other.file.read_bytes()
    begin = len(MAGIC) + kept.manifest.payload.bytes
    assert "the backup is refused" in refused(kept, b[: len(MAGIC) + other.manifest.payload.bytes] + a[begin:])


def test_the_signature_of_somebody_else_is_refused_with_both_keys_named(kept: Kept) -> None:
    stranger = pen("stranger", b"t" * 32)
    with pytest.raises(Damaged, match=f"signature: it is signed by genesis/dev.*trusted keys are {stranger.name}"):
        kept.read(trusted=[stranger.verifier])
    with pytest.raises(Damaged, match="the trusted keys are none"):
        kept.read(trusted=[])


def test_a_backup_of_a_day_on_which_the_key_was_not_trusted_any_more_is_refused(kept: Kept) -> None:
    expired = kept.pen.verifier._replace(until=datetime.date(2025, 12, 31))
    with pytest.raises(Damaged, match="made on 2026-01-01, by a key that is trusted until 2025-12-31"):
        kept.read(trusted=[expired])


def test_whoever_is_no_recipient_cannot_open_it(kept: Kept) -> None:
    with pytest.raises(Damaged, match="it is for other recipients"):
        kept.read(pair=new_pair())


def test_a_payload_that_its_index_does_not_describe_is_refused_though_it_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.backup import writing

    monkeypatch.setattr(writing, "fingerprint", lambda _key, _line: "0" * 32)
    made = written(tmp_path / "wrong.backup")
    with pytest.raises(Damaged, match="hmac is not what the index says of it"):
        made.read()


def test_what_is_not_encrypted_holds_no_value(kept: Kept) -> None:
    whole = kept.file.read_bytes()
    assert CANARY.encode() not in whole
    assert b"api_keys/claude" in whole, "the index names what is there"
    assert CANARY not in repr(RECORDS)


def test_one_recipient_is_too_few_and_twice_the_same_is_one() -> None:
    one = new_pair().recipient
    for given_ in ([], [one], [one, one], [one, one.upper()]):
        with pytest.raises(Usage, match="2 recipients at least"):
            recipients_of(given_)
    with pytest.raises(Usage, match="is no recipient"):
        recipients_of([one, "age1nonsense"])


@pytest.mark.parametrize("around", ["{}", " {} ", "{}#"])
def test_an_identity_that_is_taken_for_a_recipient_is_not_shown(around: str) -> None:
    pair = new_pair()
    with pytest.raises(Usage, match="is no recipient") as error:
        recipients_of([pair.recipient, around.format(pair.identity)])
    assert pair.identity not in str(error.value)


def test_what_fails_on_the_way_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Record]:
        yield from RECORDS
        raise Unavailable("the store is sealed")

    with pytest.raises(Unavailable, match="the store is sealed"):
        written(tmp_path / "never.backup", broken())
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_is_never_written_over(kept: Kept) -> None:
    before = kept.file.read_bytes()
    with pytest.raises(Usage, match="is there already"):
        written(kept.file)
    assert kept.file.read_bytes() == before


def test_a_file_that_came_meanwhile_is_not_written_over_either(tmp_path: Path) -> None:
    file = tmp_path / "two.backup"

    def slow() -> Iterator[Record]:
        yield from RECORDS
        file.write_bytes(b"another")

    with pytest.raises(Usage, match="is there already"):
        written(file, slow())
    assert (file.read_bytes(), [*tmp_path.iterdir()]) == (b"another", [file])


def test_only_its_owner_may_read_the_file(kept: Kept) -> None:
    assert kept.file.stat().st_mode & 0o077 == 0


def test_the_payload_alone_is_a_file_of_age(kept: Kept) -> None:
    import pyrage

    payload = kept.file.read_bytes()[len(MAGIC) : len(MAGIC) + kept.manifest.payload.bytes]
    lines = pyrage.decrypt(payload, [pyrage.x25519.Identity.from_str(kept.pairs[1].identity)]).splitlines()
    assert len(lines) == kept.manifest.payload.lines == len(RECORDS) + 1


MEMORY = """
import resource, sys
from pathlib import Path
from reconciler.backup.records import Record
from tests.backup.files import written
def many(count):
    for number in range(count):
        yield Record("version", "vault", f"a/{number}", {"value": "x" * 60_000}, "1")
def use(count):
    made = written(Path(sys.argv[1]) / f"{count}.backup", many(count))
    from reconciler.backup.reading import opened
    from reconciler.backup.sealing import identities_of
    with opened(made.file, [made.pen.verifier]) as backup:
        assert sum(1 for _ in backup.records(identities_of(made.pairs[0].identity, "key"))) == count
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
few = use(50)
print(use(2000) - few)
"""


def test_memory_does_not_grow_with_the_size(tmp_path: Path) -> None:
    """From 3 MB to 120 MB."""
    grown = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(grown.stdout) < 10_000, f"grew by {grown.stdout} KB"
