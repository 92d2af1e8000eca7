"""How much memory an object takes: a hundred thousand of them are planned in one process."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

from reconciler.backends.vault.client import VaultClient
from reconciler.core.address import Address
from reconciler.core.change import Action, Change
from reconciler.core.kind import Names
from reconciler.core.owned import Owned
from reconciler.desired.load import load
from reconciler.desired.tree import Tree
from reconciler.kinds import KINDS
from reconciler.ledger.encode import OWNED, read_bucket, write_buckets
from tests.bench.repository import policy, role

MANY = 150  # of either kind
POLICY, ROLE = "vault.policy", "vault.approle_role"
# An object may take 4,000 bytes in all. Beside these, what a plan holds to its end, there are answers that are being read,
# threads, and what the allocator keeps.
DECLARED, LIVING, REMEMBERED = 1_550, 1_200, 220


def grown(make: Callable[[], Any]) -> float:
    """Bytes an object of what `make` makes."""
    kept = [make()]  # once before: what is imported, compiled and cached belongs to no object
    tracemalloc.start()
    try:
        kept.append(make())
        return tracemalloc.get_traced_memory()[0] / (2 * MANY)
    finally:
        tracemalloc.stop()


def test_what_a_plan_holds_of_an_object_is_small(vault: VaultClient) -> None:
    text = "---\n".join(("kind: vault.auth_method\nname: approle\nspec: {type: approle}\n", *_documents()))
    files = {"desired-state/environments/dev.yaml": b"project: p\nvault: {primary: {}}\n", "desired-state/a.yaml": text.encode()}
    desired = load(Tree(files), "dev", KINDS).resources
    for address, resource in desired.items():
        KINDS[address.kind].write(vault, Change(address, Action.CREATE, None, resource.spec), str)
    asked = {kind: Names(frozenset(one.name for one in desired if one.kind == kind)) for kind in (POLICY, ROLE)}
    ledger = write_buckets(OWNED, dict.fromkeys(desired, Owned(run="6e574d0f2f73")), 1, {0})[0]

    assert grown(lambda: load(Tree(files), "dev", KINDS)) < DECLARED
    assert grown(lambda: [KINDS[kind].read(vault, names) for kind, names in asked.items()]) < LIVING
    assert grown(lambda: read_bucket(OWNED, ledger)) < REMEMBERED


def _documents() -> list[str]:
    return [policy(number) for number in range(MANY)] + [role(number, MANY) for number in range(MANY)]


def test_objects_of_a_kind_share_the_texts_and_places_that_are_equal() -> None:
    owned = read_bucket(OWNED, '{"vault.policy/a@eu/team": {"r": "run"}, "vault.policy/b@eu/team": {"r": "run"}}')
    (first, one), (second, other) = owned.items()
    assert isinstance(first, Address)
    assert first.kind is second.kind
    assert first.place is second.place
    assert one is other
