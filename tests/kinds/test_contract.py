"""The contract of every kind, on a real server: what was written is read back, silently, and can be undone.

Each kind brings samples; a kind without one fails here. Nothing below knows any kind by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.core.address import HOME, Address
from reconciler.core.change import Action, Change
from reconciler.core.diff import Difference, diff, kept_value
from reconciler.core.kind import AnyKind, Names
from reconciler.core.owned import Owned
from reconciler.core.resource import Origin, Resource, dump
from reconciler.core.secret import Secret
from reconciler.kinds import KINDS
from tests.kinds.sample import Sample
from tests.kinds.samples import SAMPLES

ORIGIN = Origin("sample.yaml", 1)
CANARY = "canary-" + "7f3a9c1e5b2d8046"
CASES = [pytest.param(name, sample, id=f"{name} {sample.name}") for name, samples in sorted(SAMPLES.items()) for sample in samples]


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
                self.owned[self.address] = Owned(kept={n: kept_value(getattr(change.after, n)) for n in unseen if getattr(change.after, n) is not None})
        return found.changes[0] if found.changes else None

    def reveal(self, secret: Secret) -> str:
        return self.sample.secrets.get(secret.source, CANARY)


def server_of(kind: str, sample: Sample) -> str:
    """The fixture that a sample needs."""
    return sample.client or ("aws" if KINDS[kind].backend == "aws" else "vault")


@pytest.fixture
def stand(request: pytest.FixtureRequest) -> Iterator[Callable[[str, Sample], Stand]]:
    """Makes stands, with what their samples need standing before them; takes all of it down afterwards."""
    # Asked for here and not in `make`: what a fixture asks for while it is set up is taken down after it.
    case = request.node.callspec.params
    client = request.getfixturevalue(server_of(case["name"], case["sample"]))
    standing: list[Stand] = []

    def make(name: str, sample: Sample) -> Stand:
        kind = KINDS[name]
        for need, need_name, spec in sample.needs:
            needed = Stand(KINDS[need], client, Sample(need_name, spec, spec, secrets=sample.secrets))
            needed.reach(needed.spec(spec))
            standing.append(needed)
        made = Stand(kind, client, sample)
        standing.append(made)
        return made

    yield make
    for one in reversed(standing):
        one.reach(None)


def test_every_kind_has_a_sample() -> None:
    # OpenBao makes no audit device by its API: that kind has tests of its own.
    assert {name for name, kind in KINDS.items() if not kind.declared} - {"vault.audit_device"} == set(SAMPLES)


@pytest.mark.parametrize(("name", "sample"), CASES)
def test_what_is_created_is_read_back_and_planned_no_more(name: str, sample: Sample, stand: Callable[[str, Sample], Stand]) -> None:
    one = stand(name, sample)
    change = one.reach(one.spec(sample.spec))
    assert change is not None
    assert change.action is Action.CREATE
    assert one.compare(one.spec(sample.spec)).changes == ()


@pytest.mark.parametrize(("name", "sample"), CASES)
def test_what_is_changed_is_read_back_and_can_be_changed_back(name: str, sample: Sample, stand: Callable[[str, Sample], Stand]) -> None:
    one = stand(name, sample)
    first, second = one.spec(sample.spec), one.spec(sample.changed)
    one.reach(first)
    change = one.reach(second)
    assert change is not None
    assert change.action in (Action.UPDATE, Action.REPLACE)
    assert change.fields()
    assert one.compare(second).changes == ()
    one.reach(first)
    assert one.compare(first).changes == ()


@pytest.mark.parametrize(("name", "sample"), CASES)
def test_what_is_deleted_is_gone_or_said_to_stay(name: str, sample: Sample, stand: Callable[[str, Sample], Stand]) -> None:
    one = stand(name, sample)
    one.reach(one.spec(sample.spec))
    change = one.reach(None)
    assert change is not None
    assert change.action is (Action.FORGET if one.kind.undeletable else Action.DELETE)
    if change.action is Action.DELETE:
        assert [found.action for found in one.compare(one.spec(sample.spec)).changes] == [Action.CREATE]


@pytest.mark.parametrize(("name", "sample"), CASES)
def test_an_equal_object_of_somebody_else_is_adopted_and_a_different_one_is_a_takeover(
    name: str, sample: Sample, stand: Callable[[str, Sample], Stand]
) -> None:
    one = stand(name, sample)
    one.reach(one.spec(sample.spec))
    owned, one.owned = one.owned, {}
    assert [change.action for change in one.compare(one.spec(sample.spec)).changes] == [Action.ADOPT]
    # A sample that changes only what no server returns looks equal to whoever did not write it.
    assert all(change.taken_over for change in one.compare(one.spec(sample.changed)).changes if change.action is not Action.ADOPT)
    one.owned = owned  # so that it is taken down


@pytest.mark.parametrize(("name", "sample"), CASES)
def test_no_secret_value_is_in_the_spec_that_is_shown_or_kept(name: str, sample: Sample, stand: Callable[[str, Sample], Stand]) -> None:
    one = stand(name, sample)
    spec = one.spec(sample.spec)
    one.reach(spec)
    reading = one.kind.read(one.client, Names(frozenset({sample.name})))
    shown = json.dumps([dump(spec), *(dump(live.spec) for live in reading.live.values()), *(repr(o) for o in one.owned.values())])
    for value in (CANARY, *sample.secrets.values()):
        assert value not in shown


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_name_that_is_not_there_is_absent_and_not_unknown(name: str, request: pytest.FixtureRequest) -> None:
    kind = KINDS[name]
    client = request.getfixturevalue(server_of(name, SAMPLES[name][0]))
    absent = SAMPLES[name][0].name + "-absent"
    reading = kind.read(client, Names(frozenset({absent})))
    assert absent not in reading.live
    assert not any(gap.covers(absent) for gap in reading.gaps)


@pytest.mark.parametrize("name", sorted(name for name in SAMPLES if KINDS[name].backend == "vault"))
def test_a_login_that_may_do_nothing_makes_a_gap_and_never_an_absence(name: str, vault: VaultClient) -> None:
    token = vault.write("auth/token/create", {"policies": ["default"], "no_parent": True})["auth"]["client_token"]
    powerless = connect(vault.transport, token)
    wanted = SAMPLES[name][0].name
    reading = KINDS[name].read(powerless, Names(frozenset({wanted})))
    assert wanted not in reading.live
    assert any(gap.covers(wanted) for gap in reading.gaps)
