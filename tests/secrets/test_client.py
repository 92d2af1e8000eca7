"""The client in front of the stores: who is asked, who is left, what is kept, what is written where."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time

import pytest

from reconciler.core.errors import BackendError, Conflict, Denied, Missing, Unavailable, Usage
from reconciler.secrets import SecretClient
from reconciler.secrets.rollout import bucket
from reconciler.secrets.store import Held, Tampered
from tests.secrets.flaky import DOWN, Flaky, Hours


def test_what_was_put_is_got_as_a_map(client: SecretClient) -> None:
    client.put("api_keys/claude", {"value": "s3cret"})
    found = client.get("api_keys/claude")
    assert found["value"] == "s3cret"
    assert dict(found) == {"value": "s3cret"}
    assert (found.store, found.version) == ("first", "1")
    assert "s3cret" not in f"{found!r} {found}"


def test_async_faces_do_the_same(client: SecretClient) -> None:
    async def all_of_them() -> tuple[str, tuple[str, ...], int]:
        await client.aput("a", {"value": "x"})
        found = await client.aget("a")
        listed = await client.alist()
        known = await client.aversions("a")
        await client.adelete("a")
        return found["value"], listed, len(known.versions)

    assert asyncio.run(all_of_them()) == ("x", ("a",), 1)
    with pytest.raises(Missing):
        client.get("a")


def test_secret_of_no_store_is_missing(client: SecretClient) -> None:
    with pytest.raises(Missing, match=r"^nope: there is no such secret in first, second$"):
        client.get("nope")


def test_secret_that_only_a_later_store_has_is_found(client: SecretClient, stores: list[Flaky]) -> None:
    stores[1].put("db", {"value": "x"})
    assert client.get("db").store == "second"


@pytest.mark.parametrize("error", [DOWN, Denied("may not", path="db", capability="read"), BackendError("status 500")])
def test_store_that_refuses_is_left_for_the_next(
    client: SecretClient, stores: list[Flaky], error: BackendError, caplog: pytest.LogCaptureFixture
) -> None:
    for store in stores:
        store.put("db", {"value": store.name})
    stores[0].before = error
    with caplog.at_level(logging.WARNING):
        assert client.get("db")["value"] == "second"
    assert stores[0].asked == 2, "a store that another stands behind is asked once"
    assert "db: first could not be read, going on to the next store" in caplog.text


def test_store_that_hangs_is_left_within_two_seconds(stores: list[Flaky]) -> None:
    stores[1].put("db", {"value": "x"})
    ended = threading.Event()
    stores[0].before = ended.wait
    began = time.monotonic()
    assert SecretClient(stores).get("db")["value"] == "x"
    assert time.monotonic() - began < 4
    ended.set()


def test_absence_in_one_store_is_no_absence_where_another_is_silent(client: SecretClient, stores: list[Flaky]) -> None:
    stores[0].before = DOWN
    with pytest.raises(Unavailable, match=r"no store could answer: first: connection refused \(it is not in second\)"):
        client.get("db")
    stores[0].before, stores[1].before = None, DOWN
    with pytest.raises(Unavailable):
        client.get("db")


def test_login_that_may_nothing_is_denied(client: SecretClient, stores: list[Flaky]) -> None:
    for store in stores:
        store.before = Denied("may not", path="db", capability="read")
    with pytest.raises(Denied):
        client.get("db")


def test_store_that_was_tampered_with_is_no_reason_to_read_elsewhere(client: SecretClient, stores: list[Flaky]) -> None:
    stores[1].put("db", {"value": "x"})
    stores[0].before = Tampered("altered", "db", "it is not what was written")
    with pytest.raises(Tampered):
        client.get("db")


def test_what_was_tampered_with_stays_an_error_however_often_it_is_read(client: SecretClient, stores: list[Flaky]) -> None:
    stores[1].put("db", {"value": "x"})
    stores[0].before = Tampered("altered", "db", "it is not what was written")
    for _ in range(5):
        with pytest.raises(Tampered):
            client.get("db")


def test_last_store_is_tried_again(client: SecretClient, stores: list[Flaky], hours: Hours) -> None:
    stores[1].put("db", {"value": "x"})
    stores[0].before = DOWN
    left = [DOWN, DOWN]

    def twice_down() -> None:
        if left:
            raise left.pop()

    stores[1].before = twice_down
    assert client.get("db")["value"] == "x"
    assert hours.now > 0


def test_value_is_kept_for_a_while_and_no_longer(client: SecretClient, stores: list[Flaky], hours: Hours) -> None:
    stores[0].put("db", {"value": "one"})
    assert client.get("db")["value"] == "one"
    stores[0].store.put("db", {"value": "two"})
    hours.now += 1.9
    assert client.get("db")["value"] == "one"
    hours.now += 0.2
    assert client.get("db")["value"] == "two"


def test_outage_never_makes_an_old_value_good(client: SecretClient, stores: list[Flaky], hours: Hours) -> None:
    stores[0].put("db", {"value": "one"})
    client.get("db")
    for store in stores:
        store.before = DOWN
    hours.now += 3
    with pytest.raises(Unavailable):
        client.get("db")


def test_own_writes_are_seen_at_once(client: SecretClient) -> None:
    client.put("db", {"value": "one"})
    client.get("db")
    client.put("db", {"value": "two"})
    assert client.get("db")["value"] == "two"
    client.delete("db")
    with pytest.raises(Missing):
        client.get("db")


def test_answer_that_a_write_overtook_is_not_kept(client: SecretClient, stores: list[Flaky]) -> None:
    client.put("db", {"value": "one"})

    class Late(Flaky):
        def get(self, path: str, version: str = "") -> Held | None:
            held = super().get(path, version)
            if held and held.value == {"value": "one"}:
                mine.put("db", {"value": "two"})
            return held

    mine = SecretClient([Late(stores[0].store, "first")])
    assert mine.get("db")["value"] == "one"
    assert mine.get("db")["value"] == "two"


def test_put_with_check_and_set_is_the_first_stores(client: SecretClient) -> None:
    version = client.put("db", {"value": "one"}, "")
    with pytest.raises(Conflict):
        client.put("db", {"value": "two"}, "")
    client.put("db", {"value": "two"}, version)


def test_primary_writes_go_to_the_first_store_alone_and_do_not_fail_over(client: SecretClient, stores: list[Flaky]) -> None:
    client.put("db", {"value": "one"})
    assert stores[1].list() == ()
    stores[0].before = DOWN
    with pytest.raises(Unavailable):
        client.put("db", {"value": "two"})
    assert stores[1].list() == ()


def test_named_store_is_the_only_one_that_is_asked(client: SecretClient, stores: list[Flaky]) -> None:
    client.put("db", {"value": "x"}, store="second")
    assert client.get("db", store="second").store == "second"
    with pytest.raises(Missing):
        client.get("db", store="first")
    with pytest.raises(Usage, match=r"declares no store 'third' \(it has first, second\)"):
        client.get("db", store="third")


def test_version_is_of_one_store(client: SecretClient, stores: list[Flaky]) -> None:
    for store in stores:
        store.put("db", {"value": store.name})
    stores[1].put("db", {"value": "newer"})
    assert client.get("db", version="1")["value"] == "first"
    assert client.get("db", store="second", version="2")["value"] == "newer"
    with pytest.raises(Missing, match="first has no version 2 of it"):
        client.get("db", version="2")


def test_list_is_of_all_stores_and_hides_what_rotation_keeps(client: SecretClient, stores: list[Flaky]) -> None:
    stores[0].put("a", {"value": "x"})
    stores[0].put("_rotation/a", {"state": "{}"})
    stores[1].put("b", {"value": "x"})
    assert client.list() == ("a", "b")
    stores[1].before = DOWN
    with pytest.raises(Unavailable, match="second: connection refused"):
        client.list()
    assert client.survey().paths == ("a",)


def test_health_tells_of_each_store_within_two_seconds(client: SecretClient, stores: list[Flaky]) -> None:
    ended = threading.Event()
    stores[0].before = ended.wait
    began = time.monotonic()
    first, second = client.health()
    assert time.monotonic() - began < 4
    assert (first.store, second) == ("first", ("second", "closed", ""))
    assert first.problem == "first did not answer within 2 s"
    ended.set()


def test_store_that_fails_three_times_is_not_asked_until_the_pause_is_over(client: SecretClient, stores: list[Flaky], hours: Hours) -> None:
    stores[1].put("db", {"value": "x"})
    stores[0].before = DOWN
    for _ in range(5):
        client.get("db")
        hours.now += 2.1
    assert stores[0].asked == 3
    assert client.health()[0].breaker == "open"
    asked, stores[0].before = stores[0].asked, None
    hours.now += 15
    client.get("db")
    assert stores[0].asked == asked + 1
    assert client.health()[0].breaker == "closed"


def rolling(phase: str, percent: int) -> dict[str, str]:
    stage = {"name": "canary", "percent": percent}
    return {"state": json.dumps({"phase": phase, "rid": "r1", "stage": stage, "pending": {"value": {"value": "new"}}})}


def test_share_of_consumers_gets_the_pending_value_and_none_goes_back(client: SecretClient, stores: list[Flaky], hours: Hours) -> None:
    stores[0].put("db", {"value": "old"})
    consumers = [f"orders-api-{number}" for number in range(200)]
    covered: set[str] = set()
    for percent in (0, 10, 50, 100):
        stores[0].put("_rotation/db", rolling("CANARY", percent))
        hours.now += 3
        now = {one for one in consumers if client.get("db", consumer=one)["value"] == "new"}
        assert covered <= now
        assert now == {one for one in consumers if bucket("r1", "db", one) < percent}
        covered = now
    assert covered == set(consumers)
    assert client.get("db")["value"] == "old", "who does not say who it is gets what everybody gets"


@pytest.mark.parametrize("document", [rolling("VALIDATED", 100), rolling("OVERLAP", 100), {"state": "{}"}, {"state": "no"}, {"x": "y"}])
def test_rotation_that_is_not_in_its_canary_changes_nothing(client: SecretClient, stores: list[Flaky], document: dict[str, str]) -> None:
    stores[0].put("db", {"value": "old"})
    stores[0].put("_rotation/db", document)
    assert client.get("db", consumer="orders-api-1")["value"] == "old"


def test_consumer_of_a_store_that_hangs_with_its_rollout_gets_what_everybody_gets(stores: list[Flaky]) -> None:
    stores[0].put("db", {"value": "old"})
    ended = threading.Event()
    asked = []

    def hang_at_the_second() -> None:
        asked.append(1)
        if len(asked) == 2:
            ended.wait()

    stores[0].before = hang_at_the_second
    began = time.monotonic()
    assert SecretClient(stores).get("db", consumer="orders-api-1")["value"] == "old"
    assert time.monotonic() - began < 6
    ended.set()


def test_report_reaches_the_rotation_in_whichever_store_it_is(client: SecretClient, stores: list[Flaky]) -> None:
    stores[1].put("db", {"value": "old"})
    stores[1].put("_rotation/db", rolling("CANARY", 100))
    client.report("db", consumer="orders-api-1", good=False)
    held = stores[1].get("_rotation/_reports/db")
    assert held is not None
    assert held.value == {"orders-api-1": "r1 bad"}
    assert stores[0].get("_rotation/_reports/db") is None


def test_report_of_what_nobody_rotates_is_nothing_to_say_and_one_that_may_be_lost_is_an_error(
    client: SecretClient, stores: list[Flaky]
) -> None:
    client.report("db", consumer="orders-api-1", good=True)
    stores[0].before = DOWN
    with pytest.raises(Unavailable):
        client.report("db", consumer="orders-api-1", good=True)


def test_two_stores_of_one_name_are_refused(stores: list[Flaky]) -> None:
    with pytest.raises(Usage, match="two stores are called first"):
        SecretClient([stores[0], Flaky(stores[1].store, "first")])


def test_closed_client_keeps_no_value_that_was_under_way(stores: list[Flaky]) -> None:
    stores[0].put("db", {"value": "one"})
    client = SecretClient(stores, cache=60)
    stores[0].before = client.close
    client.get("db")
    assert client._cache == {}


def test_what_is_no_map_of_strings_is_refused_in_words(client: SecretClient) -> None:
    for wrong in ("s3cret", {"value": 5}, {"value": None}, {}, [("value", "x")], None):
        with pytest.raises(Usage, match="a secret is a map of at least one name to a string") as caught:
            client.put("db", wrong)  # type: ignore[arg-type]  # what a caller without a type checker may do
        assert "s3cret" not in str(caught.value)


def test_client_without_stores_says_what_to_write() -> None:
    with pytest.raises(Usage, match="no store of secrets is declared"):
        SecretClient([])
