"""Loading and saving: on every shelf, under interference, damaged, large, and killed in the middle."""

from __future__ import annotations

import json
import random
import string
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.core.address import Address, Place
from reconciler.core.errors import Conflict, Denied, LeaseLost, ReconcilerError, Unavailable
from reconciler.core.resource import Lifecycle
from reconciler.ledger.chunks import PART_BYTES
from reconciler.ledger.file import FileShelf
from reconciler.ledger.kv import KvShelf
from reconciler.ledger.ledger import RECENT_RUNS, STATE_FOLDER, Ledger
from reconciler.ledger.records import EMPTY, Claim, Limits, ObjectRecord, Owned, RunRecord, State
from reconciler.ledger.shelf import Entry, Shelf

PROTECTED = Lifecycle(protect=True, ignore=("token_ttl",), on_remove="forget", moved_from=Address("vault.policy", "old"))
FULL = State(
    owned={
        Address("vault.policy", "service"): Owned(run="r1"),
        Address("vault.identity_entity", "ann@example.com", Place("eu", "team-a")): Owned(PROTECTED, "every key", {"window": 7}, "r0"),
        Address("aws.secret", "genesis/grün"): Owned(kept={"value": {"source": "env:X", "mark": "m1"}}, run="r1"),
    },
    claims={Address("vault.policy", "claimed"): Claim("f1", "r1")},
    undone={Address("vault.policy", "gone"): ("",), Address("vault.policy", "back"): ("f2", "f3")},
    declared={Address("webhook", "deploy"): {"url": "https://example.com", "events": ["a", "b"], "deep": {"x": None}}},
    runs=(RunRecord("r1", "apply", "c2", "c1", "2026-01-01T00:00:00Z", actor="ann", summary={"create": 2}),),
    applied=("c1", "c2"),
    limits=Limits(0.1, 10, 5),
)


class Counting:
    """A shelf that tells what was added, and can be made to fail."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.added: list[str] = []
        self.fail: dict[str, Exception] = {}

    def get(self, key: str) -> Entry | None:
        self._may("get")
        return self.shelf.get(key)

    def put(self, key: str, content: bytes, expected: str) -> str:
        self._may("put")
        return self.shelf.put(key, content, expected)

    def add(self, key: str, content: bytes) -> None:
        self._may("add")
        self.added.append(key)
        self.shelf.add(key, content)

    def delete(self, key: str) -> None:
        self._may("delete")
        self.shelf.delete(key)

    def keys(self, prefix: str) -> tuple[str, ...]:
        self._may("keys")
        return self.shelf.keys(prefix)

    def prepare(self) -> None:
        self.shelf.prepare()

    def _may(self, work: str) -> None:
        if work in self.fail:
            raise self.fail[work]


def many(count: int, run: str = "r1") -> dict[Address, Owned]:
    return {Address("vault.approle_role", f"approle/role-{number}"): Owned(run=run) for number in range(count)}


def saved(shelf: Shelf, state: State, fence: int = 1) -> str:
    ledger = Ledger(shelf)
    before, version = ledger.load()
    return ledger.save(state, version, before, fence)


def test_nothing_was_ever_applied_at_first(shelf: Shelf) -> None:
    assert Ledger(shelf).load() == (EMPTY, "")


def test_a_state_comes_back_as_it_was(shelf: Shelf) -> None:
    version = saved(shelf, FULL, fence=3)
    assert Ledger(shelf).load() == (replace(FULL, fence=3), version)


def test_a_run_saves_twice_and_each_part_can_go_again(shelf: Shelf) -> None:
    ledger = Ledger(shelf)
    before, version = ledger.load()
    begun = replace(before, claims=FULL.claims, runs=FULL.runs)
    version = ledger.save(begun, version, before, 1)
    version = ledger.save(FULL, version, begun, 1)
    ledger.save(replace(EMPTY, runs=FULL.runs), version, FULL, 1)
    assert Ledger(shelf).load()[0] == replace(EMPTY, runs=FULL.runs, fence=1)


def test_whoever_saves_on_an_old_version_is_refused(shelf: Shelf) -> None:
    first, second = Ledger(shelf), Ledger(shelf)
    (before, version), (_, same) = first.load(), second.load()
    first.save(FULL, version, before, 1)
    with pytest.raises(Conflict):
        second.save(replace(FULL, applied=("other",)), same, before, 2)
    assert Ledger(shelf).load()[0].applied == FULL.applied


def test_a_state_that_returns_does_not_bring_its_old_version_back(folder: FileShelf) -> None:
    ledger = Ledger(folder)
    first = ledger.save(FULL, "", EMPTY, 1)
    second = ledger.save(EMPTY, first, FULL, 1)
    ledger.save(FULL, second, EMPTY, 1)
    with pytest.raises(Conflict):
        Ledger(folder).save(EMPTY, first, FULL, 2)


def test_a_run_whose_lock_was_taken_over_cannot_save_even_if_it_reads_again(folder: FileShelf) -> None:
    saved(folder, FULL, fence=7)
    late = Ledger(folder)
    state, version = late.load()
    with pytest.raises(LeaseLost, match="fence 7"):
        late.save(replace(state, applied=()), version, state, 6)


def test_a_state_of_five_megabytes_fits_on_raft(kv: KvShelf, raft: VaultClient, mount: str) -> None:
    noise = random.Random(1)
    spec = {"body": "".join(noise.choices(string.printable, k=6_000_000))}
    state = replace(FULL, declared={Address("webhook", "huge"): spec}, owned=many(2000))
    saved(kv, state)
    assert Ledger(kv).load()[0] == replace(state, fence=1)
    sizes = [len(json.dumps(raft.read(f"{mount}/data/genesis/prod/{key}"))) for key in kv.keys("")]
    assert sum(sizes) > 5_000_000
    assert max(sizes) < 720_000 < 1024 * 1024


def test_what_raft_refuses_is_why_parts_are_small(kv: KvShelf) -> None:
    kv.add("state/part", bytes(255 for _ in range(PART_BYTES)))
    with pytest.raises(ReconcilerError):
        kv.add("state/whole", bytes(255 for _ in range(2 * PART_BYTES)))


def test_one_changed_object_rewrites_one_chunk(folder: FileShelf) -> None:
    shelf = Counting(folder)
    ledger = Ledger(shelf)
    state = replace(EMPTY, owned=many(10_000))
    version = ledger.save(state, "", EMPTY, 1)
    assert len(shelf.added) == 8
    shelf.added.clear()
    address = Address("vault.approle_role", "approle/role-77")
    ledger.save(replace(state, owned={**state.owned, address: Owned(run="r2")}), version, state, 2)
    assert len(shelf.added) == 1
    assert Ledger(folder).load()[0].owned[address].run == "r2"


def test_a_save_without_a_change_writes_no_chunk(folder: FileShelf) -> None:
    shelf = Counting(folder)
    ledger = Ledger(shelf)
    version = ledger.save(FULL, "", EMPTY, 1)
    shelf.added.clear()
    ledger.save(replace(FULL, owned=dict(FULL.owned)), version, FULL, 1)
    assert shelf.added == []


def test_garbage_is_collected_but_for_the_head_before(folder: FileShelf) -> None:
    ledger, version, state = Ledger(folder), "", EMPTY
    for number in range(4):
        after = replace(EMPTY, owned=many(10, f"r{number}"))
        version = ledger.save(after, version, state, number)
        state = after
    assert len(folder.keys(STATE_FOLDER)) == 4
    ledger.collect()
    assert [key.partition("-")[0] for key in folder.keys(STATE_FOLDER)] == ["state/2", "state/3"]
    assert Ledger(folder).load()[0].owned == state.owned


def test_a_late_collector_leaves_what_its_successor_is_writing(folder: FileShelf) -> None:
    early = Ledger(folder)
    early.save(replace(EMPTY, owned=many(3)), "", EMPTY, 1)
    shelf = Counting(folder)
    writing = Ledger(shelf)
    state, version = writing.load()
    shelf.fail["put"] = Unavailable("killed between chunks and head")
    with pytest.raises(Unavailable):
        writing.save(replace(state, owned=many(4)), version, state, 2)
    early.collect()
    assert set(shelf.added) <= set(folder.keys(STATE_FOLDER))


def test_killed_before_the_head_is_written_nothing_has_happened(shelf: Shelf) -> None:
    saved(shelf, FULL)
    dying = Counting(shelf)
    ledger = Ledger(dying)
    state, version = ledger.load()
    dying.fail["put"] = Unavailable("killed")
    with pytest.raises(Unavailable):
        ledger.save(replace(state, owned={}, applied=("c3",)), version, state, 2)
    assert Ledger(shelf).load() == (state, version)


def test_a_head_whose_answer_was_lost_counts_as_written(folder: FileShelf) -> None:
    class Lossy(Counting):
        def put(self, key: str, content: bytes, expected: str) -> str:
            super().put(key, content, expected)
            return super().put(key, content, expected)  # the retry of a transport that got no answer

    version = Ledger(Lossy(folder)).save(FULL, "", EMPTY, 1)
    assert Ledger(folder).load() == (replace(FULL, fence=1), version)


def test_a_reader_whose_chunks_are_collected_under_it_starts_again(folder: FileShelf) -> None:
    ledger = Ledger(folder)
    first = replace(EMPTY, owned=many(3, "r1"))
    version = ledger.save(first, "", EMPTY, 1)

    class Slow(Counting):
        """Between the reader's head and its chunks, two runs come and go."""

        def get(self, key: str) -> Entry | None:
            found = super().get(key)
            if key == "head" and not self.added:
                self.added.append("once")
                second, third = replace(EMPTY, owned=many(3, "r2")), replace(EMPTY, owned=many(3, "r3"))
                after = ledger.save(second, version, first, 2)
                ledger.save(third, after, second, 3)
                ledger.collect()
            return found

    assert Ledger(Slow(folder)).load()[0].owned == many(3, "r3")


def test_a_lost_chunk_is_named(folder: FileShelf) -> None:
    saved(folder, FULL)
    key = folder.keys(STATE_FOLDER)[0]
    folder.delete(key)
    with pytest.raises(ReconcilerError, match=key):
        Ledger(folder).load()


def test_a_damaged_chunk_is_named(folder: FileShelf, tmp_path: Path) -> None:
    saved(folder, FULL)
    key = folder.keys(STATE_FOLDER)[0]
    file = tmp_path / "genesis" / "prod" / key
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ReconcilerError, match=f"{key} in the ledger is damaged"):
        Ledger(folder).load()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"format": 2}', "format 2.*upgrade"),
        (b"<html>", "cannot be read"),
        (b'{"format": 1}', "cannot be read"),
        (b"[]", "cannot be read"),
    ],
    ids=["newer", "not JSON", "half", "a list"],
)
def test_a_head_that_cannot_be_read_is_an_error_in_words(folder: FileShelf, content: bytes, words: str) -> None:
    folder.put("head", content, "")
    with pytest.raises(ReconcilerError, match=words):
        Ledger(folder).load()


def record(name: str, outcome: str = "applied", value: int = 0) -> ObjectRecord:
    return ObjectRecord(
        f"vault.policy/{name}", "update", {"ttl": value - 1}, {"ttl": value}, outcome, "" if outcome == "applied" else "why"
    )


def test_what_a_run_did_is_kept_object_by_object(shelf: Shelf) -> None:
    objects = (record("a"), record("b", "failed"), ObjectRecord("vault.policy/c", "delete", {"x": [1]}, None, "applied"))
    ledger = Ledger(shelf)
    ledger.save(FULL, "", EMPTY, 1, objects=objects)
    run = ledger.load()[0].runs[0]
    assert ledger.run_changes(run) == objects
    assert ledger.run_changes(RunRecord("none", "apply", "c")) == ()


def test_every_applied_version_of_an_object_is_found_over_all_runs(folder: FileShelf) -> None:
    ledger, version, state = Ledger(folder), "", EMPTY
    count = 2 * RECENT_RUNS + 25
    for number in range(count):
        after = replace(ledger.load()[0], runs=(RunRecord(f"r{number}", "apply", f"c{number}"), *ledger.load()[0].runs))
        objects = [record("a" if number % 2 else "aa", value=number), record("c", "failed" if number % 3 else "applied", number)]
        version = ledger.save(after, version, state, number, objects=objects)
        state = after
    assert len(ledger.load()[0].runs) <= 2 * RECENT_RUNS
    assert [run.id for run in ledger.runs()] == [f"r{number}" for number in reversed(range(count))]
    found = list(ledger.versions(Address("vault.policy", "a")))
    assert [(one.run.id, one.record.after) for one in found] == [(f"r{n}", {"ttl": n}) for n in reversed(range(count)) if n % 2]
    assert [one.run.id for one in ledger.versions(Address("vault.policy", "c"))] == [f"r{n}" for n in reversed(range(count)) if n % 3 == 0]
    assert list(ledger.versions(Address("vault.policy", "never"))) == []
    c = max(number for number in range(count) if number % 3 == 0)
    latest = ledger.last_applied([Address("vault.policy", name) for name in ("a", "c", "never")])
    assert latest == {Address("vault.policy", "a"): {"ttl": count - 2}, Address("vault.policy", "c"): {"ttl": c}}


def test_history_is_never_collected(folder: FileShelf) -> None:
    ledger, version, state = Ledger(folder), "", EMPTY
    for number in range(5):
        after = replace(state, runs=(RunRecord(f"r{number}", "apply", "c"), *ledger.load()[0].runs))
        version = ledger.save(after, version, state, number, objects=[record("a", value=number)])
        state = after
    ledger.collect()
    assert len(list(ledger.versions(Address("vault.policy", "a")))) == 5


def test_what_cannot_be_collected_does_not_fail_a_run_that_is_done(folder: FileShelf, caplog: pytest.LogCaptureFixture) -> None:
    shelf = Counting(folder)
    ledger = Ledger(shelf)
    ledger.collect()
    ledger.save(FULL, "", EMPTY, 1)
    shelf.fail["keys"] = Denied("the login may not list here", path="x", capability="list")
    ledger.collect()
    assert "old chunks were not removed" in caplog.text


def test_the_key_for_marks_is_made_once_and_only_when_asked(shelf: Shelf) -> None:
    ledger = Ledger(shelf)
    assert ledger.key() is None
    made = ledger.key(create=True)
    assert made is not None
    assert len(made) >= 32
    assert Ledger(shelf).key(create=True) == ledger.key() == made


def test_of_two_who_make_the_key_both_get_that_of_the_first(folder: FileShelf) -> None:
    class Late(Counting):
        """Another run makes the key right after this one looked."""

        def get(self, key: str) -> Entry | None:
            found = super().get(key)
            if found is None:
                Ledger(folder).key(create=True)
            return found

    assert Ledger(Late(folder)).key(create=True) == Ledger(folder).key()


def test_a_login_that_may_not_read_the_key_compares_nothing(folder: FileShelf) -> None:
    shelf = Counting(folder)
    shelf.fail["get"] = Denied("the login may not read here", path="hmac", capability="read")
    assert Ledger(shelf).key(create=True) is None
