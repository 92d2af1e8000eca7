"""Old values: which versions go, in every sort of store, and that nothing goes that anybody needs."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.backends.vault.client import VaultClient
from reconciler.core.errors import Unavailable
from reconciler.core.keeping import LegalHold
from reconciler.retention.due import Due
from reconciler.retention.versions import look, paths_of
from reconciler.rotation.state import Phase, State, kept, sibling, write_state
from reconciler.secrets.aws_store import AwsStore
from reconciler.secrets.file_store import FileStore
from reconciler.secrets.kv_store import KvStore
from reconciler.secrets.store import Held, SecretStore
from tests.secrets.aws_double import AwsDouble
from tests.secrets.files import QuickSlot, quick_store

SOME_DAY = "2999-01-01T00:00:00Z"
"""By then everything that was ever replaced is old."""


@pytest.fixture(params=["file", "kv", "aws"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SecretStore]:
    if request.param == "file":
        yield quick_store(tmp_path / "secrets")
    elif request.param == "kv":
        vault: VaultClient = request.getfixturevalue("vault")
        vault.write("sys/mounts/kv", {"type": "kv-v2"})
        yield KvStore("vault", vault, "kv")
    else:
        yield AwsStore("aws", request.getfixturevalue("aws"), "genesis/")


def put(store: SecretStore, path: str, *values: str) -> list[str]:
    return [store.put(path, {"value": one}) for one in values]


def going(due: Due) -> list[tuple[str, str]]:
    return [(thing.name, thing.version) for thing in due.going]


def look_at_all(store: SecretStore, before: str = SOME_DAY, *holds: LegalHold) -> Due:
    return look(store, paths_of(store), before, holds)


def test_what_was_replaced_goes_and_what_readers_get_stays(store: SecretStore) -> None:
    put(store, "db/orders", "one", "two", "three")
    put(store, "api_keys/claude", "only")
    due = look_at_all(store)
    assert {name for name, _ in going(due)} == {"db/orders"}
    for thing in due.going:
        store.destroy(thing.name, thing.version)
    assert store.get("db/orders", due.going[0].version) is None
    newest = store.get("db/orders")
    assert newest is not None
    assert newest.value == {"value": "three"}
    assert look_at_all(store) == Due(), "what was destroyed is not due again"


def test_nothing_goes_before_its_time(store: SecretStore) -> None:
    put(store, "db/orders", "one", "two")
    assert look_at_all(store, "2020-01-01T00:00:00Z") == Due()


def rotating(store: SecretStore, path: str, **about: object) -> None:
    state = State(phase=Phase.OVERLAP, **about)  # type: ignore[arg-type]  # by name
    store.put(sibling(path), write_state(state), "")


def test_what_a_rotation_names_stays_until_that_is_over(store: SecretStore) -> None:
    first, second, third, _ = put(store, "db/orders", "one", "two", "three", "four")
    rotating(store, "db/orders", old_version=third, previous=kept({"value": "two"}, second))
    due = look_at_all(store)
    readable = {one.id for one in store.versions("db/orders") if one.readable}  # AWS forgets what has no label
    assert {one.thing.version for one in due.staying} == {second, third} & readable
    assert {version for _, version in going(due)} == {first} & readable


def test_nothing_of_a_secret_goes_whose_rotation_cannot_be_read(store: SecretStore) -> None:
    put(store, "db/orders", "one", "two")
    store.put(sibling("db/orders"), {"state": "nonsense"}, "")
    due = look_at_all(store)
    assert going(due) == []
    assert ["cannot be told" in one.reason for one in due.staying] == [True]


def test_old_documents_of_rotations_go_too_since_they_hold_values(store: SecretStore) -> None:
    put(store, "db/orders", "one")
    version = store.put(sibling("db/orders"), write_state(State(serial=1)), "")
    store.put(sibling("db/orders"), write_state(State(serial=2)), version)
    assert going(look_at_all(store)) == [(sibling("db/orders"), version)]


def test_a_label_that_somebody_put_on_a_version_keeps_it(aws: object) -> None:
    store = AwsStore("aws", aws, "genesis/")  # type: ignore[arg-type]  # the fixture's client
    first, *_ = put(store, "db/orders", "one", "two", "three")
    aws.change(  # type: ignore[attr-defined]  # the fixture's client
        "secretsmanager", "update_secret_version_stage", SecretId="genesis/db/orders", VersionStage="audit-2027", MoveToVersionId=first
    )
    due = look_at_all(store)
    assert first not in [version for _, version in going(due)]
    assert [one.reason for one in due.staying if one.thing.version == first] == ["is labelled audit-2027"]


def test_a_value_from_which_somebody_went_back_in_aws_stays_since_nobody_knows_when_that_was() -> None:
    double = AwsDouble()
    store = AwsStore("aws", double)
    first, second = put(store, "db/orders", "one", "two")
    move = {"VersionStage": "AWSCURRENT", "MoveToVersionId": first, "RemoveFromVersionId": second}
    double.change("secretsmanager", "update_secret_version_stage", SecretId="db/orders", **move)
    assert going(look_at_all(store)) == []
    put(store, "db/orders", "three")
    assert {version for _, version in going(look_at_all(store))} == {first}


def test_deleted_secrets_do_not_keep_their_values_for_ever(vault: VaultClient) -> None:
    vault.write("sys/mounts/kv", {"type": "kv-v2"})
    store = KvStore("vault", vault, "kv")
    put(store, "db/orders", "one", "two")
    store.delete("db/orders")
    assert going(look_at_all(store)) == [("db/orders", "1")]


class Day:
    """A clock that says which day it is."""

    def __init__(self) -> None:
        self.day = 0

    def __call__(self) -> str:
        return day(self.day)


def day(number: int) -> str:
    return (datetime.datetime(2027, 1, 1) + datetime.timedelta(days=number)).strftime("%Y-%m-%dT%H:%M:%SZ")


@given(st.lists(st.integers(0, 200), min_size=1, max_size=6), st.integers(0, 1300))
@settings(max_examples=60, deadline=None)
def test_a_version_goes_when_its_successor_is_old_and_no_earlier(gaps: list[int], today: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        clock = Day()
        store = FileStore("files", Path(folder), [QuickSlot()], clock)
        for gap in gaps:
            clock.day += gap
            store.put("x", {"value": str(gap)})
        due = look_at_all(store, day(today))
        made = [sum(gaps[: number + 1]) for number in range(len(gaps))]
        wanted = [("x", str(number + 1)) for number, replaced in enumerate(made[1:]) if replaced < today]
        assert sorted(going(due)) == sorted(wanted)


@pytest.mark.parametrize(
    ("hold", "kept_days"),
    [
        ({"name": "all"}, {0, 100, 200}),
        ({"name": "these", "secrets": ["db/*"]}, {0, 100, 200}),
        ({"name": "others", "secrets": ["api_keys/*"]}, set()),
        ({"name": "no versions", "keeps": ["backups"]}, set()),
        ({"name": "later", "since": "2027-05-01"}, {100, 200}),
        ({"name": "earlier", "until": "2027-04-01"}, {0}),
        ({"name": "a day", "since": "2027-06-01", "until": "2027-06-01"}, {100}),
    ],
    ids=lambda given: given["name"] if isinstance(given, dict) else "",
)
def test_a_hold_keeps_what_was_in_use_in_its_days(tmp_path: Path, hold: dict[str, object], kept_days: set[int]) -> None:
    clock = Day()
    store = FileStore("files", tmp_path, [QuickSlot()], clock)
    days = {}
    for clock.day in (0, 100, 200, 300):
        days[store.put("db/orders", {"value": str(clock.day)})] = clock.day
    due = look_at_all(store, SOME_DAY, LegalHold.model_validate(hold))
    assert {days[one.thing.version] for one in due.staying} == kept_days
    assert {days[version] for _, version in going(due)} == {0, 100, 200} - kept_days
    assert all(one.reason == f"legal hold {hold['name']}" for one in due.staying)


def test_a_hold_of_a_secret_keeps_the_documents_of_its_rotation(tmp_path: Path) -> None:
    store = quick_store(tmp_path)
    version = store.put(sibling("db/orders"), write_state(State(serial=1)), "")
    store.put(sibling("db/orders"), write_state(State(serial=2)), version)
    assert going(look_at_all(store, SOME_DAY, LegalHold(name="case", secrets=("db/*",)))) == []


def test_a_secret_that_cannot_be_read_is_said_and_keeps_nobody_else(tmp_path: Path) -> None:
    store = quick_store(tmp_path)
    put(store, "a", "one", "two")
    put(store, "b", "one", "two")

    class Down:
        name = "files"

        def versions(self, path: str) -> object:
            if path == "a":
                raise Unavailable("the store is down")
            return store.versions(path)

        def get(self, path: str) -> Held | None:
            return store.get(path)

    due = look(Down(), ["a", "b"], SOME_DAY, ())  # type: ignore[arg-type]  # nothing else is called
    assert going(due) == [("b", "1")]
    assert due.unread == ("a in files: the store is down",)
