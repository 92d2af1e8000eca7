"""What a ledger remembers of each object that an applied commit declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .resource import ORDINARY, Lifecycle


class Owned(NamedTuple):
    """The last applied word on how one object is to be treated: it outlives the document that said so."""

    lifecycle: Lifecycle = ORDINARY
    loses: str = ""
    """What a delete destroys for good, as of the last apply."""
    kept: Mapping[str, Any] = {}
    """Last applied values of fields that no server returns; `{"source", "mark"}` for a secret."""
    run: str = ""


class Claim(NamedTuple):
    """Written before a create. It is ownership only if live turns out to be what was claimed."""

    fingerprint: str
    run: str = ""
