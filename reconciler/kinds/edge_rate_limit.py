"""`rate_limit`: how many requests one key may send to some routes of the server."""

from __future__ import annotations

from reconciler.edge.rate_limit_spec import RateLimitSpec, rate_limit_problems

from .declared import declared

RATE_LIMIT = declared("rate_limit", RateLimitSpec, check=rate_limit_problems)
