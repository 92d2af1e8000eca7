"""Templates for what repeats, each held against the documents that it stands for before it is offered."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from reconciler.core.address import Address
from reconciler.core.errors import Invalid, Usage
from reconciler.core.resource import Resource
from reconciler.desired.adopted import Document
from reconciler.desired.fold import Fold, fold
from reconciler.desired.load import load
from reconciler.desired.output import write_yaml
from reconciler.desired.tree import ENVIRONMENTS, TEMPLATE_SUFFIX, TEMPLATES, Tree
from reconciler.kinds import KINDS


def folded(
    written: Mapping[Address, Document],
    resources: Mapping[Address, Resource[Any]],
    tree: Tree,
    environment: str,
    taken: Collection[str],
) -> Iterator[Fold]:
    """Yield the templates that declare the very same resources. `taken`: names of templates that are there."""
    alone = Tree({path: text for path, text in tree.files.items() if path.startswith(ENVIRONMENTS)})
    for one in fold(written, {*taken, *tree.templates()}):
        if _says_the_same(one, resources, alone, environment):
            yield one


def _says_the_same(one: Fold, resources: Mapping[Address, Resource[Any]], tree: Tree, environment: str) -> bool:
    files = {
        **tree.files,
        f"{TEMPLATES}{one.name}{TEMPLATE_SUFFIX}": one.template.encode(),
        "desired-state/use.yaml": write_yaml([one.use]).encode(),
    }
    try:
        desired = load(Tree(files), environment, KINDS)
    except (Invalid, Usage):
        return False
    return same(desired.resources, {address: resources[address] for address in one.addresses})


def same(found: Mapping[Address, Resource[Any]], wanted: Mapping[Address, Resource[Any]], without: Collection[Address] = ()) -> bool:
    """Whether two states declare the same, wherever they say it."""
    mine = {address: one for address, one in found.items() if address not in without}
    return mine.keys() == wanted.keys() and all(
        (one.spec, one.lifecycle, dict(one.labels)) == (wanted[address].spec, wanted[address].lifecycle, dict(wanted[address].labels))
        for address, one in mine.items()
    )
