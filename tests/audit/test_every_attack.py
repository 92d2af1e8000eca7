"""The attacks on the log, one after the other, as `audit verify` answers them: the line, what was done, and what cannot be seen."""

from __future__ import annotations

import datetime
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from reconciler.audit.note import signed
from reconciler.audit.segment import Unloggable
from reconciler.audit.verdict import Anchor
from reconciler.report.audit_log import verdict_text
from reconciler.wiring.evidence import verdict_json
from tests.audit.desk import Desk, pen, rewrite
from tests.audit.test_attacks import CHANGES, LINES, edited, rechained, resigned

SECOND = LINES


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A log of three segments."""
    made = Desk(tmp_path / "audit")
    for number in range(3):
        made.run(CHANGES, first=10 * number)
    return made


def answer(desk: Desk, *anchors: Anchor) -> str:
    """What `audit verify` prints."""
    return verdict_text(verdict_json("dev", desk.verdict(anchors=anchors)))


def findings(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith("  ")]


def anchor(desk: Desk) -> Anchor:
    return Anchor(".audit/dev.checkpoint", desk.book.head()[0].note)


class Attack(NamedTuple):
    """What somebody does to the lines of the second segment, and what is said of it."""

    change: Callable[[list[bytes]], list[bytes]]
    line: int
    sort: str
    words: str


ON_LINES = {
    "edit": Attack(lambda lines: [*lines[:3], edited(lines[3]), *lines[4:]], 4, "edited", "it was edited"),
    "delete": Attack(lambda lines: lines[:3] + lines[5:], 4, "deleted", "2 lines were deleted"),
    "insert": Attack(lambda lines: [*lines[:3], b'{"v":1}', *lines[3:]], 4, "inserted", "inserted"),
    "reorder": Attack(lambda lines: [*lines[:3], lines[5], lines[4], lines[3], *lines[6:]], 4, "reordered", "reordered"),
    "edit and chain anew": Attack(lambda lines: rechained([*lines[:3], edited(lines[3]), *lines[4:]], 3), 4, "rechained", "chained anew"),
    "delete and chain anew": Attack(lambda lines: rechained(lines[:3] + lines[4:], 3), 4, "deleted", "deleted"),
    "truncate before a checkpoint": Attack(lambda lines: lines[:-2], LINES - 1, "truncated", "cut off"),
}


@pytest.mark.parametrize("name", ON_LINES)
def test_what_was_done_to_lines_is_said_with_the_line(desk: Desk, name: str) -> None:
    attack, path = ON_LINES[name], desk.segments()[1]
    rewrite(path, attack.change)
    (finding,) = findings(answer(desk))
    assert finding.startswith(f"{attack.sort}: entry {SECOND + attack.line - 1}, {path.name} line {attack.line}: "), finding
    assert attack.words in finding, finding


def test_truncated_after_the_last_checkpoint_is_said_to_be_unseen(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES)  # nothing was sealed yet
    rewrite(path, lambda lines: lines[:5])
    text = answer(desk)
    assert findings(text) == []
    assert "cut off the end of a segment that is not committed yet, after its writer's last checkpoint" in text


def test_truncated_before_a_writer_s_checkpoint_is_said_with_the_line(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES, sealed=True)
    rewrite(path, lambda lines: lines[:5])
    (finding,) = findings(answer(desk))
    assert finding.startswith(f"truncated: open/{path.name} line 6: lines were cut off: its checkpoint is over "), finding


def test_log_and_checkpoints_rolled_back_together(desk: Desk, tmp_path: Path) -> None:
    shutil.copytree(desk.folder, tmp_path / "before")
    desk.run()
    kept = anchor(desk)
    shutil.rmtree(desk.folder)
    shutil.move(tmp_path / "before", desk.folder)
    text = answer(desk)
    assert findings(text) == []
    assert "a log that was rolled back together with its checkpoints" in text, "without an anchor it is said not to be seen"
    (finding,) = findings(answer(desk, kept))
    assert finding == ("rolled back: .audit/dev.checkpoint: the log was rolled back or replaced: 34 entries were there, and it has 27 now")


def test_another_log_in_its_place(desk: Desk) -> None:
    kept = anchor(desk)
    shutil.rmtree(desk.folder)
    for _ in range(5):
        desk.run(CHANGES)
    (finding,) = findings(answer(desk, kept))
    assert finding == (
        "replaced: .audit/dev.checkpoint: the log was replaced or rewritten: its first 27 entries are not those that were there"
    )


@pytest.mark.parametrize(
    ("name", "sort", "words"),
    [("unsigned", "unsigned", "nobody signed it"), ("foreign key", "foreign", "signed by"), ("no note at all", "malformed", "no ")],
)
def test_a_checkpoint_that_nobody_vouches_for(desk: Desk, name: str, sort: str, words: str) -> None:
    changes: dict[str, Callable[[str], str]] = {
        "unsigned": lambda note: note.partition("\n\n")[0] + "\n\n",
        "foreign key": lambda note: signed(note.partition("\n\n")[0] + "\n", [pen(seed=b"e" * 32)]),
        "no note at all": lambda _note: "",
    }
    resigned(desk, changes[name])
    last = desk.segments()[-1].stem
    (finding,) = findings(answer(desk))
    assert finding.startswith(f"{sort}: entry {3 * LINES - 1}, {last}: the checkpoint after it is not ours: "), finding
    assert words in finding, finding


def test_an_expired_key_is_said_with_the_entry_and_both_days(desk: Desk) -> None:
    desk.trusted = [pen().verifier._replace(until=datetime.date(2027, 1, 14))]
    found = findings(answer(desk))
    ends = [LINES - 1, 2 * LINES - 1, 3 * LINES - 1]
    assert [re.match(r"expired: entry (\d+), ", one) is not None for one in found] == [True] * 3
    assert [int(one.split("entry ")[1].partition(",")[0]) for one in found] == ends
    assert all("is of 2027-01-15" in one and "trusted until 2027-01-14" in one for one in found)


def test_an_empty_period_is_said_with_its_beginning_and_end(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES)
    rewrite(path, lambda lines: rechained([*lines[:3], *(one.replace(b"2027-01-15T08", b"2027-01-15T09") for one in lines[3:])], 3))
    (finding,) = findings(answer(desk))
    assert finding.startswith(f"empty: open/{path.name} line 4: "), finding
    assert "from 2027-01-15T08" in finding
    assert "to 2027-01-15T09" in finding


def test_an_empty_period_in_the_log_itself_is_a_finding(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    with desk.scribe() as scribe:
        id = scribe.intent("apply.update", "vault.policy/x")
        segment = scribe._segment
        assert segment is not None
        segment.last = desk.now = desk.now + 7200  # a process whose signs of life somebody stopped, and which does not own up to it
        scribe.outcome(id, "applied")
    (finding,) = findings(answer(desk))
    assert finding.startswith("empty: entry 2, "), finding


def test_a_line_of_another_writer(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(CHANGES)
    rewrite(path, lambda lines: rechained([*lines[:3], lines[3].replace(b'"writer":"', b'"writer":"f'), *lines[4:]], 3))
    (finding,) = findings(answer(desk))
    assert finding.startswith(f"another writer: open/{path.name} line 4: "), finding


def test_a_file_that_was_replaced_under_an_open_handle_stops_its_writer_and_is_said_with_the_line(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    scribe = desk.scribe()
    scribe.outcome(scribe.intent("apply.update", "vault.policy/x"), "applied")
    scribe.decision("guard.allowed", "genesis/dev", code="delete_share")  # it is sealed now
    path = desk.book.unfinished()[0]
    other = path.with_suffix(".other")
    other.write_bytes(b"".join(line + b"\n" for line in path.read_bytes().split(b"\n")[:2]))
    other.replace(path)
    with pytest.raises(Unloggable, match="another file was put in its place"):
        scribe.intent("apply.delete", "vault.policy/x")
    scribe.close()
    (finding,) = findings(answer(desk))
    assert finding.startswith(f"truncated: open/{path.name} line 3: lines were cut off: its checkpoint is over 4, and 2 are there"), finding


def test_what_cannot_be_seen_is_always_said(desk: Desk) -> None:
    text = answer(desk)
    assert findings(text) == []
    assert "This cannot see: what was done past the log altogether; a log that was rolled back" in text
    assert "to a moment after the last anchor" in answer(desk, anchor(desk))
