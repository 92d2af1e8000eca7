"""What is managed is in memory before anybody asks, follows the ledger, and is not shown for ever while that is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.core.address import HOME, Address, Place
from reconciler.core.errors import Unavailable
from reconciler.core.owned import Owned
from reconciler.core.run import RunRecord
from reconciler.ledger.file import FileShelf
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.records import State
from reconciler.ledger.shelf import Entry, Shelf
from reconciler.wiring.managed import STALE_SECONDS, Managed
from reconciler.wiring.sight import ENGINE, METHOD
from tests.server.deployment import until


class Sometimes(FileShelf):
    """A shelf that can be away, and counts what is read."""

    away = False
    reads = 0

    def get(self, key: str) -> Entry | None:
        if self.away:
            raise Unavailable("the ledger is down", path=key)
        self.reads += 1
        return super().get(key)


def save(shelf: Shelf, run: str, *names: str) -> None:
    """One more run, after which these objects are managed."""
    ledger = Ledger(shelf)
    before, version = ledger.load()
    owned = {Address("vault.policy", name): Owned(run=run) for name in names}
    owned |= {Address(ENGINE, "kv"): Owned(), Address(METHOD, "ci", Place("primary", "team")): Owned()}
    ledger.save(State(owned=owned, runs=(RunRecord(run, "apply", "c" * 40), *before.runs)), version, before, 1)


def addresses(managed: Managed) -> list[str]:
    return [row.address for row in managed.resources() if row.kind == "vault.policy"]


@pytest.fixture
def shelf(tmp_path: Path) -> Sometimes:
    made = Sometimes(tmp_path / "ledger")
    save(made, "one", "a")
    return made


@contextmanager
def kept_up(managed: Managed) -> Iterator[None]:
    managed.start()
    try:
        yield
    finally:
        managed.stop()
        managed.join()


def test_no_page_reads_the_ledger_once_it_was_looked_at(shelf: Sometimes) -> None:
    managed = Managed(lambda: shelf)
    managed.look()
    before = shelf.reads
    assert addresses(managed) == ["vault.policy/a"]
    assert shelf.reads == before


def test_a_run_is_seen_at_once_where_it_was_told_of_and_soon_where_not(shelf: Sometimes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.wiring.managed.LOOK_SECONDS", 3600.0)
    managed = Managed(lambda: shelf)
    with kept_up(managed):
        until(lambda: addresses(managed) == ["vault.policy/a"], "it is read at the start")
        save(shelf, "two", "a", "b")
        managed.wake()
        until(lambda: addresses(managed) == ["vault.policy/a", "vault.policy/b"], "it is read when a run has ended")
    monkeypatch.setattr("reconciler.wiring.managed.LOOK_SECONDS", 0.05)
    managed = Managed(lambda: shelf)
    with kept_up(managed):
        save(shelf, "three", "c")
        until(lambda: addresses(managed) == ["vault.policy/c"], "it is looked for besides")


def test_what_was_known_is_shown_for_a_while_and_then_nothing(shelf: Sometimes) -> None:
    now = [0.0]
    managed = Managed(lambda: shelf, lambda: now[0])
    managed.look()
    shelf.away = True
    now[0] = STALE_SECONDS
    assert addresses(managed) == ["vault.policy/a"]
    now[0] = STALE_SECONDS + 1
    with pytest.raises(Unavailable):
        managed.resources()
    shelf.away = False
    managed.look()
    assert addresses(managed) == ["vault.policy/a"]


def test_where_nothing_is_known_yet_a_page_waits_for_the_ledger_or_says_why_not(shelf: Sometimes) -> None:
    shelf.away = True
    managed = Managed(lambda: shelf)
    with pytest.raises(Unavailable):
        managed.resources()
    shelf.away = False
    assert addresses(managed) == ["vault.policy/a"]


def test_mounts_are_known_by_kind_and_place(shelf: Sometimes) -> None:
    managed = Managed(lambda: shelf)
    managed.look()
    assert (set(managed.mounts(ENGINE, HOME)), set(managed.mounts(METHOD, HOME))) == ({"kv"}, set())
    assert set(managed.mounts(METHOD, Place("primary", "team"))) == {"ci"}
