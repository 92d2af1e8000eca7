"""The rules of a Vault or OpenBao policy in one canonical form, so that `==` compares meaning, not spelling.

Rules are sorted by path, capabilities are sorted, rules with one path are one rule (the server merges them), `deny` stands
alone, and the old `policy = "write"` is spelled out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Any, Final, Required, cast

from pydantic import ConfigDict, WithJsonSchema, with_config

# pydantic reads typing.TypedDict only from Python 3.12 on.
from typing_extensions import TypedDict

from reconciler.core.values import Seconds, StringSet, Text, canonical_json

from .hcl import PolicyError, quote

CAPABILITIES: Final = ("create", "read", "update", "patch", "delete", "list", "scan", "sudo", "deny", "subscribe", "recover")
"""Every capability of OpenBao (`scan`) and of Vault (`subscribe`, `recover`)."""

# A deny ends the server's reading of a rule: nothing after it has an effect.
_KEPT_BY_DENY: Final = frozenset({"path", "capabilities", "expiration", "comment"})

_MOMENT: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d?):(\d\d):(\d\d)(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)")

_REFERENCE: Final = re.compile(r"\$\{\{ ref\('[^']+'\)\.\w+ \}\}")

Scalar = str | int | float | bool
Value = Scalar | list[Scalar]
"""What a request may send for a parameter: a list is one value, whose order counts."""
_CapabilitySet = Annotated[StringSet, WithJsonSchema({"type": "array", "items": {"type": "string", "enum": list(CAPABILITIES)}})]


@with_config(ConfigDict(extra="forbid"))
class Rule(TypedDict, total=False):
    """What one path grants. Only what is set is there."""

    path: Required[str]
    capabilities: Required[_CapabilitySet]
    allowed_parameters: dict[str, list[Value]]
    denied_parameters: dict[str, list[Value]]
    required_parameters: StringSet
    min_wrapping_ttl: Seconds
    max_wrapping_ttl: Seconds
    pagination_limit: int
    list_scan_response_keys_filter_path: Text
    mfa_methods: StringSet
    subscribe_event_types: StringSet
    control_group: dict[str, Any]
    expiration: Text
    comment: Text


Rules = tuple[Rule, ...]

LISTS: Final = frozenset({"capabilities", "required_parameters", "mfa_methods", "subscribe_event_types"})
PARAMETERS: Final = frozenset({"allowed_parameters", "denied_parameters"})
TTLS: Final = frozenset({"min_wrapping_ttl", "max_wrapping_ttl"})


def canonical(rules: Iterable[Rule]) -> Rules:
    """Bring rules to the one form that is compared. Raises PolicyError for what the server would refuse."""
    by_key: dict[tuple[str, str], Rule] = {}
    for given in rules:
        rule = _normal(given)
        # A rule that expires counts only until then: it cannot be merged with one that does not.
        key = (rule["path"], rule.get("expiration", ""))
        by_key[key] = _merge(by_key[key], rule) if key in by_key else rule
    return tuple(by_key[key] for key in sorted(by_key))


def repeated_paths(rules: Iterable[Rule]) -> tuple[str, ...]:
    """Paths that have more than one rule: the server merges those, which is seldom meant."""
    count = Counter(rule["path"].removeprefix("/") for rule in rules)
    return tuple(sorted(path for path, times in count.items() if times > 1))


def render(rules: Iterable[Rule]) -> str:
    """Write rules as HCL: one text for one meaning, and never one that is also base64, which the server would decode."""
    return "\n".join(_block(rule) for rule in rules) or "# no rules\n"


def refused(path: str, what: str) -> PolicyError:
    """The error that names a rule."""
    return PolicyError(f"rule for {path!r}: {what}")


def _normal(rule: Rule) -> Rule:
    """One rule in canonical form, or PolicyError."""
    path = rule["path"].removeprefix("/")
    _check_path(path)
    capabilities = _capabilities(path, rule["capabilities"])
    given: dict[str, Any] = {**rule}
    if capabilities == ("deny",):
        given = {name: value for name, value in given.items() if name in _KEPT_BY_DENY}
    if len(given) == 2:  # the usual case: nothing else to look at
        return {"path": path, "capabilities": capabilities}
    normal = {name: _normal_value(name, value) for name, value in given.items()}
    made = {name: value for name, value in normal.items() if value} | {"path": path, "capabilities": capabilities}
    _check_limits(path, made)
    return _in_order(made)


def _in_order(made: Mapping[str, Any]) -> Rule:
    """The same attributes in one order, so that one meaning is written as one text."""
    return cast(Rule, {name: made[name] for name in Rule.__annotations__ if name in made})


def _normal_value(name: str, value: Any) -> Any:
    if name in PARAMETERS:
        # The server compares parameter names in lower case; the order of values means nothing.
        return {key.lower(): _unique(value[key]) for key in sorted(value, key=str.lower)}
    return tuple(sorted(set(value))) if name in LISTS else value


def _unique(values: Iterable[Value]) -> list[Value]:
    return list(dict(sorted((canonical_json(value), value) for value in values)).values())


def _capabilities(path: str, given: Iterable[str]) -> tuple[str, ...]:
    found = set()
    for capability in given:
        if capability == "deny":
            return ("deny",)
        if capability not in CAPABILITIES:
            close = get_close_matches(capability, CAPABILITIES, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(CAPABILITIES)}"
            raise refused(path, f"capability {capability!r} does not exist ({hint})")
        found.add(capability)
    return _sorted(frozenset(found))


@lru_cache(maxsize=1024)
def _sorted(capabilities: frozenset[str]) -> tuple[str, ...]:
    """One tuple for all rules that grant the same: thousands of policies have tens of thousands of rules."""
    return tuple(sorted(capabilities))


def _check_path(path: str) -> None:
    if "+*" in path:
        raise refused(path, "'+*' is forbidden (write '+/*', or '*' at the end)")
    path = _REFERENCE.sub("", path)  # a value that the server alone knows, not yet filled in
    if "{{" in path or "}}" in path:
        before, *parts = path.split("{{")
        if "}}" in before or any(part.count("}}") != 1 for part in parts):
            raise refused(path, "'{{' and '}}' do not match")


def _check_limits(path: str, rule: Mapping[str, Any]) -> None:
    shortest, longest = rule.get("min_wrapping_ttl", 0), rule.get("max_wrapping_ttl", 0)
    if shortest and longest and longest < shortest:
        raise refused(path, "max_wrapping_ttl is less than min_wrapping_ttl")
    if not _is_moment(rule.get("expiration", "")):
        raise refused(path, f"expiration {rule['expiration']!r} is not a time (write 2027-01-31T12:00:00Z)")
    if "list_scan_response_keys_filter_path" in rule and "list" not in rule["capabilities"]:
        raise refused(path, "list_scan_response_keys_filter_path needs the capability 'list'")


def _is_moment(text: str) -> bool:
    """Whether the server takes it: RFC 3339, or seconds since 1970."""
    if not (match := _MOMENT.fullmatch(text)):
        return not text or text.removeprefix("-").isdecimal()
    try:
        year, month, day, hour, minute, second = map(int, match.groups())
        datetime(year, month, day, hour, minute, second)
    except ValueError:
        return False
    return True


def _merge(first: Rule, second: Rule) -> Rule:
    """Two rules on one path, as the server joins them: grants add up, the tighter limit holds, a deny beats all."""
    if "deny" in first["capabilities"]:
        return first
    if "deny" in second["capabilities"]:
        return second
    ours: dict[str, Any] = {**first}
    theirs: dict[str, Any] = {**second}
    made = theirs | ours
    for name in made:
        if name in LISTS:
            made[name] = tuple(sorted({*ours.get(name, ()), *theirs.get(name, ())}))
        elif name in PARAMETERS and name in ours and name in theirs:
            made[name] = _merged_parameters(ours[name], theirs[name])
        elif name in TTLS or name == "pagination_limit":
            made[name] = min(rule[name] for rule in (ours, theirs) if name in rule)
    # The server takes such a pair and then allows nothing; one rule that says so it would refuse.
    _check_limits(made["path"], made)
    return _in_order(made)


def _merged_parameters(first: Mapping[str, list[Value]], second: Mapping[str, list[Value]]) -> dict[str, list[Value]]:
    made = {}
    for key in sorted({*first, *second}):
        ours, theirs = first.get(key), second.get(key)
        # An empty list means any value: it wins.
        made[key] = [] if ours == [] or theirs == [] else _unique([*(ours or ()), *(theirs or ())])
    return made


def _block(rule: Rule) -> str:
    lines = [f"path {quote(rule['path'])} {{"]
    for name, value in rule.items():
        if name == "control_group":
            lines += _control_group(value)
        elif name != "path":
            lines.append(f"  {name} = {_hcl(value, '  ')}")
    return "\n".join([*lines, "}\n"])


def _control_group(group: Any) -> Iterator[str]:
    """Its factors are blocks with names, which the server does not take as a map."""
    yield "  control_group = {"
    for name, value in group.items():
        if name == "factor" and isinstance(value, Mapping):
            yield from (f"    factor {quote(label)} {_hcl(factor, '    ')}" for label, factor in value.items())
        else:
            yield f"    {name} = {_hcl(value, '    ')}"
    yield "  }"


def _hcl(value: Any, indent: str) -> str:
    if isinstance(value, Mapping):
        inner = indent + "  "
        entries = "".join(f"{inner}{quote(key)} = {_hcl(entry, inner)}\n" for key, entry in value.items())
        return f"{{\n{entries}{indent}}}" if entries else "{}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(_hcl(entry, indent) for entry in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return quote(value) if isinstance(value, str) else repr(value)
