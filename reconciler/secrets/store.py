"""`SecretStore`: what each place that holds secret values can do, and nothing that only one of them can.

A secret is a map of strings at a path such as `api_keys/claude`; one that is a single value has the key `value`. Versions
are a store's own: the name of one means nothing in another store. Check-and-set is the one thing that rotation builds on,
so `put` says what it expects to replace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from ..core.errors import Problem, ReconcilerError, Usage
from ..core.values import visible

SINGLE = "value"
"""The key of a secret that is one value."""
PROBE_SECONDS = 2.0
"""How long a store may take to say that it is well; one that takes longer counts as unreachable."""
LONGEST_PATH = 400  # AWS takes 512 characters with the prefix
_HALF = re.compile(r"[\ud800-\udfff]")
_SEGMENT = re.compile(r"[^\x00-\x1f\x7f/\\\ud800-\udfff]+")


class Version(NamedTuple):
    """One version of a secret, without its value."""

    id: str
    made: str  # ISO, UTC; empty where the store does not say
    readable: bool
    labels: tuple[str, ...] = ()


class Held(NamedTuple):
    """A value and the version it was read from."""

    value: Mapping[str, str]
    version: str

    def __repr__(self) -> str:
        # A value in a repr is a value in a log.
        return f"Held(version={self.version!r})"


class SecretStore(Protocol):
    """One store. Raises Denied, Conflict, Unavailable and other BackendErrors; safe to use from many threads."""

    @property
    def name(self) -> str: ...

    def check(self, path: str, value: Mapping[str, str]) -> None:
        """Raise Usage for what this store could never hold. Asks nobody."""
        ...

    def get(self, path: str, version: str = "") -> Held | None:
        """The newest version, or the named one. None: there is none, for certain."""
        ...

    def put(self, path: str, value: Mapping[str, str], expected: str | None = None) -> str:
        """Write a version and return its name. `expected`: the version to replace, "" for none yet, None for any. Raises Conflict."""
        ...

    def list(self, prefix: str = "") -> tuple[str, ...]:
        """Paths below a prefix that have a value, sorted."""
        ...

    def versions(self, path: str) -> tuple[Version, ...]:
        """All versions, newest first; empty where there is no such secret."""
        ...

    def metadata(self, path: str) -> Mapping[str, str]:
        """What people may know of a secret: never a value."""
        ...

    def annotate(self, path: str, metadata: Mapping[str, str]) -> None:
        """Set keys of the metadata; the others stay. A mirror for people: nothing is decided by it."""
        ...

    def delete(self, path: str) -> None:
        """Take the secret away from its readers. Where the store can, what was there stays recoverable. Nothing there is fine."""
        ...

    def destroy(self, path: str, version: str) -> None:
        """Make one version unreadable for good."""
        ...

    def probe(self) -> str:
        """Empty when the store answers, else why not; within `PROBE_SECONDS`."""
        ...


class Tampered(ReconcilerError):
    """What a store holds is not what was written: altered, swapped, replayed or gone. `sort` is which of these."""

    def __init__(self, sort: str, where: str, what: str) -> None:
        self.sort = sort
        self.where = where
        # What it says of a forged file is the forger's.
        super().__init__(visible(f"{sort}: {where}: {what} (restore it from a backup, and find out who wrote there)"))


def checked_path(path: str) -> str:
    """Return a path that every store takes. Raises Usage."""
    if len(path) <= LONGEST_PATH and is_path(path):
        return path
    remedy = f"names with / between them, such as api_keys/claude; at most {LONGEST_PATH} characters"
    raise Usage(str(Problem("", "", f"{path[:LONGEST_PATH]!r} is not the path of a secret", remedy)))


def is_path(path: str) -> bool:
    """Whether these are names with / between them."""
    return all(_SEGMENT.fullmatch(part) and part not in (".", "..") for part in path.split("/"))


def checked_value(path: str, value: Mapping[str, str]) -> dict[str, str]:
    """Return a value that every store takes. Raises Usage, without what it holds."""
    if not isinstance(value, Mapping) or not value or not all(key and _is_text(key) and _is_text(text) for key, text in value.items()):
        raise Usage(f"{path}: a secret is a map of at least one name to a string (a single value has the key `{SINGLE}`)")
    return dict(value)


def _is_text(given: object) -> bool:
    # Half a character, as Python makes of bytes that are not UTF-8, is nothing that a store can keep.
    return isinstance(given, str) and not _HALF.search(given)


def value_of(held: Mapping[str, object]) -> dict[str, str]:
    """What others wrote into a store, as a map of strings: anything else becomes its JSON."""
    return {key: text if isinstance(text, str) else json.dumps(text, separators=(",", ":")) for key, text in held.items()}
