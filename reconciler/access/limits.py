"""What rules ask of a request beside the capability: parameters, wrapping times, page sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .hcl import PolicyError
from .rules import Rule, canonical
from .vault_acl import Match

_SENDS = ("create", "read", "update", "patch")  # whose parameters are looked at
_LIMITS: Mapping[str, tuple[str, ...]] = {
    "allowed_parameters": _SENDS,
    "denied_parameters": _SENDS,
    "required_parameters": _SENDS,
    "pagination_limit": ("list", "scan"),
    "list_scan_response_keys_filter_path": ("list", "scan"),
}
_ON_ALL = ("min_wrapping_ttl", "max_wrapping_ttl", "mfa_methods", "control_group")


def limits(names: Iterable[str], matches: Iterable[Match]) -> Mapping[str, str]:
    """For each capability, in words, what the rules that decide ask of a request beside it."""
    rule: Mapping[str, Any] = _merged(matches) or {}
    said = {}
    for name in names:
        parts = [f"{field} {_shown(rule[field])}" for field, on in _LIMITS.items() if field in rule and name in on]
        parts += [f"{field} {_shown(rule[field])}" for field in _ON_ALL if field in rule]
        said[name] = f" ({'; '.join(parts)})" if parts else ""
    return said


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {_shown(entry)}" if entry else str(key) for key, entry in value.items())
    return ", ".join(map(_shown, value)) if isinstance(value, tuple | list) else str(value)


def _merged(matches: Iterable[Match]) -> Rule | None:
    """The rules of one path as the one rule that the server makes of them; None where none of them limits anything."""
    rules = [rule for match in matches for rule in match.rules]
    if all(len(rule) == 2 for rule in rules):
        return None
    unlimited: list[Rule] = [{**rule, "expiration": ""} for rule in rules]
    try:
        return canonical(unlimited)[0]
    except PolicyError:
        # Wrapping times of two policies that leave no room between them.
        return {"path": rules[0]["path"], "capabilities": ("deny",)}
