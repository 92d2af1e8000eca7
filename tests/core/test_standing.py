"""How secrets stand with their rotation, and what became of them in a run."""

from __future__ import annotations

import pytest

from reconciler.core.forge import Role
from reconciler.core.rotated import Outlook, Rotated
from reconciler.core.standing import FIELDS, Standing, as_text, standing_json


def test_a_standing_as_json_has_the_fields_of_the_contract_and_moments_as_text() -> None:
    one = Standing("db/orders", "vault", "database", "CANARY", last_rotated=0, next_due=None, warn_at=7, reason="waits")
    shown = standing_json(one)
    assert tuple(shown) == FIELDS
    assert (shown["last_rotated"], shown["next_due"], shown["stage"]) == ("1970-01-01T00:00:00Z", None, None)
    assert standing_json(one._replace(stage="canary"))["stage"] == "canary"
    assert as_text(1_767_225_600) == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("phase", "trouble"), [("IDLE", False), ("OVERLAP", False), ("HELD", False), ("ORPHANED", True), ("CONFLICT", True)]
)
def test_a_person_has_to_look_at_what_no_pass_mends(phase: str, trouble: bool) -> None:
    assert Standing("a", "vault", "password", phase).in_trouble is trouble


def test_a_person_has_to_look_at_what_leaked_and_at_spent_retries() -> None:
    held = Standing("a", "vault", "password", "HELD")
    assert held._replace(alarmed=0).in_trouble
    assert held._replace(stuck=True).in_trouble


def test_a_rotation_failed_where_something_was_rolled_back_or_what_leaked_is_still_good() -> None:
    assert not Rotated("a", error="the store does not answer").failed, "the next pass tries again"
    assert Rotated("a", trouble="rolled back").failed
    assert Rotated("a", alarm=True, exposed=True).failed


def test_an_outlook_needs_no_reason() -> None:
    assert Outlook("a", "IDLE", "stage").reason == ""


def test_each_role_of_a_forge_may_do_what_the_ones_before_it_may() -> None:
    assert sorted(Role) == [Role.NONE, Role.READ, Role.WRITE, Role.MAINTAIN]
