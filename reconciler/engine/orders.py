"""How an apply is to be done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from reconciler.core.address import Address
from reconciler.core.plan import Plan


@dataclass(frozen=True, slots=True)
class Orders:
    """How an apply is to be done."""

    actor: str
    sort: str = "apply"  # or "rollback"
    allow: Collection[str] = ()
    targets: Collection[Address] = ()
    expect_digest: str = ""
    expect_changes: tuple[Mapping[str, Any], ...] | None = None  # a saved plan's
    undo_on_failure: bool = False
    finishing: Callable[[], AbstractContextManager[Callable[[], bool]]] = lambda: nullcontext(lambda: False)
    """Entered when writing begins: until its end an interruption only makes what it yields true."""
    confirm: Callable[[Plan], bool] = lambda _plan: True
