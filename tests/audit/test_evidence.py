"""What is made of the log: searches, proofs for others, archives, and verification from where the last one ended."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.audit.note import NoteError, read_checkpoint, read_note, signed
from reconciler.audit.proof import check_growth, check_inclusion, prove, prove_growth
from reconciler.audit.search import Wanted, raw_lines, search
from reconciler.audit.verdict import Known, read_known
from reconciler.core.errors import Missing, ReconcilerError, Refused
from tests.audit.desk import Desk, pen, rewrite

few = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path / "audit")
    for number in range(3):
        made.run(4, first=10 * number)
    return made


# Searches.


def found(desk: Desk, **wanted: object) -> list[str]:
    return [row.resource for row in search(desk.book, Wanted(**wanted)) if row.type != "segment"]  # type: ignore[arg-type]  # by name


def test_a_search_finds_what_was_done_with_what_became_of_it(desk: Desk) -> None:
    with desk.scribe() as scribe:
        scribe.outcome(scribe.intent("apply.delete", "vault.policy/gone"), "failed", code="denied")
        scribe.decision("guard.lifted", "vault.policy/gone", code="irreversible")
        scribe.intent("apply.create", "vault.policy/cut-off")
    assert found(desk, resource="vault.policy/p1?") == [f"vault.policy/p1{number}" for number in range(4)]
    assert found(desk, action="apply.delete", outcome="failed") == ["vault.policy/gone"]
    assert found(desk, action="guard.*") == ["vault.policy/gone"]
    (row,) = search(desk.book, Wanted(resource="vault.policy/cut-off"))
    assert row.outcome == ""
    assert len(found(desk)) == 15
    assert found(desk, rid="another") == []


def test_a_search_is_by_person_and_by_time(desk: Desk) -> None:
    (ada,) = desk.book.people.pseudonyms("ada@example.com")
    assert len(found(desk, actors=frozenset({ada}))) == 12
    assert found(desk, actors=frozenset({"somebody else"})) == []
    assert found(desk, since="2027-01-15T08:02", until="2027-01-15T08:03") == [f"vault.policy/p{number}" for number in range(20, 24)]
    assert found(desk, until="2027-01-15T08:01") == [f"vault.policy/p{number}" for number in range(4)]


def test_a_name_with_an_address_is_found_by_the_address(desk: Desk) -> None:
    name = "vault.identity_group_alias/jwt/ops%40example.com"
    with desk.scribe() as scribe:
        scribe.outcome(scribe.intent("apply.create", name), "applied")
        rows = search(desk.book, Wanted(resource=name), scribe.clean)
    assert [row.outcome for row in rows] == ["applied"]
    assert "example" not in rows[0].resource


def test_an_outcome_of_a_later_process_belongs_to_its_intent(desk: Desk) -> None:
    desk.killed(0, open_intent="vault.policy/x")
    with desk.scribe() as scribe:
        scribe.outcome(scribe.dangling("vault.policy/x")[0].id, "unknown")
    assert [(row.entry, row.outcome) for row in search(desk.book, Wanted(resource="vault.policy/x"))] == [(28, "unknown")]


def test_raw_lines_are_those_that_were_hashed(desk: Desk) -> None:
    assert list(raw_lines(desk.book)) == desk.lines()
    second = list(raw_lines(desk.book, "2027-01-15T08:01", "2027-01-15T08:02"))
    assert second == desk.lines()[9:18]


@pytest.mark.parametrize("line", [b"not JSON", b"[" * 100_000, b"{}", b'{"v":1,"type":["intent"]}', b'{"v":1,"type":"nonsense"}'])
def test_a_search_of_a_log_that_was_tampered_with_says_so_in_words(desk: Desk, line: bytes) -> None:
    rewrite(desk.segments()[1], lambda lines: [*lines[:3], line, *lines[4:]])
    with pytest.raises(ReconcilerError, match="reconcile audit verify"):
        search(desk.book, Wanted())
    with pytest.raises(ReconcilerError, match="reconcile audit verify"):
        list(raw_lines(desk.book, "2027-01-15T08:01"))
    assert [finding.entry for finding in desk.verdict().findings] == [12]


# Proofs.


@few
@given(entry=st.integers(0, 26), other=st.integers(0, 26))
def test_a_proof_convinces_who_has_nothing_but_the_public_key(desk: Desk, entry: int, other: int) -> None:
    proof = prove(desk.book, entry)
    assert check_inclusion(proof.line, proof.text, [desk.pen.verifier]).size == 27
    if other != entry:
        with pytest.raises(NoteError, match="does not lead"):
            check_inclusion(desk.lines()[other], proof.text, [desk.pen.verifier])
    with pytest.raises(NoteError, match="trusted keys"):
        check_inclusion(proof.line, proof.text, [pen(seed=b"e" * 32).verifier])
    for altered in (
        proof.text.replace(f"index {entry}", f"index {entry + 1}"),
        proof.text.replace("v1", "v2", 1),
        proof.text.replace("=\n", "\n", 1),
    ):
        with pytest.raises(NoteError):
            check_inclusion(proof.line, altered, [desk.pen.verifier])


def test_what_is_not_in_the_log_cannot_be_proven(desk: Desk) -> None:
    with pytest.raises(Missing, match="0 to 26"):
        prove(desk.book, 27)
    rewrite(desk.segments()[1], lambda lines: [lines[0].replace(b"apply", b"other"), *lines[1:]])
    assert prove(desk.book, 3)
    with pytest.raises(ReconcilerError, match="not what was recorded"):
        prove(desk.book, 9)
    desk.segments()[1].with_suffix(".leaves").write_bytes(b"x" * 32 * 9)
    with pytest.raises(ReconcilerError, match="not what its checkpoint is over"):
        prove(desk.book, 3)


def test_growth_is_proven_and_a_smaller_or_another_tree_refused(desk: Desk, tmp_path: Path) -> None:
    trusted = [desk.pen.verifier]
    before = read_checkpoint(read_note(desk.book.head()[0].note).text)
    assert check_growth(before, prove_growth(desk.book, before), trusted) == before
    desk.run()
    proof = prove_growth(desk.book, before)
    after = check_growth(before, proof, trusted)
    assert (before.size, after.size) == (27, 34)
    with pytest.raises(Refused, match="became smaller"):
        check_growth(
            after,
            prove_growth(Desk(desk.folder).book, before).replace(proof.partition("\n\n")[2], signed(before.text, [desk.pen])),
            trusted,
        )
    other = Desk(tmp_path / "other")
    for _ in range(6):
        other.run()
    with pytest.raises(Refused, match="replaced or rewritten"):
        prove_growth(other.book, before)
    with pytest.raises(Refused, match="rolled back or replaced"):
        prove_growth(other.book, before._replace(size=1000))
    with pytest.raises(Refused, match="does not show"):
        check_growth(before._replace(root=b"x" * 32), proof, trusted)
    with pytest.raises(NoteError, match="another log"):
        check_growth(before._replace(origin="x"), proof, trusted)


# Incremental verification.


def test_verification_goes_on_from_where_the_last_one_ended(desk: Desk) -> None:
    known = desk.verdict().known
    assert known is not None
    desk.run()
    verdict = desk.verdict(known=read_known(known.write()), incremental=True)
    assert verdict.ok, verdict
    assert (verdict.checked, verdict.size) == (7, 34)
    assert any("0 to 26" in note for note in verdict.notes)


def test_lines_that_were_verified_before_are_not_read_again_but_a_new_tree_over_them_is_seen(desk: Desk) -> None:
    known = desk.verdict().known
    rewrite(desk.segments()[0], lambda lines: lines[:2])
    assert desk.verdict(known=known, incremental=True).ok
    assert not desk.verdict(known=known).ok


@pytest.mark.parametrize("peaks", [(), (b"x" * 32,) * 4])
def test_what_was_verified_before_counts_only_as_far_as_it_was_signed(desk: Desk, peaks: tuple[bytes, ...]) -> None:
    known = desk.verdict().known
    assert known is not None
    verdict = desk.verdict(known=Known(known.size, peaks, known.note), incremental=True)
    assert verdict.ok
    assert verdict.checked == 27, "everything is read"


def test_what_was_verified_before_is_read_as_it_was_written_or_not_at_all() -> None:
    with pytest.raises(ReconcilerError, match="verify in full"):
        read_known("{}")
