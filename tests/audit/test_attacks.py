"""What somebody may do to the log, and that verification names the line and what was done; or says that it cannot see it."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.audit.event import Event
from reconciler.audit.head import read_head, write_head
from reconciler.audit.merkle import Frontier, leaf_hash
from reconciler.audit.note import Checkpoint, signed
from reconciler.audit.segment import Unloggable
from reconciler.audit.verdict import Anchor, Finding
from tests.audit.desk import ORIGIN, Desk, pen, rewrite

CHANGES = 4
LINES = 2 * CHANGES + 1
SECOND = LINES  # the number of the second segment's first entry
many = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A log of three segments."""
    made = Desk(tmp_path / "audit")
    for number in range(3):
        made.run(CHANGES, first=10 * number)
    assert made.verdict().ok
    return made


def only(desk: Desk, **options: object) -> Finding:
    findings = desk.verdict(**options).findings
    assert len(findings) == 1, findings
    return findings[0]


def attacked(desk: Desk, change: Callable[[list[bytes]], list[bytes]], segment: int = 1) -> Finding:
    """Change one segment, look, and put it back."""
    path = desk.segments()[segment]
    before = path.read_bytes()
    try:
        rewrite(path, change)
        return only(desk)
    finally:
        path.write_bytes(before)


def rechained(lines: list[bytes], first: int) -> list[bytes]:
    """Number and chain lines anew from one on: what somebody does who knows how the log is made."""
    made = lines[:first]
    for number, line in enumerate(lines[first:], first):
        entry = json.loads(line) | {"seq": number, "prev": leaf_hash(made[-1]).hex() if made else "0" * 64}
        made.append(json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode())
    return made


def edited(line: bytes) -> bytes:
    return line.replace(b"2027-01", b"2026-01")


# Edit, delete, insert, reorder: seen by the chain.


@many
@given(at=st.integers(0, 10_000), by=st.integers(1, 255))
def test_any_changed_byte_is_found_and_its_line_named(desk: Desk, at: int, by: int) -> None:
    path = desk.segments()[1]
    raw = bytearray(path.read_bytes())
    at %= len(raw)
    before = bytes(raw)
    raw[at] = (raw[at] + by) % 256
    try:
        path.write_bytes(raw)
        found = only(desk)
        assert found.entry == SECOND + before[:at].count(b"\n")
        assert "line" in found.where
        if b"\n" not in (before[at : at + 1], raw[at : at + 1]):
            assert found.sort == "edited"
    finally:
        path.write_bytes(before)


@many
@given(first=st.integers(0, LINES - 1), count=st.integers(1, LINES))
def test_deleted_lines_are_found(desk: Desk, first: int, count: int) -> None:
    found = attacked(desk, lambda lines: lines[:first] + lines[first + count :])
    assert found.entry == SECOND + first
    assert found.sort == ("truncated" if first + count >= LINES else "deleted")


@many
@given(at=st.integers(0, LINES), what=st.integers(0, LINES - 1) | st.binary(max_size=20).filter(lambda raw: b"\n" not in raw))
def test_inserted_lines_are_found(desk: Desk, at: int, what: int | bytes) -> None:
    found = attacked(desk, lambda lines: [*lines[:at], lines[what] if isinstance(what, int) else what, *lines[at:]])
    assert found.sort == "inserted"
    # A copy right behind its original may as well be the original.
    assert found.entry - SECOND in ((at, at + 1) if isinstance(what, int) else (at,))


@many
@given(places=st.sets(st.integers(0, LINES - 1), min_size=2, max_size=2))
def test_reordered_lines_are_found(desk: Desk, places: set[int]) -> None:
    one, two = sorted(places)

    def swap(lines: list[bytes]) -> list[bytes]:
        lines[one], lines[two] = lines[two], lines[one]
        return lines

    found = attacked(desk, swap)
    assert (found.sort, found.entry) == ("reordered", SECOND + one)


@pytest.mark.parametrize("at", range(LINES))
def test_the_chain_alone_names_an_edited_line_of_a_segment_that_is_not_committed(tmp_path: Path, at: int) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES)
    rewrite(path, lambda lines: [*lines[:at], edited(lines[at]), *lines[at + 1 :]])
    found = only(desk)
    if at < LINES - 1:
        assert (found.sort, found.where) == ("edited", f"open/{path.name} line {at + 1}")


@pytest.mark.parametrize(
    ("change", "sort", "line"),
    [
        (lambda lines: lines[:3] + lines[5:], "deleted", 4),
        (lambda lines: lines[:3] + [lines[4], lines[3]] + lines[5:], "reordered", 4),
        (lambda lines: lines[:3] + [lines[1]] + lines[3:], "inserted", 4),
        (lambda lines: [*lines[:3], b"{}", *lines[3:]], "edited", 4),
        (lambda lines: [*lines[:3], b"not JSON", *lines[3:]], "inserted", 4),
        (lambda lines: [*lines[:3], b"not JSON", *lines[4:]], "edited", 4),
        (lambda lines: [*lines[:3], b"[]", *lines[4:]], "edited", 4),
        (lambda lines: lines[1:], "deleted", 1),
        (lambda lines: rechained([*lines[:3], lines[3].replace(b'"action"', b'"sum"')], 3), "edited", 4),
        (lambda lines: rechained([*lines[:3], lines[3].replace(b'"v":1', b'"v":9')], 3), "edited", 4),
        (lambda lines: rechained([*lines[:3], lines[3].replace(b'"type":"', b'"type":"x')], 3), "edited", 4),
        (lambda lines: rechained([*lines[:3], edited(lines[3])], 3), "edited", 4),  # its time is before that of the line before
        (lambda lines: rechained([*lines[:3], lines[3].replace(b"2027-01-15T08", b"yesterday ")], 3), "edited", 4),
    ],
)
def test_the_chain_alone_says_what_was_done(tmp_path: Path, change: Callable[[list[bytes]], list[bytes]], sort: str, line: int) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES)
    rewrite(path, change)
    found = only(desk)
    assert (found.sort, found.where) == (sort, f"open/{path.name} line {line}")


# Edit and chain anew; cut: seen by the checkpoints.


@pytest.mark.parametrize("at", range(LINES))
def test_a_line_that_was_edited_and_all_after_it_chained_anew_is_named(desk: Desk, at: int) -> None:
    found = attacked(desk, lambda lines: rechained([*lines[:at], edited(lines[at]), *lines[at + 1 :]], at))
    assert found.entry == SECOND + at
    assert found.sort == ("rechained" if at < LINES - 1 else "edited")


@pytest.mark.parametrize("at", range(LINES - 1))
def test_lines_that_were_deleted_or_inserted_and_chained_anew_are_named(desk: Desk, at: int) -> None:
    found = attacked(desk, lambda lines: rechained(lines[:at] + lines[at + 1 :], at))
    assert (found.sort, found.entry) == ("deleted", SECOND + at)
    found = attacked(desk, lambda lines: rechained([*lines[:at], edited(lines[at]), *lines[at:]], at))
    assert (found.sort, found.entry) == ("inserted", SECOND + at)


def test_where_the_kept_hashes_were_altered_too_the_segment_is_named(desk: Desk) -> None:
    path = desk.segments()[1]
    rewrite(path, lambda lines: rechained([*lines[:3], lines[3].replace(b"p11", b"p77"), *lines[4:]], 3))
    lines = path.read_bytes().split(b"\n")[:-1]
    path.with_suffix(".leaves").write_bytes(b"".join(map(leaf_hash, lines)))
    found = only(desk)
    assert (found.sort, found.entry) == ("rechained", SECOND)
    assert f"entries {SECOND} to {SECOND + LINES - 1}" in found.what


def test_altered_hashes_alone_harm_nothing(desk: Desk) -> None:
    desk.segments()[1].with_suffix(".leaves").write_bytes(b"x" * 64)
    assert desk.verdict().ok


def test_a_segment_whose_lines_are_gone_is_found(desk: Desk) -> None:
    desk.segments()[1].unlink()
    found = only(desk)
    assert (found.sort, found.entry) == ("deleted", SECOND)
    assert "its lines are gone" in found.what


def altered_head(desk: Desk, change: Callable[[dict[str, object]], None]) -> None:
    path = desk.folder / "head"
    written = json.loads(path.read_bytes())
    change(written)
    path.write_text(json.dumps(written))


def test_a_segment_that_is_listed_no_more_is_found(desk: Desk) -> None:
    altered_head(desk, lambda head: head["segments"].pop(1))  # type: ignore[attr-defined]  # JSON
    found = only(desk)
    assert (found.sort, found.entry) == ("deleted", SECOND)
    assert f"entries {SECOND} to {SECOND + LINES - 1}" in found.what


def test_the_last_segment_that_is_listed_no_more_is_found(desk: Desk) -> None:
    altered_head(desk, lambda head: head["segments"].pop())  # type: ignore[attr-defined]  # JSON
    found = only(desk)
    assert (found.sort, found.entry) == ("truncated", 2 * LINES)


def test_segments_in_another_order_are_found(desk: Desk) -> None:
    altered_head(desk, lambda head: head["segments"].reverse())  # type: ignore[attr-defined]  # JSON
    assert desk.verdict().findings[0].sort in ("deleted", "reordered")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"format":1}'])
def test_a_head_that_cannot_be_read_is_a_finding(desk: Desk, content: bytes) -> None:
    (desk.folder / "head").write_bytes(content)
    assert only(desk).sort == "damaged"


def test_a_log_of_a_newer_version_is_said_to_be_so(desk: Desk) -> None:
    altered_head(desk, lambda head: head.update(format=2))
    assert "upgrade" in only(desk).what


def test_lines_that_were_cut_before_a_writers_checkpoint_are_found(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES, sealed=True)
    rewrite(path, lambda lines: lines[:5])
    found = only(desk)
    assert (found.sort, found.where) == ("truncated", f"open/{path.name} line 6")


def test_lines_that_were_cut_after_a_writers_last_checkpoint_are_said_to_be_unseen(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES)  # nothing is sealed: the last checkpoint is none
    rewrite(path, lambda lines: lines[:5])
    verdict = desk.verdict()
    assert verdict.ok
    assert any("cut off the end" in one for one in verdict.unseen)


def test_a_segment_that_was_edited_and_chained_anew_before_it_was_committed_is_found(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES, sealed=True)
    rewrite(path, lambda lines: rechained([*lines[:3], lines[3].replace(b"k1", b"k7"), *lines[4:]], 3))
    assert only(desk).sort == "rechained"


# The checkpoint itself.


def resigned(desk: Desk, change: Callable[[str], str]) -> None:
    """Change the note after the last segment."""
    path = desk.folder / "head"
    head = read_head(path.read_bytes())
    *rest, last = head.segments
    object.__setattr__(head, "segments", (*rest, last._replace(note=change(last.note))))
    path.write_bytes(write_head(head))


@pytest.mark.parametrize(
    ("change", "sort"),
    [
        (lambda _note: "", "malformed"),
        (lambda note: note.partition("\n\n")[0] + "\n\n", "unsigned"),
        (lambda note: signed(note.partition("\n\n")[0] + "\n", [pen(seed=b"e" * 32)]), "foreign"),
        (lambda note: signed(note.partition("\n\n")[0] + "\n", [pen("genesis/prod")]), "foreign"),
        (lambda note: note.replace("\n27\n", "\n26\n"), "forged"),
        (lambda _note: signed(Checkpoint("another/log", 27, b"x" * 32).text, [pen()]), "foreign"),
        (lambda _note: signed("no checkpoint\n", [pen()]), "malformed"),
    ],
)
def test_a_checkpoint_that_is_not_ours_is_a_finding(desk: Desk, change: Callable[[str], str], sort: str) -> None:
    resigned(desk, change)
    found = only(desk)
    assert (found.sort, found.entry) == (sort, 3 * LINES - 1)


def test_a_checkpoint_over_something_else_is_a_finding(desk: Desk) -> None:
    resigned(desk, lambda _note: signed(Checkpoint(ORIGIN, 27, b"x" * 32).text, [pen()]))
    assert only(desk).sort == "rechained"


@pytest.mark.parametrize("emptied", [False, True])
def test_no_checkpoint_is_never_ok(desk: Desk, emptied: bool) -> None:
    if emptied:
        shutil.rmtree(desk.folder)
    else:
        (desk.folder / "head").unlink()
    found = only(desk)
    assert found.sort == "no checkpoint"


def test_a_key_counts_for_nothing_after_its_day(desk: Desk) -> None:
    day = datetime.date(2027, 1, 14)
    desk.trusted = [pen().verifier._replace(until=day)]
    assert {one.sort for one in desk.verdict().findings} == {"expired"}
    desk.trusted = [pen().verifier._replace(until=day + datetime.timedelta(days=1))]
    assert desk.verdict().ok


def test_a_log_goes_on_under_a_new_key_and_the_old_one_vouches_for_its_own(desk: Desk) -> None:
    new = pen("genesis/dev", b"n" * 32)
    old = desk.pen.verifier._replace(until=datetime.date(2027, 1, 15))
    desk.pen, desk.trusted = new, [new.verifier, old]
    desk.now += 2 * 86_400
    desk.run()
    assert desk.verdict().ok
    desk.trusted = [new.verifier]
    assert {one.sort for one in desk.verdict().findings} == {"foreign"}


# Rolled back or replaced as a whole: seen by an anchor, or by what was verified here before.


def anchored(desk: Desk) -> Anchor:
    return Anchor(".audit/dev.checkpoint", desk.book.head()[0].note)


def test_log_and_checkpoints_rolled_back_together_are_seen_by_an_anchor_alone(desk: Desk, tmp_path: Path) -> None:
    shutil.copytree(desk.folder, tmp_path / "before")
    desk.run()
    anchor, known = anchored(desk), desk.verdict().known
    shutil.rmtree(desk.folder)
    shutil.move(tmp_path / "before", desk.folder)
    unseen = desk.verdict()
    assert unseen.ok
    assert any("rolled back together" in one for one in unseen.unseen)
    found = only(desk, anchors=[anchor])
    assert (found.sort, found.where) == ("rolled back", ".audit/dev.checkpoint")
    assert "34 entries were there, and it has 27 now" in found.what
    assert only(desk, known=known).where == "verified here before"


def test_a_fresh_log_under_the_same_key_is_seen_by_an_anchor_alone(desk: Desk) -> None:
    anchor = anchored(desk)
    shutil.rmtree(desk.folder)
    for _ in range(5):
        desk.run(CHANGES)
    assert desk.verdict().ok
    found = only(desk, anchors=[anchor])
    assert (found.sort, found.where) == ("replaced", ".audit/dev.checkpoint")


def test_an_anchor_that_was_forged_is_a_finding(desk: Desk) -> None:
    forged = Anchor("x", signed(Checkpoint(ORIGIN, 1, b"x" * 32).text, [pen(seed=b"e" * 32)]))
    assert only(desk, anchors=[forged]).sort == "foreign"


@pytest.mark.parametrize("size", range(1, 3 * LINES + 1))
def test_an_anchor_inside_of_a_segment_is_compared_too(desk: Desk, size: int) -> None:
    tree = Frontier()
    tree.extend(list(map(leaf_hash, desk.lines()))[:size])
    good = Anchor("x", signed(Checkpoint(ORIGIN, size, tree.root()).text, [pen()]))
    bad = Anchor("y", signed(Checkpoint(ORIGIN, size, b"x" * 32).text, [pen()]))
    assert desk.verdict(anchors=[good]).ok
    assert only(desk, anchors=[good, bad]).where == "y"


# While it is written.


def test_an_empty_period_of_a_process_that_ran_is_a_finding(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES)
    later = b"2027-01-15T09"

    def stop(lines: list[bytes]) -> list[bytes]:
        return rechained([*lines[:3], *(line.replace(b"2027-01-15T08", later) for line in lines[3:])], 3)

    rewrite(path, stop)
    found = only(desk)
    assert (found.sort, found.where) == ("empty", f"open/{path.name} line 4")
    assert "from 2027-01-15T08" in found.what


def test_a_machine_that_slept_owns_up_to_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    with desk.scribe() as scribe:
        id = scribe.intent("apply.update", "vault.policy/x")
        desk.now += 7200
        scribe.outcome(id, "applied")
    verdict = desk.verdict()
    assert verdict.ok
    assert any("slept" in note for note in verdict.notes)


def test_a_line_of_another_writer_is_a_finding(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES)
    rewrite(path, lambda lines: rechained([*lines[:3], lines[3].replace(b'"writer":"', b'"writer":"f'), *lines[4:]], 3))
    found = only(desk)
    assert (found.sort, found.where) == ("another writer", f"open/{path.name} line 4")


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes() + b"{}\n"), "somebody else wrote to it"),
        (lambda path: path.write_bytes(path.read_bytes()[:-5]), "somebody cut it"),
        (lambda path: Path(shutil.copy(path, path.with_suffix(".x"))).replace(path), "another file was put in its place"),
        (lambda path: path.unlink(), "No such file"),
    ],
)
def test_a_file_that_is_not_what_it_was_is_written_no_more(tmp_path: Path, attack: Callable[[Path], object], words: str) -> None:
    desk = Desk(tmp_path / "audit")
    scribe = desk.scribe()
    id = scribe.intent("apply.update", "vault.policy/x")
    attack(desk.book.unfinished()[0])
    with pytest.raises(Unloggable, match=words):
        scribe.intent("apply.update", "vault.policy/y")
    with pytest.raises(Unloggable, match=words):  # not a second time either
        scribe.outcome(id, "applied")
    scribe.close()


def test_a_tampered_segment_of_a_killed_run_stays_out_of_the_log_and_is_reported_for_good(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES)
    rewrite(path, lambda lines: [*lines[:3], edited(lines[3]), *lines[4:]])
    desk.run()
    verdict = desk.verdict()
    assert [one.sort for one in verdict.findings] == ["set aside", "set aside"]
    assert path.stem in verdict.findings[0].what
    assert b"k1" not in b"".join(desk.lines())
    assert (desk.folder / "quarantine" / path.name).exists()
    shutil.rmtree(desk.folder / "quarantine")
    assert [one.entry for one in desk.verdict().findings] == [1], "the log remembers"


def test_a_head_that_was_altered_is_not_extended(desk: Desk) -> None:
    before = (desk.folder / "head").read_bytes()
    altered_head(desk, lambda head: head.update(size=28))
    altered = (desk.folder / "head").read_bytes()
    desk.run()
    assert (desk.folder / "head").read_bytes() == altered
    (desk.folder / "head").write_bytes(before)
    desk.run()
    assert desk.verdict().ok
    assert desk.verdict().size == 3 * LINES + 14, "what could not be committed then is committed now"


def test_a_copy_that_differs_from_what_was_shipped_is_named(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit", place=tmp_path / "ledger")
    desk.run(CHANGES)
    assert desk.verdict().ok
    rewrite(desk.segments()[0], lambda lines: [*lines[:3], edited(lines[3]), *lines[4:]])
    found = only(desk)
    assert (found.sort, found.entry) == ("copies differ", 3)


def test_what_was_altered_where_it_was_shipped_to_is_found_by_every_machine(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit", place=tmp_path / "ledger")
    desk.run(CHANGES)
    part = next((tmp_path / "ledger" / "segments").rglob("0000"))
    part.write_bytes(part.read_bytes()[:-3] + b"xyz")
    elsewhere = Desk(tmp_path / "other", place=tmp_path / "ledger")
    assert only(elsewhere).sort == "damaged"
    part.unlink()
    assert only(elsewhere).sort == "deleted"


@pytest.mark.parametrize(
    "line", [b"[" * 100_000, b'{"v":1,"type":"intent"}', b'{"v":1,"type":{},"seq":[],"prev":{}}', b"null", b"\xff\xfe"]
)
def test_nothing_in_a_segment_that_was_left_behind_stops_the_next_run(tmp_path: Path, line: bytes) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES)
    rewrite(path, lambda lines: [*lines[:3], line, *lines[4:]])
    assert desk.scribe().dangling("vault.policy/k0") == ()
    assert len(desk.verdict().findings) == 1
    desk.run()
    assert {one.sort for one in desk.verdict().findings} == {"set aside"}


def test_an_intent_without_an_id_that_is_chained_in_breaks_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES)
    rewrite(path, lambda lines: rechained([*lines, lines[1].replace(b'"id"', b'"code"')], len(lines)))
    assert desk.verdict().ok, "after the last checkpoint, so it is not seen"
    desk.run()
    assert desk.verdict().ok


def test_events_hold_nothing_that_is_not_allowed() -> None:
    with pytest.raises(TypeError):
        Event("intent", value="hunter2")  # type: ignore[call-arg]  # the point
