"""The tree: the published vectors of RFC 6962, and what must hold for trees of any size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    is_included,
    leaf_hash,
    node_hash,
    root_of,
)

# Of the reference implementation of Certificate Transparency: leaves, and the roots over the first one, two, ... of them.
LEAVES = [
    leaf_hash(bytes.fromhex(one))
    for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    bytes.fromhex(one)
    for one in (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
INCLUSIONS = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
CONSISTENCIES = {
    (1, 8): INCLUSIONS[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def made(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


def test_roots_are_the_published_ones() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [root_of(LEAVES[:size]) for size in range(1, 9)] == ROOTS


@pytest.mark.parametrize(("index", "size"), INCLUSIONS)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int) -> None:
    proof = inclusion_proof(LEAVES[:size], index)
    assert [one.hex() for one in proof] == INCLUSIONS[index, size]
    assert is_included(LEAVES[index], index, size, proof, ROOTS[size - 1])


@pytest.mark.parametrize(("old", "size"), CONSISTENCIES)
def test_consistency_proofs_are_the_published_ones(old: int, size: int) -> None:
    proof = consistency_proof(LEAVES[:size], old)
    assert [one.hex() for one in proof] == CONSISTENCIES[old, size]
    assert is_consistent(old, ROOTS[old - 1], size, ROOTS[size - 1], proof)


def by_the_book(leaves: list[bytes]) -> bytes:
    """The recursive definition of RFC 6962, 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    split = max(2**power for power in range(20) if 2**power < len(leaves))
    return node_hash(by_the_book(leaves[:split]), by_the_book(leaves[split:]))


@given(st.integers(1, 300), st.data())
def test_a_tree_that_grows_in_steps_has_the_root_of_the_definition(size: int, draw: st.DataObject) -> None:
    leaves = made(size)
    cut = draw.draw(st.integers(0, size))
    tree = Frontier()
    tree.extend(leaves[:cut])
    again = Frontier(tree.size, tree.peaks)
    again.extend(leaves[cut:])
    assert again.size == size
    assert again.root() == by_the_book(leaves)


@given(st.integers(1, 200), st.data())
def test_every_inclusion_proof_holds_and_no_other(size: int, draw: st.DataObject) -> None:
    leaves = made(size)
    index, other = draw.draw(st.integers(0, size - 1)), draw.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(leaves, index), root_of(leaves)
    assert is_included(leaves[index], index, size, proof, root)
    assert is_included(leaves[other], index, size, proof, root) == (other == index)
    assert is_included(leaves[index], other, size, proof, root) == (other == index)
    assert not is_included(leaves[index], index, size, [*proof, root], root)
    assert not proof or not is_included(leaves[index], index, size, proof[:-1], root)


@given(st.integers(0, 200), st.integers(0, 200), st.data())
def test_every_consistency_proof_holds_and_no_other(one: int, two: int, draw: st.DataObject) -> None:
    old, size = sorted((one, two))
    leaves = made(size)
    proof = consistency_proof(leaves, old)
    assert is_consistent(old, root_of(leaves[:old]), size, root_of(leaves), proof)
    if old:
        altered = draw.draw(st.integers(0, old - 1))
        forged = [*leaves[:altered], leaf_hash(b"forged"), *leaves[altered + 1 :]]
        assert not is_consistent(old, root_of(leaves[:old]), size, root_of(forged), consistency_proof(forged, old))
    assert not is_consistent(old, root_of(leaves[:old]), size, root_of(leaves), [*proof, EMPTY_ROOT])
    assert not is_consistent(size + 1, root_of(leaves), size, root_of(leaves), proof)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=9), st.integers(-1, 20), st.integers(-1, 20))
def test_no_proof_made_up_is_taken_or_breaks_the_verifier(proof: list[bytes], one: int, size: int) -> None:
    assert not is_included(b"x" * 32, one, size, proof, b"y" * 32)
    assert not is_consistent(one, b"x" * 32, size, b"y" * 32, proof)


def test_a_frontier_of_a_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="perfect subtrees"):
        Frontier(3, [b"x" * 32])
