"""Health for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.core.health import Health

from .runs import table

_DIALECTS = {"openbao": "OpenBao", "vault": "Vault"}


def health_json(checks: Sequence[Health]) -> dict[str, Any]:
    """`{"healthy", "checks": [{"name", "state", "latency_ms", "error", ...what it says of itself}]}`."""
    return {"healthy": all(one.healthy for one in checks), "checks": [_json(one) for one in checks]}


def _json(one: Health) -> dict[str, Any]:
    latency = round(one.latency * 1000, 1) if one.latency else None
    return {"name": one.name, "state": one.state.value, "latency_ms": latency, **one.facts, "error": one.error or None}


def health_text(checks: Sequence[Health]) -> str:
    """A line each, and below it what is wrong."""
    rows = table([(one.name, one.state.value, ", ".join(_words(one))) for one in checks]).splitlines()
    return "\n".join(line for row, one in zip(rows, checks, strict=True) for line in (row, *([f"  {one.error}"] if one.error else [])))


def _words(one: Health) -> Iterator[str]:
    facts = one.facts
    if "dialect" in facts:
        yield f"{_DIALECTS[facts['dialect']]} {facts['version']}"
    if "account" in facts:
        yield f"account {facts['account']} in {facts['region']}"
    if "place" in facts:
        yield f"in {facts['place']}"
        yield f"last applied {facts['applied'][:7]}" if facts["applied"] else "nothing applied yet"
    if "breaker" in facts and facts["breaker"] != "closed":
        yield f"breaker {facts['breaker']}"
    if one.latency:
        yield f"{one.latency * 1000:.1f} ms"
