"""Backup files: an environment's own, when they are old, and never the last one."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.backup.sealing import new_pair, recipients_of
from reconciler.backup.writing import write_backup
from reconciler.core.keeping import LegalHold
from reconciler.retention.backups import NEWEST, look
from reconciler.retention.due import Due
from tests.audit.desk import pen
from tests.backup.files import RECORDS, origin

PAIRS = (new_pair(), new_pair())
BEFORE = "2030-01-01T00:00:00Z"


def backup(folder: Path, year: int, environment: str = "dev", name: str = "", seed: bytes = b"s" * 32) -> str:
    recipients = [one.recipient for one in PAIRS]
    id = f"{year}0301T120000Z-0000000{len(environment)}"
    about = origin(recipients).model_copy(update={"id": id, "made": f"{year}-03-01T12:00:00+00:00", "environment": environment})
    file = folder / (name or f"{id}.backup")
    write_backup(file, about, RECORDS, recipients_of(recipients), pen(seed=seed))
    return file.name


def looked(folder: Path, *holds: LegalHold) -> Due:
    return look(folder, "genesis", "dev", BEFORE, holds, [pen().verifier])


def going(folder: Path, *holds: LegalHold) -> list[str]:
    return [thing.name for thing in looked(folder, *holds).going]


def test_old_ones_go_and_young_ones_stay(tmp_path: Path) -> None:
    old = [backup(tmp_path, year) for year in (2024, 2025)]
    backup(tmp_path, 2031)
    assert sorted(going(tmp_path)) == old
    assert looked(tmp_path).staying == ()


def test_the_newest_stays_however_old_it_is(tmp_path: Path) -> None:
    old = [backup(tmp_path, year) for year in (2024, 2025)]
    due = looked(tmp_path)
    assert [thing.name for thing in due.going] == old[:1]
    assert [(one.thing.name, one.reason) for one in due.staying] == [(old[1], NEWEST)]


def test_an_older_one_of_another_name_makes_none_the_newest(tmp_path: Path) -> None:
    newest = backup(tmp_path, 2025)
    backup(tmp_path, 2024, name="monday.backup")
    due = looked(tmp_path)
    assert (due.going, [(one.thing.name, one.reason) for one in due.staying]) == ((), [(newest, NEWEST)])


def test_those_of_other_environments_are_neither_ours_to_delete_nor_our_newest(tmp_path: Path) -> None:
    mine = backup(tmp_path, 2025)
    backup(tmp_path, 2024, "staging")
    backup(tmp_path, 2031, "staging")
    due = looked(tmp_path)
    assert due.going == ()
    assert [one.thing.name for one in due.staying] == [mine]


@pytest.mark.parametrize("how", ["foreign key", "altered", "no backup"])
def test_a_file_that_nobody_vouches_for_is_not_deleted(tmp_path: Path, how: str) -> None:
    backup(tmp_path, 2031)
    name = backup(tmp_path, 2024, seed=b"x" * 32 if how == "foreign key" else b"s" * 32)
    if how == "altered":
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1])
    if how == "no backup":
        (tmp_path / name).write_bytes(b"something else")
    due = looked(tmp_path)
    assert due.going == ()
    assert [words.partition(":")[0] for words in due.unread] == [name]


def test_a_name_alone_makes_no_backup_old(tmp_path: Path) -> None:
    backup(tmp_path, 2031, name="20200301T120000Z-00000000.backup")
    backup(tmp_path, 2024, name="before-the-move.backup")
    assert going(tmp_path) == []


def test_a_hold_keeps_all_that_were_made_since_its_first_day(tmp_path: Path) -> None:
    old = [backup(tmp_path, year) for year in (2024, 2025, 2026)]
    backup(tmp_path, 2031)
    hold = LegalHold.model_validate({"name": "case", "since": "2025-01-01", "until": "2025-02-01"})
    assert going(tmp_path, hold) == old[:1]
    assert going(tmp_path, LegalHold(name="all")) == []


def test_there_need_be_no_folder(tmp_path: Path) -> None:
    assert looked(tmp_path / "nothing") == Due()
