"""An exhaustive model: rotators around one secret, one document and one target, each step lost, late or repeated.

A rotator reads the document; then it looks at everything else and decides; then it acts. Between any two of these it may
sleep for as long as it likes, or be killed. A lost answer is a rotator that is killed right after it acted. All of it is
explored, breadth first; states are told apart by hash. The decisions are those of the real machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from reconciler.rotation.machine import decide, wants
from reconciler.rotation.seen import Action, Apply, Asked, Checks, Evict, Probe, Promote, Record, Revoke, Seen, Wait, Want
from reconciler.rotation.state import Kept, Phase, State, Terms, kept

NOW = 1_000_000
SETTLED = {Phase.IDLE, Phase.CONFLICT, Phase.ORPHANED}
PASSES = 40  # within which one rotator, alone and unharmed, comes to rest


class Slot(NamedTuple):
    """One rotator: the document it read, and what it is about to do."""

    state: State
    action: Action | None = None
    leaks: tuple[Kept, ...] = ()  # what others know, if this action is carried out


class World(NamedTuple):
    """Everything outside of the rotators' heads, and their heads."""

    doc: State
    main: Kept | None
    users: tuple[str, ...]  # the password of each user of the target; "" accepts none
    fence: int
    slots: tuple[Slot | None, ...]
    made: int  # how many values were generated so far
    faults: tuple[str, ...]  # those still to come
    leaked: frozenset[Kept] = frozenset()  # what a thief knows
    inside: frozenset[int] = frozenset()  # users as whom the thief has a session
    ended: int | None = None  # the user whose sessions were ended with the last change of the target


@dataclass(frozen=True)
class Rules:
    """Which design is modelled: the real one, or one that lacks something and must fail."""

    terms: Terms
    rotators: int = 2
    rotations: int = 2
    faults: tuple[str, ...] = ()
    fenced: bool = True
    recorded_first: bool = True
    first: bool = False  # there is no value yet

    @property
    def names(self) -> tuple[str, ...]:
        return ("a", "b") if self.terms.both else ("a",)


def start(rules: Rules) -> World:
    main = None if rules.first else login(rules, 0, "p0", "1")
    users = ("" if rules.first else "p0", *("" for _ in rules.names[1:]))
    idle = State(last_rotated=0, old_version="" if rules.first else "1")
    return World(idle, main, users if rules.terms.tested else (), -1, (None,) * rules.rotators, 0, rules.faults)


def login(rules: Rules, user: int, password: str, version: str = "") -> Kept:
    name = rules.names[user] if rules.terms.tested else ""
    return kept({"username": name, "password": password}, version, name if rules.terms.both else "")


STRANGER = kept({"username": "c", "password": "of a stranger"}, "", "c")
"""A login that is not among the users that rotate, and that works."""


def user_of(rules: Rules, value: Kept) -> int:
    """Its number among the users that rotate; beyond them for a stranger."""
    return [*rules.names, "c"].index(value.value["username"])


def accepts(rules: Rules, world: World, value: Kept | None) -> Probe:
    if value is None or not rules.terms.tested:
        return Probe.UNSURE
    if value.value == STRANGER.value:
        return Probe.ACCEPTED
    password = world.users[user_of(rules, value)]
    return Probe.ACCEPTED if password and password == value.value["password"] else Probe.REFUSED


def fresh(rules: Rules, world: World) -> State:
    user = 1 if rules.terms.both and rules.terms.tested and world.main and user_of(rules, world.main) == 0 else 0
    ours = world.main is not None and (not rules.terms.tested or world.main.identity != STRANGER.identity)
    spare = (
        []
        if ours or not (rules.terms.both and rules.terms.tested)
        else [kept({"username": rules.names[1 - user], "password": ""}, "", rules.names[1 - user])]
    )
    terms = rules.terms._replace(ends=rules.terms.ends and ours)
    return State(rid=f"r{world.made}", terms=terms, pending=login(rules, user, f"p{world.made + 1}"), strays=tuple(spare))


def looks(rules: Rules, world: World, state: State) -> Iterator[tuple[Seen, tuple[str, ...]]]:
    """Everything that a pass may see, with the faults that are then still to come."""
    wanted = wants(state)
    due = world.made < rules.rotations
    seen = Seen(
        main=world.main,
        pending=accepts(rules, world, state.pending) if Want.PENDING in wanted else Probe.UNSURE,
        previous=accepts(rules, world, state.previous) if Want.PREVIOUS in wanted else Probe.UNSURE,
        live=accepts(rules, world, world.main) if Want.MAIN in wanted else Probe.UNSURE,
        lingering=Want.SESSIONS in wanted and _lingering(rules, world, state),
        fence=world.fence if Want.FENCE in wanted and rules.terms.tested and rules.fenced else None,
        checks=Checks(1, 0),
        due=due,
        fresh=fresh(rules, world) if due or state.again or state.exposed else None,
        lacking="the model's end",
    )
    yield seen, world.faults
    for fault in set(world.faults):
        rest = list(world.faults)
        rest.remove(fault)
        if fault == "invalid" and Want.CHECKS in wanted:
            yield seen._replace(checks=Checks(0, 1)), tuple(rest)
        elif fault == "complaint" and Want.REPORTS in wanted:
            yield seen._replace(complaints=("orders-api-3",)), tuple(rest)
        elif fault == "flap" and wanted & {Want.PENDING, Want.MAIN, Want.PREVIOUS}:
            for once in (
                seen._replace(pending=_no(seen.pending)),
                seen._replace(previous=_no(seen.previous)),
                seen._replace(live=_no(seen.live)),
            ):
                if once != seen:
                    yield once, tuple(rest)
        elif fault.startswith("leak "):
            yield seen._replace(asked=Asked("somebody", tuple(fault.split()[1:]))), tuple(rest)


def _lingering(rules: Rules, world: World, state: State) -> bool:
    ending = state.pending if state.phase is Phase.ABORTING else state.previous
    return ending is not None and rules.terms.tested and world.ended != user_of(rules, ending)


def _no(said: Probe) -> Probe:
    return Probe.REFUSED if said is Probe.ACCEPTED else said


def carried_out(rules: Rules, world: World, slot: Slot) -> World:
    """The world after a rotator's action took effect, if it still could."""
    match slot.action:
        case Record(state):
            if world.doc.serial != slot.state.serial:
                return world
            made = world.made + (state.phase is Phase.STAGED and slot.state.phase is Phase.IDLE)
            after = world._replace(doc=replace(state, serial=slot.state.serial + 1), made=made)
            return _broken_into(rules, after._replace(leaked=after.leaked | set(slot.leaks)))
        case Promote(value, expected):
            version = world.main.version if world.main else ""
            if version != expected:
                return world
            return world._replace(main=replace(value, version=str(int(version or 0) + 1)))
        case Apply(value):
            return _set(rules, world, slot.state, user_of(rules, value), value.value["password"])
        case Evict(value):
            return _evict(rules, world, slot.state, user_of(rules, value))
        case Revoke(value):
            return _set(rules, world, slot.state, user_of(rules, value), "")
        case _:
            return world


def _set(rules: Rules, world: World, state: State, user: int, password: str) -> World:
    if rules.fenced and state.fence <= world.fence:
        return world
    if password and "broken" in world.faults and password == "p1":
        return world._replace(fence=state.fence, ended=None)  # the target took it, and does not accept it
    users = tuple(password if number == user else held for number, held in enumerate(world.users))
    after = world._replace(users=users, fence=max(state.fence, world.fence), ended=user if state.exposed else None)
    return _broken_into(rules, after._replace(inside=after.inside - {user}) if state.exposed else after)


def _evict(rules: Rules, world: World, state: State, user: int) -> World:
    if rules.fenced and state.fence <= world.fence:
        return world
    after = world._replace(fence=max(state.fence, world.fence), ended=user, inside=world.inside - {user})
    return _broken_into(rules, after)


def _broken_into(rules: Rules, world: World) -> World:
    """The thief logs in with whatever is known and accepted."""
    into = {user_of(rules, one) for one in world.leaked if accepts(rules, world, one) is Probe.ACCEPTED}
    return world._replace(inside=world.inside | into)


def cut_off(rules: Rules, world: World, slot: Slot) -> Iterator[World]:
    """The world after an action that was killed in the middle: the target was changed, and sessions go on."""
    if "cut" in world.faults and isinstance(slot.action, Apply | Revoke | Evict) and slot.state.exposed:
        after = carried_out(rules, world, slot)
        if after != world:
            rest = tuple(fault for fault in world.faults if fault != "cut")  # once: each costs a fence, and there is no end of those
            yield after._replace(inside=world.inside, ended=None, faults=rest)


def people(rules: Rules, world: World) -> Iterator[World]:
    """What people do meanwhile: write the secret, with a value that works or with one that does not."""
    for fault in set(world.faults):
        rest = list(world.faults)
        rest.remove(fault)
        after = world._replace(faults=tuple(rest))
        version = str(int(world.main.version) + 1) if world.main else "1"
        user = user_of(rules, world.main) if world.main and rules.terms.tested else 0
        if fault == "person":
            users = tuple("hand" if number == user else held for number, held in enumerate(world.users))
            yield after._replace(main=login(rules, user, "hand", version), users=users)
        elif fault == "stranger":
            yield after._replace(main=replace(STRANGER, version=version))
        elif fault == "garbage":
            yield after._replace(main=login(rules, user, "garbage", version))


def steps(rules: Rules, world: World) -> Iterator[World]:
    """Every world that may come next."""
    yield from people(rules, world)
    for number, slot in enumerate(world.slots):

        def put(slot: Slot | None, world: World = world, number: int = number) -> World:
            slots = [*world.slots[:number], slot, *world.slots[number + 1 :]]
            return world._replace(slots=tuple(sorted(slots, key=hash)))  # who is who does not matter

        if slot is None:
            yield put(Slot(world.doc))
        elif slot.action is None:
            yield put(None)
            yield from (put(one, moved) for one, moved in _decided(rules, world, slot.state))
        else:
            yield put(None)
            yield put(None, carried_out(rules, world, slot))
            yield from (put(None, after) for after in cut_off(rules, world, slot))


def _decided(rules: Rules, world: World, state: State) -> Iterator[tuple[Slot, World]]:
    for seen, faults in looks(rules, world, state):
        action = decide(state, seen, NOW)
        if not rules.recorded_first and isinstance(action, Record) and action.state.phase is Phase.STAGED:
            action = Apply(action.state.pending)  # type: ignore[arg-type]  # a staged rotation has one
        if not isinstance(action, Wait):
            yield Slot(state, action, _leaks(world, state, action, seen)), world._replace(faults=faults)


def _leaks(world: World, state: State, action: Action, seen: Seen) -> tuple[Kept, ...]:
    """What the words of an alarm mean where it is heard."""
    if seen.asked is None or not isinstance(action, Record) or action.state.exposed == state.exposed:
        return ()
    named = {"current": seen.main, "pending": state.pending, "previous": state.previous}
    return tuple(value for word, value in named.items() if word in seen.asked.leaked and value)


class Explored(NamedTuple):
    """What was visited, and the way to the first world that is wrong."""

    worlds: int
    phases: set[Phase]
    wrong: str = ""
    way: tuple[World, ...] = ()


def explore(rules: Rules, hold: Callable[[Rules, World], str], limit: int = 1_000_000) -> Explored:
    """Visit every reachable world, or those up to the first of which `hold` says what is wrong. Who is about to do what does not count."""
    first = start(rules)
    came: dict[World, World | None] = {first: None}
    queue = deque([first])
    said: dict[World, str] = {}
    while queue:
        world = queue.popleft()
        bare = world._replace(slots=())
        if bare not in said:
            said[bare] = hold(rules, bare)
        if said[bare]:
            return Explored(len(came), set(), said[bare], tuple(_way(came, world)))
        for after in steps(rules, world):
            if after not in came:
                came[after] = world
                queue.append(after)
        assert len(came) < limit, "the model is too large"
    return Explored(len(came), {world.doc.phase for world in said})


def _way(came: dict[World, World | None], world: World | None) -> list[World]:
    way = []
    while world is not None:
        way.append(world)
        world = came[world]
    return way[::-1]


def settled(rules: Rules, world: World) -> World:
    """Where one rotator, alone and unharmed, comes to rest. The others were killed."""
    world = world._replace(slots=(None,), faults=tuple(fault for fault in world.faults if fault == "broken"))
    now = NOW
    for _ in range(PASSES):
        action = decide(world.doc, next(looks(rules, world, world.doc))[0], now)
        if isinstance(action, Wait):
            if not world.doc.exposed or action.until is None:
                return world
            now = action.until
            continue
        world = carried_out(rules, world, Slot(world.doc, action))
    raise AssertionError("it does not come to rest")
