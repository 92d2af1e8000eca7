"""The log while it is written: many threads and processes, crashes, full disks, machines that are thrown away."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.audit import head as heads
from reconciler.audit.event import Event
from reconciler.audit.log import Log
from reconciler.audit.people import People
from reconciler.audit.redaction import Masks, Redactor
from reconciler.audit.segment import Segment, Unloggable
from reconciler.core.errors import Conflict, Unavailable
from reconciler.ledger.file import FileShelf
from tests.audit.desk import Desk, kill


def events(desk: Desk) -> list[dict[str, str]]:
    return [json.loads(line) for line in desk.lines()]


def test_an_intent_is_on_the_disk_when_it_returns(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    scribe = desk.scribe()
    id = scribe.intent("apply.update", "vault.policy/x", ver_from="3")
    (path,) = desk.book.unfinished()
    assert json.loads(path.read_bytes().splitlines()[-1]) | {"id": id, "ver_from": "3"} == json.loads(path.read_bytes().splitlines()[-1])
    scribe.close()


def test_a_process_that_records_nothing_leaves_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    with desk.scribe() as scribe:
        assert scribe.dangling("vault.policy/x") == ()
    assert not desk.folder.exists()


def counted_syncs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    syncs: list[int] = []
    sync = os.fsync

    def counting(file: int) -> None:
        syncs.append(file)
        sync(file)

    monkeypatch.setattr(os, "fsync", counting)
    return syncs


def test_many_threads_share_syncs_and_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, syncs = Desk(tmp_path / "audit"), counted_syncs(monkeypatch)

    def change(number: int) -> None:
        scribe.outcome_soon(scribe.intent("apply.update", f"vault.policy/p{number}"), "applied")

    with desk.scribe() as scribe:
        scribe.intent("apply.update", "vault.policy/first")
        before = len(syncs)
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(change, range(320)))
        assert len(syncs) - before < 320, "each waits for a sync, and several for the same one"
    found = events(desk)
    assert {one["resource"] for one in found if one["type"] == "intent"} >= {f"vault.policy/p{number}" for number in range(320)}
    assert sum(one["type"] == "outcome" for one in found) == 320
    assert desk.verdict().ok


def test_many_intents_at_once_cost_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path / "audit")
    with desk.scribe() as scribe:
        scribe.intent("apply.update", "vault.policy/first")
        syncs = counted_syncs(monkeypatch)
        ids = scribe.intents([("apply.update", f"vault.policy/p{number}", "") for number in range(200)])
        assert len(syncs) == 1
        assert len(set(ids)) == 200


@pytest.mark.parametrize("torn", [b'{"v":1,"se', b"\0\0\0\0", b"x" * 5000])
def test_a_torn_last_line_is_set_aside_and_recorded(tmp_path: Path, torn: bytes) -> None:
    desk = Desk(tmp_path / "audit")
    path = desk.killed(2)
    whole = path.read_bytes()
    path.write_bytes(whole + torn)
    assert any("torn" in note for note in desk.verdict().notes)
    desk.run(1)
    assert (desk.folder / "quarantine" / f"{path.stem}.torn").read_bytes() == torn
    assert (desk.folder / "segments" / path.name).read_bytes() == whole
    (recovered,) = [one for one in events(desk) if one["type"] == "recovery"]
    assert (recovered["resource"], recovered["code"], recovered["phase"]) == (path.stem, "torn", f"{len(torn)} bytes")
    assert desk.verdict().ok


def test_an_intent_without_an_outcome_is_known_to_the_next_process_until_it_is_answered(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    desk.killed(1, open_intent="vault.policy/x")
    with desk.scribe() as scribe:
        ((id, *_),) = scribe.dangling("vault.policy/x")
        assert scribe.dangling("vault.policy/k0") == ()
        desk_says = desk.verdict().unanswered
        assert [one.resource for one in desk_says.values()] == ["vault.policy/x"]
        scribe.outcome(id, "unknown", code="looked")
        assert scribe.dangling("vault.policy/x") == ()
    assert desk.scribe().dangling("vault.policy/x") == ()
    assert not desk.verdict().unanswered


def test_what_a_process_has_under_way_is_not_dangling_to_others(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    slow = desk.scribe()
    slow.intent("apply.update", "vault.policy/x")
    assert desk.scribe().dangling("vault.policy/x") == ()
    desk.run(1)
    assert len(desk.book.unfinished()) == 1, "the segment of a process that lives is left alone"
    slow.close()
    assert desk.verdict().ok
    assert len(desk.verdict().unanswered) == 1


def test_a_process_that_is_stopped_holds_up_nobody(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom tests.audit.desk import Desk\n"
        f"scribe = Desk(Path({str(tmp_path / 'audit')!r})).scribe()\n"
        "id = scribe.intent('apply.update', 'vault.policy/slow')\nos.kill(os.getpid(), signal.SIGSTOP)\n"
        "scribe.outcome(id, 'applied')\nscribe.close()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script])
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    desk = Desk(tmp_path / "audit")
    desk.run()
    assert desk.verdict().ok
    os.kill(process.pid, signal.SIGCONT)
    assert process.wait(60) == 0
    verdict = desk.verdict()
    assert verdict.ok, verdict
    assert (verdict.uncommitted, len(verdict.unanswered)) == (0, 0)


def test_processes_that_end_at_once_are_all_in_the_log(tmp_path: Path) -> None:
    desks = [Desk(tmp_path / "audit", now=1_800_000_000.0 + number) for number in range(8)]
    scribes = [desk.scribe() for desk in desks]
    for number, scribe in enumerate(scribes):
        scribe.intent("apply.update", f"vault.policy/p{number}")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda scribe: scribe.close(), scribes))
    verdict = desks[0].verdict()
    assert verdict.ok, verdict
    assert (verdict.segments, verdict.size, verdict.uncommitted) == (8, 16, 0)


def test_machines_that_are_thrown_away_have_one_log(tmp_path: Path) -> None:
    for number in range(3):
        Desk(tmp_path / f"machine{number}", place=tmp_path / "ledger", now=1_800_000_000.0 + number * 100).run(2)
    elsewhere = Desk(tmp_path / "auditor", place=tmp_path / "ledger")
    verdict = elsewhere.verdict()
    assert verdict.ok, verdict
    assert (verdict.size, verdict.segments) == (15, 3)
    assert len({one["actor"] for one in events(elsewhere) if one["type"] == "segment"}) == 1, "one person is one pseudonym everywhere"
    assert elsewhere.book.people.names() == {next(one["actor"] for one in events(elsewhere) if "actor" in one): "ada@example.com"}


def test_the_index_grows_in_pages_and_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "RECENT", 3)
    desk = Desk(tmp_path / "audit")
    for _ in range(16):
        desk.run(1)
    pages = list((desk.folder / "index").iterdir())
    assert len(pages) > 2
    assert desk.verdict().ok
    assert [one.begin for one in desk.book.segments()] == list(range(0, 48, 3))
    pages[0].write_bytes(pages[0].read_bytes() + b" ")
    assert [one.sort for one in desk.verdict().findings] == ["damaged"]


# Fail-closed.


def test_where_nothing_can_be_recorded_nothing_is_begun(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file where the folder should be")
    with pytest.raises(Unloggable, match="nothing is changed"):
        Desk(tmp_path / "audit").scribe().intent("apply.update", "vault.policy/x")


@pytest.mark.parametrize("room", [0, 1, 40, 4000])
def test_a_full_disk_stops_the_run_and_the_next_one_goes_on(tmp_path: Path, room: int) -> None:
    """With a limit on file sizes as the disk: the kernel writes what fits, then says no."""
    desk = Desk(tmp_path / "audit")
    scribe = desk.scribe()
    scribe.intent("apply.update", "vault.policy/x")
    (path,) = desk.book.unfinished()
    before, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, limits[1]))
    try:
        fill = partial(scribe.intents, [("apply.update", f"vault.policy/p{number}", "") for number in range(100)])
        with pytest.raises(Unloggable, match="nothing is changed"):
            fill()
        with pytest.raises(Unloggable):
            scribe.intent("apply.update", "vault.policy/again")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    scribe.close()
    desk.run(1)
    verdict = desk.verdict()
    assert verdict.ok, verdict
    assert verdict.uncommitted == 0


def test_a_sync_that_failed_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path / "audit")
    scribe = desk.scribe()
    scribe.intent("apply.update", "vault.policy/x")

    def broken(_file: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(Unloggable, match="Input/output error"):
            scribe.intent("apply.update", "vault.policy/y")
    with pytest.raises(Unloggable, match="Input/output error"):
        scribe.intent("apply.update", "vault.policy/z")


def test_waiting_threads_are_told_when_the_one_that_writes_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = Segment(tmp_path / "open" / "x.jsonl", "f" * 16, lambda: 1.0, Redactor(Masks(), str))
    entered, go_on = threading.Event(), threading.Event()

    def slow(_file: int) -> None:
        entered.set()
        go_on.wait(60)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", slow)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(segment.append, [Event("heartbeat")])
        assert entered.wait(60)
        others = [pool.submit(segment.append, [Event("heartbeat")]) for _ in range(3)]
        go_on.set()
        for one in (first, *others):
            assert isinstance(one.exception(60), Unloggable)


def test_a_process_gives_signs_of_life_and_seals_what_there_is(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    with desk.scribe(beat=0.02) as scribe:
        scribe.intent("apply.update", "vault.policy/x")
        desk.now += 60
        (path,) = desk.book.unfinished()
        patience = threading.Event()
        for _ in range(500):
            if path.with_suffix(".note").exists() and b"heartbeat" in path.read_bytes():
                break
            desk.now += 1
            patience.wait(0.02)
        checkpoint, _ = desk.book.opened(path.with_suffix(".note").read_text(), path.stem.rpartition("-")[2])
        assert checkpoint.size > 0
    assert {"heartbeat"} <= {one["type"] for one in events(desk)}
    assert desk.verdict().ok


@pytest.mark.parametrize("guarded", [False, True])
def test_outcomes_of_guarded_runs_and_decisions_are_sealed_at_once(tmp_path: Path, guarded: bool) -> None:
    desk = Desk(tmp_path / "audit")
    scribe = desk.scribe(guarded=guarded)
    scribe.outcome(scribe.intent("rotation.promote", "db/orders"), "applied")
    note = desk.book.unfinished()[0].with_suffix(".note")
    assert note.exists() == guarded
    scribe.decision("guard.lifted", "vault.policy/x", code="takeover")
    assert note.exists()
    scribe.close()
    assert desk.verdict().ok


# The store of a shipped log fails.


class Failing(FileShelf):
    """A shelf that is down, or whose answers get lost."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fail: Callable[[str], str] = lambda _verb: ""

    def put(self, key: str, content: bytes, expected: str) -> str:
        return str(self._through("put", lambda: FileShelf.put(self, key, content, expected)))

    def add(self, key: str, content: bytes) -> None:
        self._through("add", lambda: FileShelf.add(self, key, content))

    def get(self, key: str):  # type: ignore[no-untyped-def]  # as the shelf has it
        return self._through("get", lambda: FileShelf.get(self, key))

    def keys(self, prefix: str) -> tuple[str, ...]:
        return tuple(self._through("keys", lambda: FileShelf.keys(self, prefix)))  # type: ignore[arg-type]  # as `get`

    def _through(self, verb: str, call: Callable[[], object]) -> object:
        how = self.fail(verb)
        if how == "down":
            raise Unavailable("the ledger is down")
        answer = call()
        if how == "lost":
            raise Unavailable("the answer was lost")
        return answer


def shipping(folder: Path) -> tuple[Desk, Failing, Log]:
    desk, shelf = Desk(folder / "audit", place=folder / "ledger"), Failing(folder / "ledger")
    people = People(shelf, FileShelf(desk.folder / "spare"))
    return desk, shelf, Log(desk.folder, desk.book.origin, shelf, people, desk.book.signer, desk.book.trusted, shipped=True)


def test_what_cannot_be_shipped_is_shipped_by_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk, shelf, book = shipping(tmp_path)
    monkeypatch.setattr(Desk, "book", book)
    shelf.fail = lambda _verb: "down"
    desk.run(2)
    assert len(book.unfinished()) == 1, "an outage of the ledger stops no mutation of what is elsewhere"
    assert list((desk.folder / "spare").rglob("people/*/*"))
    shelf.fail = lambda _verb: ""
    desk.run(1)
    verdict = desk.verdict()
    assert verdict.ok, verdict
    assert (verdict.size, verdict.uncommitted) == (8, 0)
    assert not list((desk.folder / "spare").rglob("people/*/*"))
    names = book.people.names()
    assert {names[one["actor"]] for one in events(desk) if "actor" in one} == {"ada@example.com"}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["", "", "down", "lost"]), max_size=12), st.integers(0, 10**9))
def test_a_line_is_in_the_log_once_whatever_gets_lost_on_the_way(tmp_path: Path, faults: list[str], seed: int) -> None:
    folder = tmp_path / f"{seed}-{len(list(tmp_path.iterdir()))}"
    desk, shelf, book = shipping(folder)
    about = desk.scribe()._about
    left = list(faults)

    def fail(_verb: str) -> str:
        return left.pop() if left else ""

    from reconciler.audit.scribe import Scribe

    for number in range(3):
        shelf.fail = fail if number else (lambda _verb: "")
        scribe = Scribe(book, about, desk.masks, now=desk.clock, beat=3600)
        try:
            scribe.intent("apply.update", f"vault.policy/p{number}")
        finally:
            scribe.close()
        desk.now += 1
    shelf.fail = lambda _verb: ""
    desk.run(1)
    resources = [one.get("resource") for one in events(desk) if one["type"] == "intent"]
    assert sorted(map(str, resources)) == ["vault.policy/p0", "vault.policy/p0", "vault.policy/p1", "vault.policy/p2"]
    verdict = desk.verdict()
    assert verdict.ok, verdict


def test_a_commit_beside_many_others_gives_up_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path / "audit")

    def always(*_given: object) -> str:
        raise Conflict("somebody else was first")

    monkeypatch.setattr(FileShelf, "put", always)
    path = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(People, "pseudonym", lambda _self, _name: "f" * 16)
        scribe = desk.scribe()
        scribe.intent("apply.update", "vault.policy/x")
        path = desk.book.unfinished()[0]
        scribe.close()
    assert path.exists()


def test_killed_between_the_head_and_the_files_nothing_is_committed_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path / "audit")
    scribe = desk.scribe()
    scribe.intent("apply.update", "vault.policy/x")

    def dead(*_given: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Log, "_settled", dead)
        scribe.close()
    assert len(desk.book.unfinished()) == 1
    desk.run(1)
    verdict = desk.verdict()
    assert verdict.ok, verdict
    assert (verdict.size, verdict.segments, verdict.uncommitted) == (5, 2, 0)


# People.


def test_a_person_who_was_erased_cannot_be_found_by_trying_names(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    desk.run(1)
    people = desk.book.people
    (pseudonym,) = people.pseudonyms("ada@example.com")
    assert people.names() == {pseudonym: "ada@example.com"}
    assert people.erase("ada@example.com") == 1
    assert people.names() == {}
    assert people.pseudonyms("ada@example.com") == ()
    assert desk.verdict().ok, "the log itself is as it was"
    desk.run(1)
    assert people.pseudonyms("ada@example.com") != (pseudonym,), "who comes again is somebody else"
    everything = b"".join(path.read_bytes() for path in desk.folder.rglob("*") if path.is_file() and "people" not in path.parts)
    assert b"ada@example.com" not in everything


def test_an_address_in_a_name_is_hidden_but_stays_itself(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "audit")
    with desk.scribe() as scribe:
        for name in ("ops%40example.com", "dev%40example.com", "ops%40example.com"):
            scribe.outcome(scribe.intent("apply.update", f"vault.identity_group_alias/jwt/{name}"), "applied")
    one, two, three = [str(entry["resource"]) for entry in events(desk) if entry["type"] == "intent"]
    assert one == three != two
    assert "example" not in one
    assert desk.book.people.hidden("ops@example.com") in one
    assert desk.book.people.hidden("ops@example.com") == Desk(desk.folder).book.people.hidden("ops@example.com")


def test_a_killed_processs_files_are_what_kill_leaves(tmp_path: Path) -> None:
    """The double of a kill that these tests use, beside a real one."""
    script = (
        "import os, signal\nfrom pathlib import Path\nfrom tests.audit.desk import Desk\n"
        f"scribe = Desk(Path({str(tmp_path / 'real')!r})).scribe()\n"
        "scribe.intent('apply.update', 'vault.policy/x')\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    double = Desk(tmp_path / "double")
    scribe = double.scribe()
    scribe.intent("apply.update", "vault.policy/x")
    kill(scribe)
    left = [sorted(path.suffix for path in (tmp_path / name / "open").iterdir()) for name in ("real", "double")]
    assert left[0] == left[1]
    for name in ("real", "double"):
        desk = Desk(tmp_path / name, now=1_800_000_100.0)
        desk.run(1)
        assert len(desk.verdict().unanswered) == 1
