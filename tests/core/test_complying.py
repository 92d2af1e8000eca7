from __future__ import annotations

import pytest
from pydantic import ValidationError

from reconciler.core.complying import CAPS, Cap, Complying, Framework, MaxAge, Thresholds, strict_for

YEAR = 365 * 86400


@pytest.mark.parametrize("cap", CAPS, ids=lambda cap: f"{cap.framework} {cap.field}")
def test_what_a_framework_caps_cannot_be_loosened_in_its_environment(cap: Cap) -> None:
    framework, control, field, bound, least = cap
    outer, _, inner = field.partition(".")

    def asked(value: int) -> dict[str, object]:
        return {"frameworks": [framework], "thresholds": {outer: {inner: value} if inner else value}}

    Complying.model_validate(asked(bound))
    with pytest.raises(ValidationError, match=r"allows no (less|more) than") as error:
        Complying.model_validate(asked(bound - 1 if least else bound + 1))
    assert control in str(error.value)
    Complying.model_validate({**asked(bound - 1 if least else bound + 1), "frameworks": []})


def test_a_threshold_that_is_left_out_is_as_strict_as_the_frameworks_ask() -> None:
    assert Complying().held == Thresholds()
    both: tuple[Framework, ...] = ("pci", "hipaa")
    assert Complying(frameworks=both).held.audit_log == 6 * YEAR
    given = Complying(frameworks=both, thresholds=Thresholds(audit_log=7 * YEAR))
    assert given.held.audit_log == 7 * YEAR


@pytest.mark.parametrize("cap", CAPS, ids=lambda cap: f"{cap.framework} {cap.field}")
def test_a_report_on_a_framework_that_nobody_declared_is_held_to_what_it_caps(cap: Cap) -> None:
    outer, _, inner = cap.field.partition(".")
    loose = cap.bound - 1 if cap.least else cap.bound + 1
    held = Complying.model_validate({"thresholds": {outer: {inner: loose} if inner else loose}}).held
    for found, value in ((strict_for(held, [cap.framework]), cap.bound), (strict_for(held, ["gdpr"]), loose)):
        assert getattr(getattr(found, outer), inner) == value if inner else getattr(found, outer) == value


def test_the_usual_ages_by_type_satisfy_every_framework() -> None:
    every: tuple[Framework, ...] = ("soc2", "pci", "hipaa", "gdpr")
    assert Complying(frameworks=every).held.max_age == MaxAge()
