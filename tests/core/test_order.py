from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.address import HOME, Address, Place
from reconciler.core.change import Action, Change
from reconciler.core.errors import Invalid
from reconciler.core.kind import Kind, Ref, registry
from reconciler.core.order import AWS_SECRET, ENGINE, Graph, Index, find_cycle, graph, in_order
from reconciler.core.resource import Lifecycle

from .kinds import KINDS, BoxSpec, ShelfSpec, box, change, secret, shelf, space, unreachable
from .strategies import graphs


def follows(order: Sequence[Address], edges: Graph) -> bool:
    place = {address: number for number, address in enumerate(order)}
    return all(place[before] < place[after] for after, found in edges.items() for before in found)


def boxes(edges: Graph, *, soft: Graph | None = None, gone: bool = False) -> list[Change[Any]]:
    """Boxes that need (and like) each other as a graph says: created, or deleted."""
    found = []
    for address, before in edges.items():
        likes = {one.name for one in (soft or {}).get(address, ())}
        spec = BoxSpec(needs=[one.name for one in before], likes=likes)
        found.append(change(address, spec, None) if gone else change(address, None, spec))
    return found


def ordered(changes: Iterable[Change[Any]], **more: Any) -> list[str]:
    return [f"{address.kind.removeprefix('test.')}/{address.name}" for address in in_order(graph(KINDS, list(changes), **more))]


@given(graphs())
def test_creates_follow_what_they_need(edges: Graph) -> None:
    order = in_order(graph(KINDS, boxes(edges)))
    assert sorted(order) == sorted(edges)
    assert follows(order, edges)


@given(graphs())
def test_deletes_go_backwards(edges: Graph) -> None:
    order = in_order(graph(KINDS, boxes(edges, gone=True)))
    assert sorted(order) == sorted(edges)
    assert follows(order[::-1], edges)


@given(graphs(), st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_the_input(edges: Graph, chance: Any) -> None:
    changes = boxes(edges)
    shuffled = sorted(changes, key=lambda _: chance.random())
    assert in_order(graph(KINDS, changes)) == in_order(graph(KINDS, shuffled))


@given(graphs(), graphs(cyclic=True))
def test_soft_references_give_way_and_no_hard_one_is_lost(hard: Graph, soft: Graph) -> None:
    soft = {address: {one for one in soft.get(address, ()) if one in hard} for address in hard}
    made = graph(KINDS, boxes(hard, soft=soft))
    assert all(hard[address] <= made[address] <= hard[address] | soft[address] for address in hard)
    assert find_cycle(made) is None
    order = in_order(made)
    assert sorted(order) == sorted(hard)
    assert follows(order, hard)


@given(graphs(), graphs())
def test_soft_references_without_a_cycle_order_like_hard_ones(hard: Graph, soft: Graph) -> None:
    soft = {address: {one for one in soft.get(address, ()) if one in hard} for address in hard}
    joined = {address: hard[address] | soft[address] for address in hard}
    if find_cycle(joined) is None:
        assert graph(KINDS, boxes(hard, soft=soft)) == joined


@given(graphs(cyclic=True))
def test_a_cycle_is_named_or_everything_has_an_order(edges: Graph) -> None:
    cycle = find_cycle(edges)
    if cycle is None:
        assert follows(in_order(edges), edges)
        assert len(in_order(edges)) == len(edges)
    else:
        steps = zip(cycle, [*cycle[1:], cycle[0]], strict=True)
        assert all(before in edges[after] for after, before in steps)
        assert len(set(cycle)) == len(cycle)


def test_a_cycle_of_hard_references_is_refused_by_name() -> None:
    edges = {box("a"): {box("c")}, box("b"): {box("a")}, box("c"): {box("b")}, box("d"): {box("a")}}
    with pytest.raises(Invalid) as caught:
        graph(KINDS, boxes(edges))
    assert str(caught.value) == "references form a cycle: test.box/a -> test.box/c -> test.box/b -> test.box/a (take one of them out)"


def test_only_soft_references_in_the_cycle_give_way() -> None:
    a, b, early, late = (box(name) for name in ("a", "b", "y", "z"))
    soft = {a: {b, early}, b: {a}, late: {b}}
    made = graph(KINDS, boxes({address: set() for address in (a, b, early, late)}, soft=soft))
    assert made == {a: {early}, b: set(), early: set(), late: {b}}


def test_ties_are_broken_by_address() -> None:
    assert ordered(boxes({box(name): set() for name in "cab"})) == ["box/a", "box/b", "box/c"]


def test_references_to_what_does_not_change_or_lies_elsewhere_order_nothing() -> None:
    here, there = box("a"), box("b", Place("eu"))
    changes = [change(here, None, BoxSpec(needs="a,b,unchanged")), change(there, None, BoxSpec(needs="a"))]
    assert graph(KINDS, changes) == {here: set(), there: set()}


def test_a_mount_comes_before_what_lies_on_it_and_goes_after() -> None:
    made = [change(box("kv/a"), None, BoxSpec()), change(shelf("kv"), None, ShelfSpec())]
    assert ordered(made) == ["shelf/kv", "box/kv/a"]
    gone = [change(shelf("kv"), ShelfSpec(), None), change(box("kv/a"), BoxSpec(), None)]
    assert ordered(gone) == ["box/kv/a", "shelf/kv"]


@pytest.mark.parametrize("place", [HOME, Place("eu", "team")], ids=["at home", "elsewhere"])
@pytest.mark.parametrize(
    ("source", "holder"), [("vault:kv/data/a#word", Address(ENGINE, "kv")), ("aws:kv#word", Address(AWS_SECRET, "kv")), ("env:WORD", None)]
)
def test_where_a_secret_comes_from_is_made_before_what_takes_it(source: str, holder: Address | None, place: Place) -> None:
    holders = [Kind(name=name, backend="vault", spec=ShelfSpec, read=unreachable, write=unreachable) for name in (ENGINE, AWS_SECRET)]
    taker = box("a", place)
    changes = [change(taker, None, BoxSpec(password=secret(source)))]
    changes += [change(Address(kind.name, "kv"), None, ShelfSpec()) for kind in holders]
    assert graph(registry((*KINDS.values(), *holders)), changes)[taker] == ({holder} if holder else set())


def test_what_lets_go_of_an_object_is_changed_before_it_is_deleted() -> None:
    # Named so that the address alone would put the delete first.
    letting_go = change(box("z"), BoxSpec(needs="a"), BoxSpec())
    assert ordered([change(box("a"), BoxSpec(), None), letting_go]) == ["box/z", "box/a"]


def test_what_is_forgotten_or_deleted_is_not_waited_for() -> None:
    for action in (Action.DELETE, Action.FORGET):
        made = graph(KINDS, [change(box("a"), BoxSpec(), None, action), change(box("z"), None, BoxSpec(needs="a"))])
        assert made == {box("a"): set(), box("z"): set()}


def test_a_moved_object_is_made_before_the_old_one_goes() -> None:
    moved = change(box("z"), None, BoxSpec(), lifecycle=Lifecycle(moved_from=box("a")))
    assert ordered([change(box("a"), BoxSpec(), None), moved]) == ["box/z", "box/a"]
    itself = change(box("z"), None, BoxSpec(), lifecycle=Lifecycle(moved_from=box("z")))
    assert ordered([itself]) == ["box/z"]
    elsewhere = change(box("z"), None, BoxSpec(), lifecycle=Lifecycle(moved_from=box("gone")))
    assert ordered([elsewhere]) == ["box/z"]


def test_values_that_only_the_server_knows_are_waited_for() -> None:
    changes = boxes({box("a"): set(), box("z"): set()})
    assert ordered(changes, waits={box("a"): [box("z"), box("unchanged")]}) == ["box/z", "box/a"]
    gone = [changes[0], change(box("z"), BoxSpec(), None)]
    assert ordered(gone, waits={box("a"): [box("z")]}) == ["box/a", "box/z"]


@pytest.mark.parametrize(
    ("namespace", "inner"),
    [
        pytest.param(space("team"), Place("primary", "team"), id="a namespace of the root"),
        pytest.param(space("team/a"), Place("primary", "team/a"), id="declared by its whole path"),
        pytest.param(space("a", Place("primary", "team")), Place("primary", "team/a"), id="declared inside its parent"),
        pytest.param(space("a/b", Place("primary", "team")), Place("primary", "team/a/b"), id="declared by half of its path"),
    ],
)
def test_a_namespace_comes_before_what_it_holds_and_goes_after(namespace: Address, inner: Place) -> None:
    inside = box("0", inner)
    made = graph(KINDS, [change(inside, None, BoxSpec()), change(namespace, None, ShelfSpec())])
    assert made == {inside: {namespace}, namespace: set()}
    gone = graph(KINDS, [change(inside, BoxSpec(), None), change(namespace, ShelfSpec(), None)])
    assert gone == {inside: set(), namespace: {inside}}


def test_namespaces_hold_namespaces_however_they_are_named() -> None:
    chain = [space("a"), space("a/b"), space("c", Place("primary", "a/b")), space("elsewhere", Place("eu"))]
    made = graph(KINDS, [change(address, None, ShelfSpec()) for address in chain])
    assert made == {chain[0]: set(), chain[1]: {chain[0]}, chain[2]: {chain[1]}, chain[3]: set()}


def test_the_longest_mount_that_a_path_starts_with_is_meant() -> None:
    index = Index([shelf("kv"), shelf("kv/deep"), box("kv")])
    found = {path: index.find(HOME, Ref("path", "test.shelf", path, within=True)) for path in ("kv/deep/a", "kv/a/b", "kv", "kvx", "")}
    assert found == {"kv/deep/a": shelf("kv/deep"), "kv/a/b": shelf("kv"), "kv": shelf("kv"), "kvx": None, "": None}
    assert index.find(HOME, Ref("name", "test.shelf", "kv/a")) is None
    assert index.find(Place("eu"), Ref("name", "test.shelf", "kv")) is None


def test_what_is_waited_for_outside_of_the_graph_does_not_hold_anything_up() -> None:
    edges = {box("a"): {box("outside")}, box("b"): {box("a")}}
    assert in_order(edges) == [box("a"), box("b")]
    assert find_cycle(edges) is None


def test_a_value_is_generated_before_others_take_it() -> None:
    made = BoxSpec(password={"generate": {"length": 20}, "to": "vault:kv/data/a#word"})
    taken = BoxSpec(password={"from": "vault:kv/data/a#word"})
    other = BoxSpec(password={"from": "vault:kv/data/a#other"})
    changes = [change(box("a"), None, taken), change(box("b"), None, made), change(box("c"), None, other), change(box("d"), taken, None)]
    assert graph(KINDS, changes) == {box("a"): {box("b")}, box("b"): set(), box("c"): set(), box("d"): set()}
