"""What counts as healthy."""

from __future__ import annotations

import pytest

from reconciler.core.health import Health, State


@pytest.mark.parametrize("state", State)
def test_only_what_serves_is_healthy(state: State) -> None:
    assert Health("vault primary", state).healthy is (state in ("ok", "standby"))
