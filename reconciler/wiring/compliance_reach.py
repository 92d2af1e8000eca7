"""What evidence is gathered with, and what of it can be reached: a server that is down is asked once, not for each thing it would tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from reconciler.compliance.evidence import Part, absent
from reconciler.core.errors import ReconcilerError

from .compliance_desired import uses_aws, uses_vault

if TYPE_CHECKING:
    from reconciler.desired.load import Desired
    from reconciler.settings import Settings

    from .connect import Parts

T = TypeVar("T")


class Reach:
    """One environment's settings, commit and clients."""

    def __init__(self, settings: Settings, desired: Desired, parts: Parts) -> None:
        self.settings = settings
        self.desired = desired
        self.environment = desired.environment
        self.parts = parts
        self.clients = parts.clients

    @cached_property
    def vaults(self) -> tuple[str, ...]:
        """The Vault instances that are used."""
        return tuple(self.environment.vault) if uses_vault(self.desired, self.settings.environ) else ()

    @cached_property
    def accounts(self) -> tuple[str, ...]:
        """The AWS instances that are used."""
        return tuple(self.environment.aws) if uses_aws(self.desired) else ()

    @cached_property
    def down(self) -> Mapping[str, str]:
        """Vault instances that do not answer, each with the reason."""
        return dict(self._down())

    def _down(self) -> Iterator[tuple[str, str]]:
        for name in self.vaults:
            try:
                self.clients.vault(name, gated=False).health()
            except ReconcilerError as error:
                yield name, f"vault {name}: {first_line(error)}"

    @property
    def ledger(self) -> tuple[str, ...]:
        """The Vault instance without which the ledger is not read."""
        place = self.environment.ledger
        return () if place.s3 or place.file else (place.vault,)

    def stored(self, *names: str) -> tuple[str, ...]:
        """The Vault instance without which these stores are not read."""
        vault = self.environment.stores.vault
        return (vault.instance,) if vault is not None and "vault" in names else ()

    def missing(self, instances: Iterable[str]) -> tuple[str, ...]:
        """Why what these instances tell is not known."""
        return tuple(self.down[name] for name in dict.fromkeys(instances) if name in self.down)

    def part(self, instances: Iterable[str], read: Callable[[], Iterable[T]], what: str) -> Part[T]:
        """A part of the evidence that these instances tell."""
        return Part((), self.missing(instances)) if self.missing(instances) else part(read, what)

    def each(self, read: Callable[[str], Iterable[T]]) -> Part[T]:
        """What every instance tells of itself."""
        return joined(self.part((name,), partial(read, name), f"vault {name}") for name in self.vaults)


def first_line(error: ReconcilerError) -> str:
    return str(error).partition("\n")[0]


def part(read: Callable[[], Iterable[T]], what: str) -> Part[T]:
    """What is read, or why it cannot be."""
    try:
        return Part(tuple(read()))
    except ReconcilerError as error:
        return absent(f"{what}: {first_line(error)}")


def joined(parts: Iterable[Part[T]]) -> Part[T]:
    """Several parts as one, with what of each could not be read."""
    found = tuple(parts)
    return Part(tuple(one for each in found for one in each.found), tuple(dict.fromkeys(why for each in found for why in each.unread)))


__all__ = ["Reach", "first_line", "joined", "part"]
