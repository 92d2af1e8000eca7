"""Archives: whole segments go, nothing that is not archived, and the log says so and verifies, however often it is interrupted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.audit.archive import archivable, archive, prune
from reconciler.audit.log import leaves_of
from reconciler.audit.merkle import root_of
from reconciler.audit.note import Signer
from reconciler.audit.proof import prove
from reconciler.audit.pruned import PRUNE, Pruned, pruned_by
from reconciler.backends.aws.client import AwsClient
from reconciler.core.errors import ReconcilerError, Unavailable
from reconciler.ledger.file import FileShelf
from reconciler.ledger.s3 import S3Shelf
from reconciler.ledger.shelf import Shelf
from tests.audit.desk import Desk, kill, rewrite

FIRST = "2027-01-15T08:00:30"  # after the first of the desk's runs, a minute each
SECOND = "2027-01-15T08:01:30"


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    if request.param == "folder":
        return FileShelf(tmp_path / "archive")
    aws: AwsClient = request.getfixturevalue("aws")
    aws.change("s3", "create_bucket", Bucket="archive")
    return S3Shelf(aws, "archive", "audit")


def desk_in(folder: Path, *, shipped: bool = False, runs: int = 3) -> Desk:
    made = Desk(folder / "audit", place=folder / "ledger" if shipped else None)
    for number in range(runs):
        made.run(4, first=10 * number)
    return made


def retire(desk: Desk, place: Any, before: str) -> None:
    """What a run of retention does."""
    with desk.scribe() as scribe:
        archived = [archive(desk.book, one, place) for one in archivable(desk.book, before)]
        prune(desk.book, archived, "the archive", desk.verdict().pruned, scribe.keep_signed)


def said(desk: Desk) -> list[Pruned]:
    return [one for line in desk.lines() if (one := pruned_by(json.loads(line)))]


@pytest.mark.parametrize("shipped", [False, True])
def test_archived_segments_are_dropped_and_the_log_still_verifies(tmp_path: Path, place: Shelf, shipped: bool) -> None:
    desk = desk_in(tmp_path, shipped=shipped)
    before = desk.lines()
    ripe = list(archivable(desk.book, SECOND, lambda listed: listed.begin == 0))
    assert [one.begin for one in ripe] == [9], "the first is held, the last is too young"
    with desk.scribe() as scribe:
        prune(desk.book, [archive(desk.book, one, place) for one in ripe], "the archive", (), scribe.keep_signed)
    assert desk.lines()[:18] == before[:9] + before[18:]
    kept = place.get(f"{ripe[0].id}.jsonl")
    assert kept is not None
    assert kept.content.splitlines() == before[9:18]
    verdict = desk.verdict()
    assert verdict.ok, verdict
    assert any(note.startswith("entries 9 to 17 are in the archive since 2027-01-15") for note in verdict.notes), verdict.notes
    assert list(archivable(desk.book, SECOND, lambda listed: listed.begin == 0)) == []
    (event,) = [json.loads(line) for line in desk.lines() if PRUNE.encode() in line]
    assert (event["phase"], event["store"], event["fp"]) == ("entries 9-17", "the archive", root_of(leaves_of(before[9:18])).hex())
    assert prove(desk.book, 3)
    with pytest.raises(ReconcilerError, match="archived"):
        prove(desk.book, 10)


def test_the_log_explains_its_beginning_after_the_events_about_it_are_archived_too(tmp_path: Path) -> None:
    desk, place = desk_in(tmp_path), FileShelf(tmp_path / "archive")
    for minute in range(1, 9):
        retire(desk, place, f"2027-01-15T08:0{minute}:30")
        desk.run(1, first=100 + minute)
        assert desk.verdict().ok, (minute, desk.verdict())
    assert len(desk.book.segments()) > 15, "many went, and four are left"
    assert len(desk.segments()) == 4
    gone = desk.book.segments()[len(desk.book.segments()) - len(desk.segments())].begin - 1
    assert {(one.first, one.last) for one in said(desk)[-1:]} == {(0, gone)}, "all that ever went"
    assert len(said(desk)) < 4, "in no more events than there are runs at hand"


class Interrupted(BaseException):
    """The process is gone."""


@dataclass
class Fate:
    """At which call of any place the process is killed: before it is done, or after."""

    at: int
    after: bool
    calls: int = 0

    def over(self, inner: Any) -> Any:
        return Fated(inner, self)


class Fated:
    """A place where that may happen."""

    def __init__(self, inner: Any, fate: Fate) -> None:
        self._inner, self._fate = inner, fate

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            fate = self._fate
            fate.calls += 1
            if fate.calls == fate.at and not fate.after:
                raise Interrupted
            answer = getattr(self._inner, name)(*given)
            if fate.calls == fate.at:
                raise Interrupted
            return answer

        return call


@pytest.mark.parametrize("shipped", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_who_is_killed_anywhere_does_it_again_and_nothing_is_dropped_that_is_not_archived(
    tmp_path: Path, shipped: bool, after: bool
) -> None:
    original = desk_in(tmp_path / "first", shipped=shipped)
    lines, at = original.lines(), 0
    while True:
        at += 1
        folder = tmp_path / str(at)
        shutil.copytree(tmp_path / "first", folder)
        desk = Desk(folder / "audit", place=folder / "ledger" if shipped else None, now=original.now)
        place = FileShelf(folder / "archive")
        if not _killed(desk, place, Fate(at, after)):
            break
        for listed in desk.book.segments()[:2]:
            copy = place.get(f"{listed.id}.jsonl")
            here = desk.book.own_copy(listed.id)
            assert here is not None or (copy is not None and copy.content.splitlines() == lines[listed.begin : listed.end])
        retire(desk, place, SECOND)
        assert desk.verdict().ok, (at, desk.verdict())
        assert list(archivable(desk.book, SECOND)) == []
        assert [line for line in desk.lines() if line in lines] == lines[18:]
        assert desk.book.archived() == {one.id for one in desk.book.segments()[:2]}
    assert at > 12, "every call had its turn"


def _killed(desk: Desk, place: Shelf, fate: Fate) -> bool:
    book = replace(desk.book, shelf=fate.over(desk.book.shelf))
    scribe = desk.scribe()
    try:
        prune(book, [archive(book, one, fate.over(place)) for one in archivable(book, SECOND)], "the archive", (), scribe.keep_signed)
    except Interrupted:
        if scribe._segment is not None:
            kill(scribe)
        return True
    scribe.close()
    return False


def test_what_cannot_be_signed_is_not_dropped(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    before = desk.lines()

    class Away:
        """A key that cannot be reached."""

        verifier = desk.pen.verifier

        def sign(self, _text: bytes) -> bytes:
            raise Unavailable("the key cannot be reached")

    away: Signer = Away()
    place = FileShelf(tmp_path / "archive")
    desk.pen = away  # type: ignore[assignment]  # it signs as much as a pen does
    with pytest.raises(Unavailable):
        retire(desk, place, SECOND)
    assert desk.lines()[: len(before)] == before


def test_an_archive_that_gives_back_something_else_is_no_archive(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    before = desk.lines()
    place = FileShelf(tmp_path / "archive")
    listed = desk.book.segments()[0]

    class Careless:
        def __getattr__(self, name: str) -> Any:
            return getattr(place, name)

        def add(self, key: str, content: bytes) -> None:
            place.add(key, content[:-2])

    with pytest.raises(ReconcilerError, match="does not give back"):
        retire(desk, Careless(), FIRST)
    assert desk.lines()[: len(before)] == before
    assert listed.id not in desk.book.archived()


def test_lines_that_were_deleted_and_marked_as_archived_are_found(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    path = desk.segments()[1]
    path.unlink()
    FileShelf(desk.folder).add(f"archived/{path.stem}", b"{}")
    (finding,) = desk.verdict().findings
    assert (finding.sort, finding.entry) == ("deleted", 9)
    assert "no event" in finding.what


def test_lines_that_were_deleted_beside_archived_ones_are_found(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    retire(desk, FileShelf(tmp_path / "archive"), FIRST)
    desk.segments()[0].unlink()
    (finding,) = desk.verdict().findings
    assert (finding.sort, finding.entry) == ("deleted", 9)


def test_what_was_tampered_with_is_not_archived(tmp_path: Path) -> None:
    desk = desk_in(tmp_path)
    rewrite(desk.segments()[0], lambda lines: lines[:-1])
    with pytest.raises(ReconcilerError, match="not what was recorded"):
        archive(desk.book, desk.book.segments()[0], FileShelf(tmp_path / "archive"))
    assert not (tmp_path / "archive").exists()
