"""The document: read as it was written, and silent about what it holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import ReconcilerError
from reconciler.rotation.state import Kept, Phase, Stage, State, Step, Terms, kept, read_state, write_state

TEXT = st.text(max_size=12)
VALUES = st.builds(kept, st.dictionaries(TEXT, TEXT, max_size=3), TEXT, TEXT)
MOMENTS = st.integers(0, 4_000_000_000)
STATES = st.builds(
    State,
    serial=st.integers(0, 10**6),
    phase=st.sampled_from(Phase),
    entered=st.integers(0, 10**6),
    rid=TEXT,
    terms=st.builds(Terms, steps=st.lists(st.builds(Step, TEXT, st.integers(0, 99), st.integers(0, 100)), max_size=3).map(tuple)),
    old_version=TEXT,
    pending=st.none() | VALUES,
    previous=st.none() | VALUES,
    known_ids=st.lists(TEXT, max_size=3).map(tuple),
    stage=st.none() | st.builds(Stage, TEXT, st.integers(0, 100), MOMENTS, MOMENTS),
    overlap_until=MOMENTS,
    last_rotated=st.none() | MOMENTS,
    promoted=st.none() | MOMENTS,
    exposed=st.lists(VALUES, max_size=2).map(tuple),
    alarmed=st.none() | MOMENTS,
    strays=st.lists(VALUES, max_size=2).map(tuple),
    again=st.booleans(),
    restore_epoch=st.integers(0, 9),
)


@given(STATES)
def test_a_document_is_read_as_it_was_written(state: State) -> None:
    assert read_state(write_state(state), "7") == state
    assert read_state(write_state(state), "7").document_version == "7"


def test_a_document_names_its_parts_as_the_clients_read_them() -> None:
    stage = Stage("canary", 10, 1_800_000_000, 1_800_000_900)
    body = json.loads(write_state(State(rid="r", phase=Phase.CANARY, pending=kept({"value": "x"}), stage=stage, old_version="3"))["state"])
    assert body["phase"] == "CANARY"
    assert body["stage"]["percent"] == body["stage"]["pct"] == 10
    assert body["pending"]["value"] == {"value": "x"}
    assert body["base_version"] == "3"


def test_no_value_is_in_any_text_of_a_state() -> None:
    canary = "canary-" + "value"
    state = State(pending=kept({"value": canary}), previous=kept({"value": canary}))
    assert canary not in repr(state)
    assert canary not in f"{state.pending} {state}"


@pytest.mark.parametrize(
    "document", [{}, {"state": "no json"}, {"state": "[]"}, {"state": '{"phase": "ODD"}'}, {"state": '{"pending": {}}'}]
)
def test_what_is_no_document_is_said_without_what_it_holds(document: dict[str, str]) -> None:
    with pytest.raises(ReconcilerError, match="not the state of a rotation"):
        read_state(document, "1", "db/orders")


@given(VALUES, VALUES)
def test_a_value_shadows_another_only_as_the_same_user_or_value(one: Kept, other: Kept) -> None:
    assert one.shadows(other) == (one.pairs == other.pairs or (one.identity != "" and one.identity == other.identity))
