"""What a pull request touches: two commits, loaded, and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.core.errors import Invalid, Usage
from reconciler.engine.scope import Scope, scope_of

if TYPE_CHECKING:
    from reconciler.desired.environments import Environment
    from reconciler.desired.load import Desired
    from reconciler.desired.tree import Tree

_PLACES = ("project", "vault", "aws", "ledger")  # other servers, or another memory: then nothing is as it was


def scope_since(older: Tree, trusted: Tree | None, desired: Desired, since: str) -> Scope:
    """The scope of a plan of `desired` that leaves out what an older commit said too."""
    from reconciler.desired.load import load
    from reconciler.kinds import KINDS

    try:
        before = load(older, desired.environment.name, KINDS, trusted=trusted)
    except (Invalid, Usage):
        # Nothing can be left out that nobody can read.
        return scope_of(KINDS, {}, desired.resources, since)
    return scope_of(KINDS, before.resources if _same_places(before.environment, desired.environment) else {}, desired.resources, since)


def _same_places(before: Environment, now: Environment) -> bool:
    return all(getattr(before, name) == getattr(now, name) for name in _PLACES)
