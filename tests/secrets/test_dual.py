"""Writes to all stores: the first decides, the others are copies, and whoever dies or is late leaves no difference."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.core.errors import Denied, ReconcilerError, Unavailable, Usage
from reconciler.secrets import SecretClient
from reconciler.secrets.dual import PartlyWritten
from reconciler.secrets.store import Held, Tampered
from tests.secrets.flaky import DOWN, Flaky, Hours


def dual(stores: list[Flaky], hours: Hours) -> SecretClient:
    return SecretClient(stores, write="dual", cache=2, ticks=hours, sleep=hours.sleep)


def test_dual_writes_go_to_all_and_any_of_them_answers(stores: list[Flaky], hours: Hours) -> None:
    client = dual(stores, hours)
    client.put("db", {"value": "one"})
    stores[0].before = DOWN
    assert client.get("db")["value"] == "one"
    stores[0].before = None
    client.delete("db")
    assert [store.get("db") for store in stores] == [None, None]


def test_dual_write_that_one_store_refuses_says_so_and_is_put_right_by_the_next(stores: list[Flaky], hours: Hours) -> None:
    client = dual(stores, hours)
    stores[1].before = DOWN
    with pytest.raises(PartlyWritten, match=r"db: is in first, but .*second: connection refused") as caught:
        client.put("db", {"value": "one"})
    assert caught.value.exit_code == 5
    stores[1].before = None
    hours.now += 60
    client.put("db", {"value": "one"})
    assert [held.value for store in stores if (held := store.get("db"))] == [{"value": "one"}] * 2


def test_dual_write_that_the_first_store_refuses_is_nowhere(stores: list[Flaky], hours: Hours) -> None:
    stores[0].before = DOWN
    with pytest.raises(Unavailable):
        dual(stores, hours).put("db", {"value": "one"})
    assert stores[1].list() == ()


def test_dual_delete_that_a_copy_refuses_leaves_the_secret_where_it_decides(stores: list[Flaky], hours: Hours) -> None:
    client = dual(stores, hours)
    client.put("db", {"value": "one"})
    stores[1].before = DOWN
    with pytest.raises(PartlyWritten):
        client.delete("db")
    assert stores[0].get("db") is not None


def test_copies_never_overtake_a_later_write(stores: list[Flaky], hours: Hours) -> None:
    """Another writer writes everywhere between our first store's write and our copy."""
    client = dual(stores, hours)

    def overtake() -> None:
        stores[1].before = None
        for store in stores:
            store.store.put("db", {"value": "theirs"})

    stores[1].before = overtake
    client.put("db", {"value": "mine"})
    assert [held.value for store in stores if (held := store.get("db"))] == [{"value": "theirs"}] * 2


def test_many_dual_writers_leave_all_stores_equal(stores: list[Flaky]) -> None:
    clients = [SecretClient(stores, write="dual") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: clients[number % 4].put("db", {"value": str(number)}), range(16)))
    first, second = (store.get("db") for store in stores)
    assert first is not None
    assert second is not None
    assert first.value == second.value


def test_copies_do_not_outlive_a_delete_that_came_between(stores: list[Flaky], hours: Hours) -> None:
    client = dual(stores, hours)

    def overtake() -> None:
        stores[1].before = None
        for store in reversed(stores):
            store.store.delete("db")

    stores[1].before = overtake
    client.put("db", {"value": "mine"})
    assert [store.get("db") for store in stores] == [None, None]


def test_delete_takes_the_copies_of_a_put_that_came_between(stores: list[Flaky], hours: Hours) -> None:
    client = dual(stores, hours)
    client.put("db", {"value": "one"})

    def overtake() -> None:
        stores[0].before = None
        for store in stores:
            store.store.put("db", {"value": "theirs"})

    stores[0].before = overtake
    client.delete("db")
    assert [store.get("db") for store in stores] == [None, None]


@pytest.mark.parametrize("error", [Tampered("altered", "db", "it is not what was written"), Usage("no name for it"), DOWN])
def test_copy_that_cannot_be_made_keeps_no_other_from_being_made(
    stores: list[Flaky], third: Flaky, hours: Hours, error: ReconcilerError
) -> None:
    stores[1].before = error
    with pytest.raises(PartlyWritten, match="db: is in first, but not as it should be everywhere: second: "):
        dual([*stores, third], hours).put("db", {"value": "one"})
    assert third.get("db") == Held({"value": "one"}, "1")


def test_what_a_copy_could_never_hold_is_refused_before_anything_is_written(stores: list[Flaky], hours: Hours) -> None:
    stores[1].refusal = Usage("second takes no such name")
    with pytest.raises(Usage, match="second takes no such name"):
        dual(stores, hours).put("db", {"value": "one"})
    assert stores[0].store.get("db") is None


def test_login_that_may_write_and_not_read_can_put(stores: list[Flaky], hours: Hours) -> None:
    stores[0].reading = Denied("may not", path="db", capability="read")
    dual(stores, hours).put("db", {"value": "one"})
    assert [held.value for store in stores if (held := store.store.get("db"))] == [{"value": "one"}] * 2


def test_put_that_cannot_be_looked_at_again_says_what_it_did(stores: list[Flaky], hours: Hours) -> None:
    stores[0].reading = DOWN
    with pytest.raises(PartlyWritten, match="db: is in all of first, second, but whether"):
        dual(stores, hours).put("db", {"value": "one"})
