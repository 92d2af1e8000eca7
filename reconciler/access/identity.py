"""Identity templates in policy paths: `secret/data/{{identity.entity.name}}/*`, filled in as the server does.

A directive without a value takes its rule away. What only the server knows (ids, the accessors of auth methods) may be
unknown here: such a directive stays as it is written, and stands for "some text without a slash".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .hcl import PolicyError
from .rules import Rule, Rules, canonical

_DIRECTIVE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class Group(NamedTuple):
    """A group that an entity is in, directly or through other groups. An empty id is an unknown one."""

    name: str
    metadata: Mapping[str, str] = {}
    id: str = ""


class Alias(NamedTuple):
    """What an entity is called at one auth method."""

    accessor: str
    name: str
    custom_metadata: Mapping[str, str] = {}
    id: str = ""


class Identity(NamedTuple):
    """Who a token belongs to. `aliases` is None where they are not known."""

    name: str
    metadata: Mapping[str, str] = {}
    groups: tuple[Group, ...] = ()
    aliases: tuple[Alias, ...] | None = None
    id: str = ""


class _Nothing(Exception):
    """The directive has no value: the server leaves its rule out."""


class _Unknown(Exception):
    """The directive has a value that only the server knows."""


def templated(rules: Iterable[Rule]) -> bool:
    """Whether any path holds a directive."""
    return any("{{" in rule["path"] for rule in rules)


def filled(rules: Rules, who: Identity, *, wildcards: bool = False, slashes: bool = False) -> Rules:
    """The rules with every directive that is known filled in.

    Raises PolicyError where a value holds what the policy does not allow in one (`*` and `+` without `wildcards`, `/`
    without `slashes`): the server then refuses its holder everything.
    """
    forbidden = ("" if wildcards else "*+") + ("" if slashes else "/")

    def value(match: re.Match[str]) -> str:
        try:
            text = _value(match[1].strip(), who)
        except _Unknown:
            return match[0]
        if any(sign in text for sign in forbidden):
            raise PolicyError(f"the value of {match[0]} for {who.name} holds one of {' '.join(forbidden)}")
        return text

    made: list[Rule] = []
    for rule in rules:
        try:
            made.append({**rule, "path": _DIRECTIVE.sub(value, rule["path"])})
        except _Nothing:
            continue
    return canonical(made)


def _value(directive: str, who: Identity) -> str:
    head, _, rest = directive.partition(".")
    subject, _, rest = rest.partition(".")
    if head == "time":
        raise _Unknown
    if head != "identity":
        raise _Nothing
    if subject == "entity":
        return _of_entity(rest, who)
    if subject == "groups":
        return _of_groups(rest, who.groups)
    raise _Nothing


def _of_entity(selector: str, who: Identity) -> str:
    if selector == "id":
        return _known(who.id)
    if selector == "name":
        return _known(who.name)
    head, _, rest = selector.partition(".")
    if head == "metadata":
        return _looked_up(who.metadata, rest)
    if head == "aliases":
        accessor, _, selector = rest.partition(".")
        return _of_alias(accessor, selector, who.aliases)
    raise _Nothing


def _of_alias(accessor: str, selector: str, aliases: tuple[Alias, ...] | None) -> str:
    if aliases is None:
        raise _Unknown
    alias = next((one for one in aliases if one.accessor == accessor), None)
    if alias is None:
        raise _Nothing
    if selector == "id":
        return _known(alias.id)
    if selector == "name":
        return alias.name
    head, _, key = selector.partition(".")
    if head == "metadata":
        raise _Unknown  # made anew at each login
    return _looked_up(alias.custom_metadata, key) if head == "custom_metadata" else _nothing()


def _of_groups(selector: str, groups: tuple[Group, ...]) -> str:
    by, _, rest = selector.partition(".")
    wanted, _, field = rest.partition(".")
    if by == "ids" and not all(group.id for group in groups):
        raise _Unknown
    group = next((one for one in groups if wanted == (one.id if by == "ids" else one.name)), None)
    if by not in ("ids", "names") or group is None:
        raise _Nothing
    if field == "id":
        return _known(group.id)
    if field == "name":
        return group.name
    head, _, key = field.partition(".")
    return _looked_up(group.metadata, key) if head == "metadata" else _nothing()


def _known(text: str) -> str:
    if not text:
        raise _Unknown
    return text


def _looked_up(values: Mapping[str, str], key: str) -> str:
    return values[key] if key in values else _nothing()


def _nothing() -> str:
    raise _Nothing
