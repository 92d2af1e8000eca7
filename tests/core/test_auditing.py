"""`audit:` of an environment."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from reconciler.core.auditing import Auditing, SigningKey


def test_an_audit_log_needs_no_settings() -> None:
    assert (Auditing().path, Auditing().key.file) == (".reconcile/audit", ".reconcile/audit.key")


@pytest.mark.parametrize("given", [{}, {"file": ""}, {"file": "a", "transit": {"mount": "transit", "key": "log"}}])
def test_a_signing_key_lies_in_one_place(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="one of"):
        SigningKey.model_validate(given)


@pytest.mark.parametrize("key", ["log", "log+12+AAAA", "lo g+0123abcd+AAAA"])
def test_a_trusted_key_is_written_as_it_is_printed(key: str) -> None:
    Auditing.model_validate({"trusted": [{"public_key": "log+0123abcd+AAAA"}]})
    with pytest.raises(ValidationError, match="pattern"):
        Auditing.model_validate({"trusted": [{"public_key": key}]})
