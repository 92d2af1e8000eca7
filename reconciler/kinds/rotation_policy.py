"""`rotation_policy`: when secrets are rotated, and how new values reach their consumers."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.kind import Beside
from reconciler.rotation.policy import PolicySpec, policy_problems, schedule_problems

from .declared import declared


def _suits(_name: str, spec: PolicySpec, beside: Beside) -> Iterator[str]:
    yield from schedule_problems(spec, beside.interval_days)


ROTATION_POLICY = declared("rotation_policy", PolicySpec, check=policy_problems, suits=_suits)
