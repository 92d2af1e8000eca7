"""What `SecretClient` answers with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .store import Version


@dataclass(frozen=True, slots=True, repr=False)
class Revealed(Mapping[str, str]):
    """A secret's value, as a map that never shows itself; `store` and `version` say where it was read."""

    value: Mapping[str, str] = field(hash=False)
    version: str
    store: str

    def __getitem__(self, key: str) -> str:
        return self.value[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        return f"<secret, version {self.version} of {self.store}>"


class Listed(NamedTuple):
    """Paths of all stores that answered, and why the others did not."""

    paths: tuple[str, ...]
    unread: Mapping[str, str]


class Known(NamedTuple):
    """The versions of a secret in the first store that has it."""

    store: str
    versions: tuple[Version, ...]
