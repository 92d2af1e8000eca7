"""What is written is read back equal, for specs that nobody thought of: the promise that a plan after an apply is empty."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from reconciler.core.resource import Spec
from reconciler.core.secret import Secret
from tests.kinds.constraints import TRIALS, Trial
from tests.kinds.samples import SAMPLES
from tests.kinds.stand import server_of, standing

PHASES = (Phase.explicit, Phase.generate, Phase.shrink)  # explaining a failure costs minutes on a real server
CASES = [
    pytest.param(trial.kind, trial, id=f"{trial.kind} {trial.sample.name} {trial.always.get('key_type', '')}".strip()) for trial in TRIALS
]


def test_every_kind_is_tried() -> None:
    assert {trial.kind for trial in TRIALS} == set(SAMPLES)


@pytest.mark.parametrize(("name", "trial"), CASES)
def test_any_spec_is_read_back_as_written_and_any_other_over_it_too(name: str, trial: Trial, request: pytest.FixtureRequest) -> None:
    client = request.getfixturevalue(server_of(name, trial.sample))
    with standing(name, trial.sample, client) as stand:

        @settings(max_examples=trial.examples, deadline=None, phases=PHASES, suppress_health_check=list(HealthCheck))
        @given(trial.specs(), trial.specs())
        def silent(first: dict[str, Any], second: dict[str, Any]) -> None:
            try:
                for spec in map(stand.spec, (first, second)):
                    stand.reach(spec)
                    assert stand.compare(spec).changes == ()
                    assert written_down(stand.seen()) == stand.seen()
            finally:
                stand.reach(None)

        silent()


def written_down(spec: Spec) -> Spec:
    """The spec that somebody would declare who copies from a server all that is not at its default."""
    secrets = {name: value for name, value in spec.__dict__.items() if isinstance(value, Secret)}
    assert not secrets, "no server returns one"
    return type(spec).model_validate(spec.model_dump(exclude_defaults=True))
