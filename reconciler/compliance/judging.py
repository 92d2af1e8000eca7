"""What the checks share: how a flaw is said, and how parts and flaws become an assessment."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.core.findings import Finding
from reconciler.core.resource import Origin, Resource

from .evidence import Evidence, Part
from .result import Assessment


def flaw(address: str, message: str, origin: Origin | None = None, remedy: str = "") -> Finding:
    """One thing that is wrong. Its check, and the check's own remedy where it has no other, are filled in later."""
    return Finding("", address, origin, message, remedy)


def judged(
    seen: Iterable[Any], flaws: Iterable[Finding], *parts: Part[Any], population: int | None = None, nothing: str = ""
) -> Assessment:
    """Put an assessment together. `seen`: one entry for each thing that was looked at. `nothing`: what it means that there is none.

    What git and the servers both show is one flaw.
    """
    looked = list(seen)
    count = len(looked) if population is None else population
    unread = dict.fromkeys(reason for part in parts for reason in part.unread)
    if not count and not unread and nothing:
        unread[nothing] = None
    return Assessment(count, tuple(dict.fromkeys(flaws)), "; ".join(unread), looked)


def of_kind(evidence: Evidence, *kinds: str) -> Iterator[Resource[Any]]:
    """The declared resources of these kinds."""
    return (resource for address, resource in evidence.resources.items() if address.kind in kinds)


def since(evidence: Evidence, seconds: int) -> str:
    """The moment so long ago, as lines of the audit log have it."""
    return (evidence.at - datetime.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
