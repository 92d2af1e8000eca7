"""What hypothesis makes: addresses, specs and graphs."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from reconciler.core.address import Address, Place
from reconciler.core.order import Graph

from .kinds import BoxSpec, box, secret

NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)
PATHS = st.lists(st.text("abc-_.%@", min_size=1, max_size=5), max_size=3).map("/".join)
PLACES = st.builds(Place, st.text("abc-", min_size=1, max_size=8), PATHS)
ADDRESSES = st.builds(Address, st.sampled_from(["vault.policy", "aws.iam_role", "secret"]), NAMES, PLACES)
WORDS = st.text("abc", min_size=1, max_size=3)
SETS = st.lists(WORDS, max_size=3)
SECONDS = st.integers(0, 10**8)
MARKS = st.sampled_from(["", "mark-1", "mark-2"])
SECRETS = st.builds(secret, st.sampled_from(["env:WORD", "env:OTHER"]), MARKS)
BOXES = st.builds(
    BoxSpec,
    tags=SETS,
    labels=st.dictionaries(WORDS, WORDS, max_size=3),
    ttl=SECONDS,
    material=st.sampled_from(["wood", "steel"]),
    sealed=st.booleans(),
    floor=st.none() | st.integers(0, 3),
    waiting=st.integers(7, 30),
    password=st.none() | SECRETS,
)

# Any two of these together. Sampled, not built: tests over several maps of specs are then ten times as fast.
_PARTS: list[dict[str, Any]] = [
    {}, {"tags": "a"}, {"tags": "a,b"}, {"labels": {"x": "1"}}, {"ttl": "1h"}, {"material": "steel"}, {"sealed": True}, {"floor": 2},
    {"floor": 3}, {"waiting": 7}, {"password": secret("env:WORD")}, {"password": secret("env:WORD", "mark-1")},
    {"password": secret("env:WORD", "mark-2")}, {"password": secret("env:OTHER", "mark-1")},
]  # fmt: skip
SOME_BOXES = st.sampled_from([BoxSpec(**{**one, **other}) for one in _PARTS for other in _PARTS])
BOX_MAPS = st.dictionaries(st.sampled_from("abcdefg").map(box), SOME_BOXES, max_size=6)


@st.composite
def graphs(draw: st.DrawFn, size: int = 12, cyclic: bool = False) -> Graph:
    """Graphs over a few addresses. Without cycles, edges go from a hidden order's earlier to its later nodes."""
    count = draw(st.integers(1, size))
    nodes = draw(st.permutations([Address("test.box", f"b{number}") for number in range(count)]))
    pairs = [(a, b) for b in range(count) for a in (range(count) if cyclic else range(b)) if a != b]
    edges = draw(st.lists(st.sampled_from(pairs), max_size=3 * count)) if pairs else []
    graph: Graph = {node: set() for node in nodes}
    for before, after in edges:
        graph[nodes[after]].add(nodes[before])
    return graph
