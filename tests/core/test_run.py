from __future__ import annotations

from reconciler.core.run import RunRecord


def test_a_run_that_was_killed_stays_running() -> None:
    assert RunRecord("1", "apply", "abc").outcome == "running"
