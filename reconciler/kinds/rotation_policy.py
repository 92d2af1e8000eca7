"""`rotation_policy`: when secrets are rotated, and how new values reach their consumers."""

from __future__ import annotations

from reconciler.rotation.policy import PolicySpec, policy_problems

from .declared import declared

ROTATION_POLICY = declared("rotation_policy", PolicySpec, check=policy_problems)
