"""The contract of every kind, on a real server: what was written is read back, silently, and can be undone.

Each kind brings samples; a kind without one fails here. Nothing below knows any kind by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.core.change import Action
from reconciler.core.kind import Names
from reconciler.core.resource import dump
from reconciler.kinds import KINDS
from tests.kinds.sample import Sample
from tests.kinds.samples import SAMPLES
from tests.kinds.stand import CANARY, Stand, server_of, standing

CASES = [pytest.param(name, sample, id=f"{name} {sample.name}") for name, samples in sorted(SAMPLES.items()) for sample in samples]


@pytest.fixture
def stand(request: pytest.FixtureRequest) -> Iterator[Callable[[str, Sample], Stand]]:
    """Makes stands, with what their samples need standing before them; takes all of it down afterwards."""
    # Asked for here and not in `make`: what a fixture asks for while it is set up is taken down after it.
    case = request.node.callspec.params
    client = request.getfixturevalue(server_of(case["name"], case["sample"]))
    with ExitStack() as open_stands:
        yield lambda name, sample: open_stands.enter_context(standing(name, sample, client))


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
    stays = one.kind.undeletable or one.kind.stays(sample.name, change.before)
    assert change.action is (Action.FORGET if stays else Action.DELETE)
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
