"""What a pull request touches: two commits, loaded, and compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler.core.address import Address
from reconciler.core.errors import Invalid, Usage
from reconciler.core.resource import Origin, Resource
from reconciler.desired.tree import Tree
from reconciler.engine.scope import Scope, scope_of

if TYPE_CHECKING:
    from reconciler.desired.environments import Environment
    from reconciler.desired.load import Desired

Resources = Mapping[Address, Resource[Any]]
_PLACES = ("project", "vault", "aws", "ledger")  # other servers, or another memory: then nothing is as it was


def scope_since(older: Tree, newer: Tree, trusted: Tree | None, desired: Desired, since: str) -> Scope:
    """The scope of a plan of `desired`, which is what `newer` says, that leaves out what an older commit said too."""
    from reconciler.kinds import KINDS

    try:
        before = _partly(older, newer, trusted, desired)
    except (Invalid, Usage):
        before = _wholly(older, trusted, desired)
    return scope_of(KINDS, before, desired.resources, since)


def _partly(older: Tree, newer: Tree, trusted: Tree | None, desired: Desired) -> Resources:
    """What the older commit declared, read only where its files differ. Raises Invalid where parts do not stand alone."""
    from reconciler.desired.load import load
    from reconciler.kinds import KINDS

    changed = {path for path in {*older.files, *newer.files} if older.files.get(path) != newer.files.get(path)}
    documents = set(older.documents())
    if older.overlays() or changed - documents - set(newer.documents()):
        raise Invalid(())  # what changes the meaning of other files
    ground = {path: text for path, text in older.files.items() if path not in documents or path in changed}
    there = {address: one for address, one in desired.resources.items() if _file(one.origin) not in changed}
    return {**there, **load(Tree(ground), desired.environment.name, KINDS, trusted=trusted).resources}


def _file(origin: Origin) -> str:
    """The file of documents that declares something, whichever template it is made from."""
    return origin.via.rpartition(":")[0] or origin.file


def _wholly(older: Tree, trusted: Tree | None, desired: Desired) -> Resources:
    from reconciler.desired.load import load
    from reconciler.kinds import KINDS

    try:
        before = load(older, desired.environment.name, KINDS, trusted=trusted)
    except (Invalid, Usage):
        return {}  # nothing can be left out that nobody can read
    return before.resources if _same_places(before.environment, desired.environment) else {}


def _same_places(before: Environment, now: Environment) -> bool:
    return all(getattr(before, name) == getattr(now, name) for name in _PLACES)
