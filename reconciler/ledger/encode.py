"""How the parts of a state are written: one line of JSON a bucket entry, only what is not the default.

Ten thousand entries are read and written at every run, so this is plain code over tuples, not pydantic.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar

from ..core.address import Address, parse_address
from ..core.errors import ReconcilerError
from ..core.resource import ORDINARY, Lifecycle
from ..core.values import canonical_json
from .records import Claim, Owned

E = TypeVar("E")

# One entry is 30 to 60 bytes compressed: a bucket is then well below 100 KB, and 10,000 entries are 8 requests.
BUCKET_ENTRIES = 1500


@dataclass(frozen=True, slots=True)
class Section(Generic[E]):
    """One of a state's maps by address, and how an entry of it is written and read."""

    name: str
    write: Callable[[E], Any]
    read: Callable[[Any], E]


def _owned_out(owned: Owned) -> dict[str, Any]:
    written: dict[str, Any] = {"r": owned.run}
    if owned.loses:
        written["x"] = owned.loses
    if owned.kept:
        written["k"] = owned.kept
    if owned.lifecycle is not ORDINARY and owned.lifecycle != ORDINARY:
        written["l"] = _lifecycle_out(owned.lifecycle)
    return written


def _owned_in(written: Mapping[str, Any]) -> Owned:
    if len(written) == 1:
        return _ordinary(written["r"])
    life = written.get("l")
    return Owned(Lifecycle(**life) if life else ORDINARY, written.get("x", ""), written.get("k", {}), written["r"])


@lru_cache(maxsize=1024)
def _ordinary(run: str) -> Owned:
    """What is remembered of most objects, which is the same for all that one run applied."""
    return Owned(run=run)


def _lifecycle_out(lifecycle: Lifecycle) -> dict[str, Any]:
    written = lifecycle.model_dump(exclude_defaults=True)
    if lifecycle.moved_from is not None:
        written["moved_from"] = str(lifecycle.moved_from)
    return written


def _as_it_is(value: Any) -> Any:
    return value


OWNED: Section[Owned] = Section("owned", _owned_out, _owned_in)
CLAIMS: Section[Claim] = Section("claims", list, lambda written: Claim(*written))
UNDONE: Section[tuple[str, ...]] = Section("undone", list, tuple)
DECLARED: Section[Any] = Section("declared", _as_it_is, _as_it_is)
SECTIONS: tuple[Section[Any], ...] = (OWNED, CLAIMS, UNDONE, DECLARED)


def bucket_count(entries: int) -> int:
    """How many buckets hold this many entries: 0, or a power of two, so that a changed count moves few boundaries."""
    count = 1 if entries else 0
    while count * BUCKET_ENTRIES < entries:
        count *= 2
    return count


def bucket_of(address: Address, count: int) -> int:
    """The bucket of an address. CRC-32: the same on every machine and Python, unlike `hash`."""
    return zlib.crc32(str(address).encode()) & (count - 1)


def stale_buckets(before: Mapping[Address, E], after: Mapping[Address, E], count: int) -> set[int]:
    """Buckets in which something differs between two maps."""
    if before is after:
        return set()
    gone = (address for address in before if address not in after)
    return {bucket_of(address, count) for address in (*gone, *_differing(before, after))}


def _differing(before: Mapping[Address, E], after: Mapping[Address, E]) -> Iterator[Address]:
    for address, entry in after.items():
        old = before.get(address)
        # Most entries are the very same object: comparing what they hold would take ten times as long.
        if old is not entry and old != entry:
            yield address


def write_buckets(section: Section[E], entries: Mapping[Address, E], count: int, wanted: set[int]) -> dict[int, str]:
    """The texts of the wanted buckets; an empty bucket has an empty text."""
    buckets: dict[int, dict[str, Any]] = {number: {} for number in wanted}
    for address, entry in entries.items():
        text = str(address)
        bucket = buckets.get(zlib.crc32(text.encode()) & (count - 1))
        if bucket is not None:
            bucket[text] = section.write(entry)
    return {number: canonical_json(bucket) if bucket else "" for number, bucket in buckets.items()}


def read_bucket(section: Section[E], text: str) -> dict[Address, E]:
    """The entries of one bucket. Raises ReconcilerError when it is not one."""
    try:
        return {parse_address(address): section.read(written) for address, written in json.loads(text).items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = type(error).__name__
        raise ReconcilerError(f"a chunk of {section.name!r} in the ledger cannot be read ({reason}; restore it from a backup)") from None
