"""A whole migration between two stores of files: what moves, what is refused, and the way back."""

from __future__ import annotations

from reconciler.migration import verbs
from reconciler.migration.record import Record
from tests.migration.desks import WANTED, Stand, history

VALUES = [{"value": ""}, {"value": "ünï\N{GRINNING FACE}\n"}, {"a": "\x00\x01", "b": "x" * 5000}, {"value": ""}]


def yes(_record: Record, _secrets: int) -> bool:
    return True


def filled(stand: Stand) -> Stand:
    for value in VALUES:
        stand.old.put("db/orders", value)
    stand.old.annotate("db/orders", {"owner": "platform"})
    stand.old.put("api/claude", {"value": "one"})
    return stand


def test_history_and_metadata_move_oldest_first(stand: Stand) -> None:
    done = verbs.start(filled(stand).desk, WANTED)
    assert (sum(one.versions for one in done.copied), done.failed) == (5, [])
    assert history(stand.new, "db/orders") == VALUES
    assert stand.new.metadata("db/orders") == {"owner": "platform"}
    assert all(not one.wrong for one in verbs.verified(stand.desk, done.record))


def test_start_again_copies_nothing_twice(stand: Stand) -> None:
    verbs.start(filled(stand).desk, WANTED)
    again = verbs.start(Stand(stand.folder).desk, WANTED)
    assert sum(one.versions for one in again.copied) == 0
    assert history(stand.new, "db/orders") == VALUES
