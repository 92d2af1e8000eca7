"""What the tests of the edge share."""

from __future__ import annotations

from functools import partial

import pytest

from .memories import Run, run_with_local, run_with_redis


@pytest.fixture(params=["local", "redis"])
def with_memory(request: pytest.FixtureRequest) -> Run:
    """Runs a trial with one replay memory, then with the other."""
    return run_with_local if request.param == "local" else partial(run_with_redis, request.getfixturevalue("redis_url"))
