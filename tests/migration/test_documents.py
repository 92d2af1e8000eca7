"""States of rotations lie beside their secrets: they go with them in both directions, and none is torn apart by a switch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.core.errors import Refused
from reconciler.migration import verbs
from reconciler.migration.record import Record, read_record
from reconciler.secrets.rollout import FOLDER, KEY
from tests.migration.desks import WANTED, Stand
from tests.migration.test_aws import Cloud, Double

PATH = "db/orders"
STATE = FOLDER + PATH


def yes(_record: Record, _secrets: int) -> bool:
    return True


def state(phase: str, rotated: int) -> dict[str, str]:
    return {KEY: json.dumps({"phase": phase, "last_rotated": rotated})}


def read(stand: Stand, store: str) -> dict[str, str] | None:
    held = stand.sides[store].store.get(STATE)
    return dict(held.value) if held else None


def phase(stand: Stand) -> str:
    record = read_record(stand.shelf)
    return record.phase if record else ""


def begun(stand: Stand) -> Stand:
    stand.old.put(PATH, {"value": "one"})
    stand.old.put(STATE, state("IDLE", 1))
    assert verbs.start(stand.desk, WANTED).failed == []
    return stand


def cut(stand: Stand) -> Stand:
    assert verbs.cutover(begun(stand).desk, yes)
    return stand


def test_what_was_rotated_after_the_cutover_is_known_to_be_so_after_the_way_back(stand: Stand) -> None:
    cut(stand).routed("new").put(PATH, {"value": "two"})
    stand.new.put(STATE, state("IDLE", 2))
    assert verbs.abort(stand.desk, yes)
    assert read(stand, "old") == state("IDLE", 2)


def test_states_of_secrets_that_the_destination_had_of_its_own_stay_there(stand: Stand) -> None:
    stand.new.put("its/own", {"value": "of the destination"})
    stand.new.put(FOLDER + "its/own", state("IDLE", 7))
    cut(stand)
    assert verbs.abort(stand.desk, yes)
    assert stand.old.get(FOLDER + "its/own") is None


def test_a_rotation_that_begins_while_somebody_is_asked_stops_the_switch(stand: Stand) -> None:
    def rotating(store: str) -> bool:
        stand.sides[store].store.put(STATE, state("OVERLAP", 2))
        return True

    begun(stand)
    with pytest.raises(Refused, match="a rotation is under way, in phase OVERLAP"):
        verbs.cutover(stand.desk, lambda _record, _secrets: rotating("old"))
    assert (phase(stand), read(stand, "new")) == ("dual", state("IDLE", 1))
    stand.old.put(STATE, state("IDLE", 2))
    assert verbs.cutover(stand.desk, yes)
    with pytest.raises(Refused, match="a rotation is under way, in phase OVERLAP"):
        verbs.abort(stand.desk, lambda _record, _secrets: rotating("new"))
    assert (phase(stand), read(stand, "old")) == ("cutover", state("IDLE", 2))


def test_a_rotation_is_found_by_a_switch_that_goes_on_after_a_kill(stand: Stand) -> None:
    begun(stand)
    stand.old.put(STATE, state("OVERLAP", 2))
    stand.desk.switch(stand.desk.record(), "closing", "migrate.cutover")  # and here it was killed
    with pytest.raises(Refused, match="a rotation is under way, in phase OVERLAP"):
        verbs.cutover(stand.desk, yes)
    assert phase(stand) == "dual"
    stand.old.put(STATE, state("IDLE", 2))
    assert verbs.cutover(stand.desk, yes)
    stand.new.put(STATE, state("OVERLAP", 3))
    stand.desk.switch(stand.desk.record(), "returning", "migrate.abort")  # and here
    with pytest.raises(Refused, match="a rotation is under way, in phase OVERLAP"):
        verbs.abort(stand.desk, yes)
    assert phase(stand) == "cutover"


def test_half_a_character_in_one_secret_is_said_and_ends_no_look_at_the_others(tmp_path: Path) -> None:
    double = Double()
    cloud = Cloud(tmp_path, double)
    for path in ("db", "ok"):
        cloud.aws.put(path, {"value": "one"})
    half = {"SecretString": r'{"value": "\ud800"}', "ClientRequestToken": "p" * 32}
    double.change("secretsmanager", "put_secret_value", SecretId="app/db", **half)
    found = {one.path: one.problems for one in verbs.assessed(cloud.desk, Record("aws", "new", "dual"))}
    assert found["ok"] == ()
    assert "a secret is a map of at least one name to a string" in found["db"][0]
