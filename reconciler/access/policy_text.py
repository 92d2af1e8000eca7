"""Turn a policy text into rules, with the server's own reading of every odd spelling it accepts."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, cast

from reconciler.core.values import parse_duration

from .hcl import PolicyError, parse
from .rules import LISTS, PARAMETERS, TTLS, Rule, Rules, Scalar, Value, canonical, refused

# What the server makes of the attribute `policy`, which came before capabilities.
_OLD_POLICIES: Final[Mapping[str, tuple[str, ...]]] = {
    "deny": ("deny",),
    "read": ("read", "list"),
    "write": ("create", "read", "update", "delete", "list"),
    "sudo": ("create", "read", "update", "delete", "list", "sudo"),
}

_TEXTS: Final = frozenset({"expiration", "list_scan_response_keys_filter_path"})


def read_policy(text: str) -> Rules:
    """Return the canonical rules of a policy text. Raises PolicyError."""
    return canonical(written_rules(text))


def written_rules(text: str) -> list[Rule]:
    """The rules of a policy text one by one, as they are written: unsorted, unmerged, unchecked."""
    rules = []
    for keys, value in parse(text):
        if keys[0] == "path":
            # The server takes a `path` without a name for a rule on the path "path".
            rules.append(_decode(keys[1] if len(keys) > 1 else "path", value))
        elif keys[0] != "name" or len(keys) > 1 or isinstance(value, tuple | list):
            raise PolicyError(f"{keys[0]!r} has no place in a policy (only path blocks do)")
    return rules


def _decode(path: str, body: Any) -> Rule:
    """Turn the body of one `path` block into a rule, with the server's reading of odd spellings."""
    if not isinstance(body, tuple):
        raise refused(path, "must be a block of attributes")
    rule: dict[str, Any] = {"path": path, "capabilities": []}
    single: dict[str, Any] = {}
    for keys, value in body:
        name = keys[0]
        if len(keys) > 1 and name != "comment":
            raise refused(path, f"{name} takes no second name")
        if name in LISTS:
            rule[name] = [*rule.get(name, ()), *_texts(path, name, value)]
        elif name in PARAMETERS:
            _add_parameters(rule.setdefault(name, {}), path, name, value)
        else:
            single[name] = value  # of several the last one counts, and the others may be nonsense
    old = _scalar_text(path, "policy", single.pop("policy", ""))
    if old and old not in _OLD_POLICIES:
        raise refused(path, f"policy {old!r} does not exist (write capabilities)")
    if old:
        rule["capabilities"] = ["deny"] if old == "deny" else [*rule["capabilities"], *_OLD_POLICIES[old]]
    rule |= {name: _attribute(path, name, value) for name, value in single.items()}
    return cast(Rule, rule)  # its keys were checked one by one


def _attribute(path: str, name: str, value: Any) -> Any:
    if name in TTLS:
        try:
            return parse_duration(value)
        except ValueError as error:
            raise refused(path, f"{name}: {error}") from None
    if name == "pagination_limit":
        try:
            return int(_scalar_text(path, name, value), 0)
        except (TypeError, ValueError):
            raise refused(path, "pagination_limit must be a whole number") from None
    if name in _TEXTS:
        return _scalar_text(path, name, value)
    if name == "comment":
        return value if isinstance(value, str) else ""
    if name == "control_group":
        return _as_map(value)
    close = get_close_matches(name, [*Rule.__annotations__, "policy"], 1)
    raise refused(path, f"{name!r} is no attribute of a rule" + (f" (did you mean {close[0]!r}?)" if close else ""))


def _texts(path: str, name: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise refused(path, f"{name} must be a list")
    return [_scalar_text(path, name, entry) for entry in value]


def _scalar_text(path: str, name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    # The server takes whole numbers for strings here, but no booleans.
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise refused(path, f"{name} must be text")


def _add_parameters(into: dict[str, list[Value]], path: str, name: str, value: Any) -> None:
    if not isinstance(value, tuple):
        raise refused(path, f"{name} must be a map of lists")
    for keys, allowed in value:
        if len(keys) > 1 or not isinstance(allowed, list) or not all(map(_is_value, allowed)):
            raise refused(path, f"{name}: {keys[0]!r} must be a list of plain values, or of lists of them")
        into[keys[0]] = [*into.get(keys[0], ()), *allowed]


def _is_value(entry: Any) -> bool:
    return isinstance(entry, Scalar) or (isinstance(entry, list) and all(isinstance(part, Scalar) for part in entry))


def _as_map(value: Any) -> Any:
    """An attribute that we carry but do not read. Blocks with names of their own (`factor "a" {}`) become a map of those."""
    if isinstance(value, list):
        return [_as_map(entry) for entry in value]
    if not isinstance(value, tuple):
        return value
    made: dict[str, Any] = {}
    for keys, inner in value:
        opened = _as_map(inner)
        for key in reversed(keys[1:]):
            opened = {key: opened}
        earlier = made.get(keys[0])
        made[keys[0]] = {**earlier, **opened} if len(keys) > 1 and isinstance(earlier, dict) else opened
    return made
