"""One kind on a real server: what the suites over all kinds stand on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from reconciler.core.address import HOME, Address
from reconciler.core.change import Action, Change
from reconciler.core.diff import Difference, diff, kept_value
from reconciler.core.kind import AnyKind, Names
from reconciler.core.owned import Owned
from reconciler.core.resource import Origin, Resource
from reconciler.core.secret import Secret
from reconciler.kinds import KINDS
from tests.kinds.sample import Sample

ORIGIN = Origin("sample.yaml", 1)
CANARY = "canary-" + "7f3a9c1e5b2d8046"


class Stand:
    """One kind on a server: writes specs and compares them with what the server then says."""

    def __init__(self, kind: AnyKind, client: Any, sample: Sample) -> None:
        self.kind, self.client, self.sample = kind, client, sample
        self.address = Address(kind.name, sample.name, HOME)
        self.owned: dict[Address, Owned] = {}

    def spec(self, given: dict[str, Any]) -> Any:
        return self.kind.spec.model_validate(given)

    def compare(self, spec: Any | None) -> Difference:
        mounts = tuple({self.sample.name.rpartition("/")[0], *(name for _, name, _ in self.sample.needs)} - {""})
        reading = self.kind.read(self.client, Names(frozenset({self.sample.name}), mounts))
        desired = {self.address: Resource(self.address, spec, ORIGIN)} if spec is not None else {}
        return diff({self.kind.name: self.kind}, desired, {(self.kind.name, HOME): reading}, self.owned)

    def seen(self) -> Any:
        """The spec that the server shows."""
        return self.kind.read(self.client, Names(frozenset({self.sample.name}))).live[self.sample.name].spec

    def reach(self, spec: Any | None) -> Change[Any] | None:
        """Do what the comparison says, and remember it as a ledger would."""
        found = self.compare(spec)
        assert not found.unknown
        for change in found.changes:
            if change.action not in (Action.ADOPT, Action.FORGET):
                self.kind.write(self.client, change, self.reveal)
            if change.after is None:
                self.owned.pop(self.address, None)
            else:
                unseen = (*self.kind.kept, *self.kind.secrets)
                self.owned[self.address] = Owned(
                    kept={n: kept_value(getattr(change.after, n)) for n in unseen if getattr(change.after, n) is not None}
                )
        return found.changes[0] if found.changes else None

    def reveal(self, secret: Secret) -> str:
        return self.sample.secrets.get(secret.source, CANARY)


def server_of(kind: str, sample: Sample) -> str:
    """The fixture that a sample needs."""
    return sample.client or ("aws" if KINDS[kind].backend == "aws" else "vault")


@contextmanager
def standing(name: str, sample: Sample, client: Any) -> Iterator[Stand]:
    """A stand of that kind, with what the sample needs before it; all of it is taken down afterwards."""
    with ExitStack() as after:
        for need, need_name, spec in sample.needs:
            needed = Stand(KINDS[need], client, Sample(need_name, spec, spec, secrets=sample.secrets))
            needed.reach(needed.spec(spec))
            after.callback(needed.reach, None)
        made = Stand(KINDS[name], client, sample)
        after.callback(made.reach, None)
        yield made
