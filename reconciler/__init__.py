"""Reconciler: the policies, roles, engines, keys and identities of Vault, OpenBao and AWS, kept equal to a git repository.

What scripts may use is here; everything else is the command line's. Imported on first use: `import reconciler` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.authoring import Policy, Rule

__all__ = ["Policy", "Rule"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'reconciler' has no attribute {name!r}")
    from reconciler import authoring

    return getattr(authoring, name)
