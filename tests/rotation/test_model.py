"""Every interleaving of two and three rotators, with kills, lost answers, people and leaks: what must hold, holds."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from reconciler.rotation.seen import Action, Apply, Evict, Probe, Promote, Record, Revoke
from reconciler.rotation.state import Kept, Phase, Step, Terms
from tests.rotation.model import SETTLED, STRANGER, Explored, Rules, World, accepts, explore, settled, user_of

BOTH = Terms(tested=True, ends=True, checked=True)
ONE = Terms(both=False, tested=True, ends=True, checked=True)
STORED = Terms()
ROLLOUT = BOTH._replace(steps=(Step("validation", 0, 0), Step("canary", 0, 10), Step("production", 0, 100)))


def wrong(rules: Rules, world: World) -> str:
    """What is wrong with a world; empty if nothing is."""
    doc, main, by_hand = world.doc, world.main, "garbage" in rules.faults and "garbage" not in world.faults
    if rules.terms.tested and main is not None and not by_hand:
        good = [main] if rules.terms.both else [one for one in (main, doc.pending) if one]
        if not any(accepts(rules, world, one) is Probe.ACCEPTED for one in good):
            return "the current value does not authenticate"
        people = {"person", "garbage", "stranger"} & set(rules.faults)
        overlap = rules.terms.both and doc.phase is Phase.OVERLAP and doc.previous and not people
        if overlap and accepts(rules, world, doc.previous) is not Probe.ACCEPTED:
            return "the previous value does not authenticate in the overlap"
    if rules.terms.tested and not rules.terms.both and not by_hand:
        stored = {one.value["password"] for one in (main, doc.pending, doc.previous) if one}
        if world.users[0] and world.users[0] not in stored:
            return "the target has a value that nobody knows"
    return unsettled(rules, world)


def unsettled(rules: Rules, world: World) -> str:
    rest = settled(rules, world)
    if rest.doc.phase not in SETTLED and not (rest.main is None or "garbage" in rest.main.value["password"]):
        return f"it rests in {rest.doc.phase}: {rest.doc.reason}"
    if rest.doc.phase is not Phase.CONFLICT:
        if rules.terms.tested and any(accepts(rules, rest, one) is Probe.ACCEPTED for one in rest.leaked):
            return "what leaked is still accepted"
        if rest.inside:
            return "a thief is still logged in"
    if rest.doc.phase is Phase.IDLE and rest.doc.pending:
        return "a pending value is left over"
    if rules.terms.tested and rules.terms.both and rest.doc.phase is Phase.IDLE and rest.main:
        spare = [password for number, password in enumerate(rest.users) if number != user_of(rules, rest.main)]
        stranger = rest.main.value == STRANGER.value  # what was there before is left to the next rotation
        if any(spare) and rest.doc.attempt and not stranger:
            return "a value that nobody needs is still good"
    return ""


CASES = {
    "two users, two rotations": Rules(BOTH),
    "two users in a staged rollout that consumers complain of": Rules(ROLLOUT, rotations=1, faults=("complaint",)),
    "two users, a failed validation": Rules(BOTH, faults=("invalid",)),
    "two users, a target that takes a value and refuses it": Rules(BOTH, faults=("broken",)),
    "two users, a probe that once says no": Rules(BOTH, faults=("flap",)),
    "two users, a person writes": Rules(BOTH, rotations=1, faults=("person",)),
    "two users, a person writes the login of a third": Rules(BOTH, faults=("stranger",)),
    "two users, a person writes what does not work": Rules(BOTH, rotations=1, faults=("garbage",)),
    "two users, the current value leaks": Rules(ROLLOUT, rotations=1, faults=("leak current", "cut")),
    "two users, the pending value leaks": Rules(ROLLOUT, rotations=1, faults=("leak pending", "cut")),
    "two users, the previous value leaks": Rules(ROLLOUT, rotations=1, faults=("leak previous", "cut")),
    "two users, everything leaks": Rules(ROLLOUT, rotations=1, faults=("leak current pending previous", "cut")),
    "two users, the first value": Rules(BOTH, first=True, rotations=1, faults=("invalid",)),
    "one user, two rotations": Rules(ONE),
    "one user, a failed validation": Rules(ONE, faults=("invalid",)),
    "one user, a target that takes a value and refuses it": Rules(ONE, faults=("broken",)),
    "one user, a probe that once says no": Rules(ONE, faults=("flap",)),
    "one user, a person writes": Rules(ONE, rotations=1, faults=("person",)),
    "one user, the current value leaks": Rules(ONE, rotations=1, faults=("leak current", "cut")),
    "one user, the pending value leaks": Rules(ONE, rotations=1, faults=("leak pending", "cut")),
    "one user, everything leaks": Rules(ONE, rotations=1, faults=("leak current pending previous", "cut")),
    "one user, the first value leaks": Rules(ONE, first=True, rotations=1, faults=("leak pending", "cut")),
    "two users, the first value leaks": Rules(BOTH, first=True, rotations=1, faults=("leak pending", "cut")),
    "two users, the current value leaks and the validation fails": Rules(BOTH, rotations=1, faults=("leak current", "invalid")),
    "one user, the current value leaks and a person writes": Rules(ONE, rotations=1, faults=("leak current", "person")),
    "two users, the current value leaks and a person writes": Rules(BOTH, rotations=1, faults=("leak current", "person")),
    "store only, two rotations": Rules(STORED),
    "store only, a rollout that consumers complain of": Rules(STORED._replace(steps=ROLLOUT.steps), faults=("complaint",)),
    "store only, a person writes": Rules(STORED, faults=("person",)),
    "store only, the first value": Rules(STORED, first=True),
    "three rotators, two users": Rules(BOTH, rotators=3, rotations=1),
    "three rotators, one user, a failed validation": Rules(ONE, rotators=3, rotations=1, faults=("invalid",)),
    "three rotators, store only": Rules(STORED, rotators=3, rotations=1),
}


LARGE = frozenset(
    (
        "two users, everything leaks",
        "one user, everything leaks",
        "two users, the pending value leaks",
        "two users, the first value leaks",
        "one user, the current value leaks and a person writes",
        "two users, the current value leaks and a person writes",
    )
)
"""Cases that take seconds with two rotators: they have one, unless ROTATION_MODEL=full."""


@pytest.mark.parametrize("name", CASES)
def test_nothing_that_may_happen_breaks_an_invariant(name: str) -> None:
    one = name in LARGE and os.environ.get("ROTATION_MODEL") != "full"
    found = explore(replace(CASES[name], rotators=1) if one else CASES[name], wrong)
    assert not found.wrong, shown(found)


def test_every_phase_is_reached_by_some_case() -> None:
    rollout = CASES["two users in a staged rollout that consumers complain of"]
    reached = explore(rollout, wrong).phases | explore(CASES["two users, a person writes"], wrong).phases
    assert reached == set(Phase) - {Phase.ORPHANED}, "a retry budget of one would be another model"


def test_writing_the_target_before_recording_loses_the_password_in_two_steps() -> None:
    found = explore(Rules(ONE, recorded_first=False), wrong)
    assert found.wrong
    assert len(found.way) - 1 <= 3, "read, decide, act"


@pytest.mark.parametrize("rules", [Rules(ONE, faults=("invalid",)), Rules(BOTH, rotations=3)], ids=["one user", "two users"])
def test_without_a_fence_a_rotator_that_slept_breaks_a_live_password(rules: Rules) -> None:
    found = explore(replace(rules, fenced=False), wrong)
    assert found.wrong == "the current value does not authenticate"


def shown(found: Explored) -> str:
    """The way to what is wrong, a line a step."""
    lines = [f"{found.wrong}, after:"]
    for world in found.way:
        heads = [f"{slot.state.phase}/{slot.state.serial} {_act(slot.action)}" for slot in world.slots if slot]
        known = f"thief knows {[_words(one) for one in world.leaked]}, is in as {sorted(world.inside)}, ended {world.ended}"
        where = f"{world.doc.phase}/{world.doc.serial} main={_words(world.main)} users={world.users} fence={world.fence}"
        lines.append(f"  {where} {known if world.leaked else ''} {heads}")
    return "\n".join(lines)


def _words(value: Kept | None) -> str:
    return " ".join([*value.value.values(), value.version]) if value else "-"


def _act(action: Action | None) -> str:
    match action:
        case Record(state):
            return f"Record({state.phase} {state.reason!r} exposed={[_words(one) for one in state.exposed]})"
        case Apply(value) | Revoke(value) | Evict(value) | Promote(value):
            return f"{type(action).__name__}({_words(value)})"
        case _:
            return str(action)
