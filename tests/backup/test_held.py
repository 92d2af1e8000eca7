"""What a restore makes of the states of rotations."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.backup.held import completed, held_before, is_before_its_secret, is_restored, put_down
from reconciler.rotation.state import Phase, State, kept, read_state, write_state

STATES = st.builds(
    State,
    serial=st.integers(1, 99),
    phase=st.sampled_from(Phase),
    hold=st.sampled_from(["", "ticket 7", "a; held before: b", "restored by hand"]),
    old_version=st.sampled_from(["", "1", "2", "9"]),
    new_version=st.sampled_from(["", "2", "3"]),
    pending=st.none() | st.just(kept({"value": "new"}, "", "", "f")),
    previous=st.none() | st.just(kept({"value": "old"}, "2", "", "f")),
    restore_epoch=st.integers(0, 3),
)
VERSIONS = {"2": "1", "3": "2"}


@given(STATES)
def test_a_state_is_held_behind_newer_fences_until_its_secret_was_tried(state: State) -> None:
    down = put_down(state, "b1")
    assert is_restored(down)
    assert is_before_its_secret(down)
    there = completed(down, "b1", VERSIONS)
    assert is_restored(there)
    assert not is_before_its_secret(there)
    assert there.fence > down.fence > state.fence
    assert held_before(there) == held_before(down) == state.hold
    assert read_state(write_state(there), "", "x") == there


@given(STATES)
def test_a_backup_of_a_restored_state_remembers_only_what_a_person_said(state: State) -> None:
    assert held_before(put_down(completed(put_down(state, "b1"), "b1", VERSIONS), "b2")) == state.hold


@given(STATES)
def test_versions_have_their_new_names_and_no_other_is_taken_for_a_lost_one(state: State) -> None:
    there = completed(put_down(state, "b1"), "b1", VERSIONS)
    assert there.old_version == {"": "", "1": "lost-1", "2": "1", "9": "lost-9"}[state.old_version]
    assert there.new_version == {"": "", "2": "1", "3": "2"}[state.new_version]
    assert there.previous is None or there.previous.version == "1"
    assert (there.pending, there.phase) == (state.pending, state.phase)


def test_what_a_person_wrote_is_not_taken_for_a_restore() -> None:
    assert not is_restored(State(hold="restored from backup"))
    assert not is_restored(replace(State(), hold=""))
