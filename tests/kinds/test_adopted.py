"""What was applied is adopted as it was declared: for every kind, its samples and specs that nobody thought of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from reconciler.core.address import HOME
from reconciler.core.change import Action
from reconciler.core.kind import Names
from reconciler.core.order import NAMESPACE
from reconciler.core.resource import default_of
from reconciler.engine.adopt import Adopted, Choice, adopt
from reconciler.engine.inventory import Inventory
from reconciler.kinds import KINDS
from tests.kinds.constraints import TRIALS, Trial
from tests.kinds.sample import Sample
from tests.kinds.samples import SAMPLES
from tests.kinds.stand import Stand, server_of, standing

CASES = [pytest.param(name, sample, id=f"{name} {sample.name}") for name, samples in sorted(SAMPLES.items()) for sample in samples]
ANY = [pytest.param(trial, id=f"{trial.kind} {trial.sample.name} {trial.always.get('key_type', '')}".strip()) for trial in TRIALS]
UNLISTED = "vault.object"  # nothing lists what has no kind of its own


def adopted(stand: Stand) -> Adopted:
    """Everything of the kind, as it would be adopted."""
    # A namespace below another is listed there, and by its whole name only where it is asked for.
    inner = {stand.sample.name} if stand.kind.name == NAMESPACE and "/" in stand.sample.name else set()
    readings = {(stand.kind.name, HOME): stand.kind.read(stand.client, Names(frozenset(inner), everything=True))}
    return adopt({stand.kind.name: stand.kind}, Inventory(readings), Choice())


def assert_adopted(stand: Stand, found: Adopted, applied: Any) -> None:
    """As it was declared, but for what no server tells: those fields are left out, or asked for."""
    kind = stand.kind
    assert found.left == ()
    spec = found.resources[stand.address].spec
    unseen = {name: getattr(applied, name) for name in (*kind.kept, *kind.runtime, *kind.secrets)}
    assert kind.align(applied, spec).model_copy(update=unseen) == applied
    told = {name for name in kind.spec.model_fields if getattr(spec, name) != default_of(kind.spec, name)}
    assert told & kind.kept == set()
    assert told & kind.runtime == set()
    assert told & kind.secrets == {blank.field for blank in found.blanks}
    owned, stand.owned = stand.owned, {}
    assert [change.action for change in stand.compare(spec).changes] == [Action.ADOPT]
    stand.owned = owned


@pytest.mark.parametrize(("name", "sample"), [case for case in CASES if case.values[0] != UNLISTED])
def test_what_was_applied_is_adopted_as_it_was_declared(name: str, sample: Sample, request: pytest.FixtureRequest) -> None:
    with standing(name, sample, request.getfixturevalue(server_of(name, sample))) as stand:
        for given_spec in (sample.spec, sample.changed):
            applied = stand.spec(given_spec)
            stand.reach(applied)
            assert_adopted(stand, adopted(stand), applied)


@pytest.mark.parametrize("trial", [case for case in ANY if case.values[0].kind != UNLISTED])  # type: ignore[union-attr]  # a Trial
def test_any_spec_that_was_applied_is_adopted_as_it_was_declared(trial: Trial, request: pytest.FixtureRequest) -> None:
    with standing(trial.kind, trial.sample, request.getfixturevalue(server_of(trial.kind, trial.sample))) as stand:

        @settings(max_examples=4, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
        @given(trial.specs())
        def equal(drawn: dict[str, Any]) -> None:
            applied = stand.spec(drawn)
            try:
                stand.reach(applied)
                assert_adopted(stand, adopted(stand), applied)
            finally:
                stand.reach(None)

        equal()


def test_every_kind_is_adopted() -> None:
    assert (
        {trial.kind for trial in TRIALS}
        == set(SAMPLES)
        == {name for name, kind in KINDS.items() if not kind.declared} - {"vault.audit_device"}
    )
