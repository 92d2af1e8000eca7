"""Any store comes back from a backup as it was: OpenBao's KV v2, AWS as moto plays it, encrypted files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.backends.vault.client import VaultClient
from reconciler.backup.comparing import placed, renamed
from reconciler.backup.gather import audit_records, ledger_records, store_records
from reconciler.backup.planning import Aims, steps
from reconciler.backup.records import Record
from reconciler.backup.restoring import Hands, Place, carry_out
from reconciler.core.address import parse_address
from reconciler.core.errors import ReconcilerError
from reconciler.core.run import RunRecord
from reconciler.ledger.file import FileShelf
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.lock import Lock
from reconciler.ledger.lockdown import read_lockdown, set_lockdown
from reconciler.secrets.aws_store import AwsStore
from reconciler.secrets.kv_store import KvStore
from reconciler.secrets.store import SecretStore
from tests.audit.desk import Desk
from tests.secrets.files import quick_store

Two = Callable[[str], SecretStore]


@pytest.fixture(params=["kv", "aws", "files"])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Two:
    """Makes a store of the sort by a name; two names have nothing in common."""
    if request.param == "files":
        return lambda name: quick_store(tmp_path / name)
    if request.param == "aws":
        aws = request.getfixturevalue("aws")
        return lambda name: AwsStore("aws", aws, f"{name}/")
    vault = request.getfixturevalue("vault")

    def mount(name: str) -> SecretStore:
        vault.write(f"sys/mounts/{name}", {"type": "kv-v2"})
        vault.forget_mounts()
        return KvStore("kv", vault, name)

    return mount


def fill(store: SecretStore) -> None:
    for value in ("one", "two", "three"):
        store.put("db/orders", {"username": "app", "password": value})
    store.annotate("db/orders", {"owner": "platform"})
    store.put("single", {"value": "ünï\n\"'"})
    store.put("gone", {"value": "deleted"})
    store.delete("gone")


def content(store: SecretStore) -> dict[str, tuple[list[dict[str, str]], str]]:
    """What readers can get, and what people may know."""
    found = {}
    for path in store.list():
        held = [store.get(path, one.id) for one in reversed(store.versions(path)) if one.readable]
        found[path] = ([dict(one.value) for one in held if one], store.metadata(path).get("owner", ""))
    return found


def bring_back(records: Sequence[Record], store: SecretStore, folder: Path) -> list[str]:
    """Restore, and return what was done with each thing."""
    desk = Desk(folder)
    shelf = FileShelf(folder / "ledger")
    planned = list(steps(records, Aims(shelf, desk.book, {store.name: store})))
    with desk.scribe() as scribe:
        hands = Hands(shelf, desk.book, scribe, lambda _name: Place(store, "b1", scribe))
        done = list(carry_out(records, {(one.part, one.id): one for one in planned}, hands))
    assert [one.error for one in done if one.error] == []
    return [one.action for one in planned]


def test_what_was_in_a_store_is_in_a_new_one(stores: Two, tmp_path: Path) -> None:
    full, empty = stores("full"), stores("empty")
    fill(full)
    records = list(store_records(full))
    assert bring_back(records, empty, tmp_path / "log") == ["create", "create"]
    assert content(empty) == content(full)
    assert content(full)["db/orders"][1] == "platform"
    assert bring_back(records, empty, tmp_path / "log") == ["same", "same"]


def test_a_store_that_has_a_part_gets_the_rest(stores: Two, tmp_path: Path) -> None:
    full, part = stores("full"), stores("part")
    fill(full)
    part.put("db/orders", content(full)["db/orders"][0][0])
    records = list(store_records(full))
    assert bring_back(records, part, tmp_path / "log") == ["finish", "create"]
    assert content(part)["db/orders"] == content(full)["db/orders"]


def test_what_was_deleted_or_written_otherwise_stays(stores: Two, tmp_path: Path) -> None:
    full, other = stores("full"), stores("other")
    fill(full)
    other.put("db/orders", {"password": "other"})
    other.put("single", {"value": "x"})
    other.delete("single")
    before = content(other)
    assert bring_back(list(store_records(full)), other, tmp_path / "log") == ["newer", "newer"]
    assert content(other) == before


def test_a_value_that_was_gone_back_to_stays_where_what_came_after_it_was_destroyed(stores: Two, tmp_path: Path) -> None:
    store = stores("full")
    first, second = (store.put("db/orders", {"value": one}) for one in ("good", "leaked"))
    records = list(store_records(store))
    if isinstance(store, AwsStore):
        move = {"VersionStage": "AWSCURRENT", "MoveToVersionId": first, "RemoveFromVersionId": second}
        store._client.change("secretsmanager", "update_secret_version_stage", SecretId="full/db/orders", **move)
    else:
        store.put("db/orders", {"value": "good"}, second)
        store.destroy("db/orders", first)
    store.destroy("db/orders", second)
    before = content(store)
    assert before == {"db/orders": ([{"value": "good"}], "")}
    assert bring_back(records, store, tmp_path / "log") == ["newer"]
    assert content(store) == before


def test_versions_that_hold_nothing_keep_back_none_of_the_others(vault: VaultClient, tmp_path: Path) -> None:
    for name in ("full", "empty"):
        vault.write(f"sys/mounts/{name}", {"type": "kv-v2"})
    for path, held in (("db", "one"), ("db", ""), ("db", "three"), ("emptied", "one"), ("emptied", "")):
        vault.write(f"full/data/{path}", {"data": {"value": held} if held else {}})
    records = list(store_records(KvStore("kv", vault, "full")))
    assert bring_back(records, KvStore("kv", vault, "full"), tmp_path / "log") == ["same"]
    empty = KvStore("kv", vault, "empty")
    assert bring_back(records, empty, tmp_path / "log") == ["create"]
    assert content(empty) == {"db": ([{"value": "one"}, {"value": "three"}], "")}


VALUES = st.lists(st.sampled_from(["a", "b", "c"]).map(lambda text: {"value": text}), min_size=1, max_size=6)


@given(VALUES, st.data())
def test_a_restore_that_was_cut_off_goes_on_where_it_was(archived: list[dict[str, str]], data: st.DataObject) -> None:
    written = data.draw(st.integers(0, len(archived)))
    dropped = data.draw(st.integers(0, max(written - 1, 0)))  # by a store that keeps only so many
    live = archived[dropped:written]
    found = placed(archived, live)
    assert found is not None
    assert found.upto == len(live)
    after = [*live, *archived[found.behind :]]
    assert after[-1] == archived[-1]
    assert archived[-len(after) :] == after or after == archived


@given(VALUES, VALUES)
def test_nothing_is_written_after_what_the_backup_does_not_know(archived: list[dict[str, str]], live: list[dict[str, str]]) -> None:
    found = placed(archived, live)
    if found is not None and found.behind < len(archived):
        assert live == archived[found.behind - len(live) : found.behind]


@given(st.lists(st.integers(), min_size=1, max_size=6, unique=True), st.integers(0, 5))
def test_versions_are_matched_from_the_newest_on(numbers: list[int], dropped: int) -> None:
    archived, live = [f"old-{one}" for one in numbers], [f"new-{one}" for one in numbers][dropped:]
    assert renamed(archived, live) == {f"old-{one}": f"new-{one}" for one in numbers[dropped:]}


@pytest.mark.parametrize("shipped", [False, True])
def test_an_audit_log_comes_back_and_goes_on(tmp_path: Path, shipped: bool) -> None:
    here = Desk(tmp_path / "here", place=tmp_path / "store" if shipped else None)
    here.run(changes=4)
    records = list(audit_records(here.book))
    here.run()
    there = Desk(tmp_path / "there", place=tmp_path / "other" if shipped else None)
    aims = Aims(FileShelf(tmp_path / "ledger"), there.book, {})
    (step,) = steps(records, aims)
    assert step.action == "create"
    with there.scribe() as scribe:
        list(carry_out(records, {(step.part, step.id): step}, Hands(aims.shelf, there.book, scribe, lambda _: pytest.fail("no store"))))
    there.run()
    assert there.verdict().ok
    assert there.lines()[:9] == here.lines()[:9]
    assert [one.action for one in steps(records, aims)] == ["same"]
    assert [one.action for one in steps(list(audit_records(here.book)), aims)] == ["newer"], "the two went different ways"


def test_a_log_from_which_something_is_archived_meanwhile_makes_no_backup_with_a_hole(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "log")
    desk.run(changes=2)
    reading = audit_records(desk.book)
    next(reading)
    desk.book.drop(desk.book.segments()[0].id, b"{}")
    with pytest.raises(ReconcilerError, match="went to the archive while it was read"):
        list(reading)


def apply(shelf: FileShelf, run: str) -> None:
    """A run that declares something, under the lock."""
    with Lock(shelf).acquire("ada", run) as lease:
        ledger = Ledger(shelf)
        state, version = ledger.load()
        record = RunRecord(run, "apply", "c" * 40, outcome="applied")
        declared = {**state.declared, parse_address(f"webhook/{run}"): {"name": run}}
        ledger.save(replace(state, declared=declared, runs=(record, *state.runs)), version, state, lease.fence)


def test_a_ledger_comes_back_with_all_that_is_kept_beside_it_and_is_written_on(tmp_path: Path) -> None:
    full, empty = FileShelf(tmp_path / "full"), FileShelf(tmp_path / "empty")
    for run in ("one", "two", "three"):
        apply(full, run)
    key = Ledger(full).key(create=True)
    set_lockdown(full, on=True, since="today", by="ada", reason="drill")
    full.put("migration", b"{}", "")
    full.put("migrations/a-b/x", b"{}", "")
    apply_killed_before_it_wrote(empty)
    records = list(ledger_records(full))
    assert not [one.id for one in records if one.id.startswith(("lock/", "migrations/")) or one.id == "lock"]
    assert records[-1].id == "head"
    desk = Desk(tmp_path / "log")
    with desk.scribe() as scribe:
        (step,) = steps(records, Aims(empty, desk.book, {}))
        (done,) = carry_out(records, {("ledger", ""): step}, Hands(empty, desk.book, scribe, lambda _: pytest.fail("no store")))
    assert done.error == ""
    assert Ledger(empty).load()[0] == Ledger(full).load()[0]
    assert Ledger(empty).key() == key
    assert read_lockdown(empty).on
    assert empty.get("migration") is not None
    apply(empty, "four")
    assert [run.id for run in Ledger(empty).runs()] == ["four", "three", "two", "one"]
    assert [(one.action, one.why) for one in steps(records, Aims(empty, desk.book, {}))] == [("same", "it goes on from there")]
    apply(full, "other")
    assert [one.action for one in steps(list(ledger_records(full)), Aims(empty, desk.book, {}))] == ["newer"]


def apply_killed_before_it_wrote(shelf: FileShelf) -> None:
    """Its lock was broken, and counts from one."""
    Lock(shelf, background=lambda _name, _run: None).acquire("bob", "zero")
    Lock(shelf).break_()


def test_a_lock_that_is_held_is_not_taken_away(tmp_path: Path) -> None:
    full, empty = FileShelf(tmp_path / "full"), FileShelf(tmp_path / "empty")
    for run in ("one", "two"):
        apply(full, run)
    records, desk = list(ledger_records(full)), Desk(tmp_path / "log")
    with Lock(empty).acquire("bob", "zero"), desk.scribe() as scribe:
        (step,) = steps(records, Aims(empty, desk.book, {}))
        (done,) = carry_out(records, {("ledger", ""): step}, Hands(empty, desk.book, scribe, lambda _: pytest.fail("no store")))
    assert "bob holds the lock" in done.error
    assert empty.get("head") is None, "called again it begins where it was"


def test_an_empty_ledger_is_no_ledger(tmp_path: Path) -> None:
    assert list(ledger_records(FileShelf(tmp_path))) == []


def test_reports_of_consumers_are_left_out(tmp_path: Path) -> None:
    store = quick_store(tmp_path)
    store.put("_rotation/_reports/a", {"consumer": "rid bad"})
    store.put("_rotation/a", {"state": "{}"})
    store.put("a", {"value": "1"})
    assert [one.id for one in store_records(store)] == ["_rotation/a", "a"]
