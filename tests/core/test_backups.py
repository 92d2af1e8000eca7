"""Backups of an environment: who opens them, and where they go."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.backups import Backups
from reconciler.core.tried import Tried

RECIPIENT = "age1" + "q" * 58


def test_what_is_left_out_is_below_our_own_folder_and_for_nobody_yet() -> None:
    assert (Backups().path, Backups().recipients, Backups().identity) == (".reconcile/backups", (), None)


def test_an_identity_comes_from_the_environment_or_a_file() -> None:
    declared = Backups.model_validate({"recipients": [RECIPIENT], "identity": {"from": "env:BACKUP_IDENTITY"}})
    assert declared.identity is not None
    assert Backups.model_validate({"identity": None}).identity is None


@pytest.mark.parametrize(
    "given",
    [{"recipients": ["AGE-SECRET-KEY-1QQQ"]}, {"path": ""}, {"identity": {"from": "vault:kv/data/x#key"}}, {"folder": "x"}],
    ids=["an identity as a recipient", "no folder", "an identity in what is backed up", "an unknown field"],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Backups.model_validate(given)


def test_a_credential_that_was_tried_says_no_more_than_it_came_to() -> None:
    assert Tried("db/orders", "works", released=True) == ("db/orders", "works", True, "", "", False)
