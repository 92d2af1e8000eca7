"""Values that only a server knows, found in declarations to be: written as references to the objects that have them.

An accessor, ARN or id copied from a server is wrong as soon as the object is made anew. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from reconciler.core.address import Address, Place
from reconciler.core.diff import Survey
from reconciler.core.kind import Kinds, Live
from reconciler.core.order import NAMESPACE, Graph, Index, find_cycle
from reconciler.core.resource import Resource, ServerValue, fill_in, server_values
from reconciler.core.secret import Secret

from .adopt import Adopted, adopts, minimal, replace_spec

ATTRIBUTES = ("accessor", "arn", "id")
# Accessors ("auth_userpass_1a2b3c4d") and ids of groups, as the paths of templated policies hold them.
_EMBEDDED = re.compile(r"\b(?:[A-Za-z][\w-]*_[0-9a-f]{8}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
_QUOTES = frozenset("'\"")  # the text of a reference has no way to write these

Values = Mapping[str, ServerValue]


def with_references(adopted: Adopted, kinds: Kinds, readings: Survey, declared: Collection[Address]) -> Adopted:
    """Put references in place of what the servers made up, as far as the objects that have it are declared."""
    known, named = _known(kinds, readings, {*adopted.resources, *declared})
    resources = dict(adopted.resources)
    for address, resource in adopted.resources.items():
        changed = _referring(kinds, address, resource, named)
        if changed is not None and _same(kinds, changed, readings, known):
            resources[address] = changed
    return replace(adopted, resources=_untangled(kinds, resources, adopted.resources))


def _known(kinds: Kinds, readings: Survey, declared: Collection[Address]) -> tuple[Mapping[ServerValue, str], Values]:
    known: dict[ServerValue, str] = {}
    for address in sorted(declared):
        live = _live(readings, address)
        for name in ATTRIBUTES if live is not None and address.kind in kinds and not _QUOTES & set(str(address)) else ():
            text = live.attributes.get(name, "") if live is not None else ""
            if text:
                known[ServerValue(address, name)] = text
    named: dict[str, ServerValue] = {}
    for value, text in known.items():
        named.setdefault(text, value)
    return known, named


def _live(readings: Survey, address: Address) -> Live[Any] | None:
    reading = readings.get((address.kind, address.place))
    live = reading.live.get(address.name) if reading is not None else None
    if live is None and address.kind == NAMESPACE and "/" in address.name:
        parent, _, leaf = address.name.rpartition("/")
        return _live(readings, Address(NAMESPACE, leaf, Place(address.place.instance, parent)))
    return live


def _referring(kinds: Kinds, address: Address, resource: Resource[Any], named: Values) -> Resource[Any] | None:
    """The same declaration with references; None where there are none to write."""
    fields = minimal(resource.spec)
    found = {name: _written(value, named, address) for name, value in fields.items() if not isinstance(value, Secret)}
    if found == fields:
        return None
    try:
        return replace_spec(kinds[address.kind], resource, {**fields, **found}, resource.lifecycle)
    except ValidationError:
        return None


def _written(value: Any, named: Values, own: Address) -> Any:
    if isinstance(value, str):
        whole = named.get(value)
        if whole is not None and whole.address != own:
            return str(whole)
        return _EMBEDDED.sub(lambda match: _reference(match[0], named, own), value) if "{{" in value else value
    if isinstance(value, Mapping):
        return {key: _written(entry, named, own) for key, entry in value.items()}
    return [_written(entry, named, own) for entry in value] if isinstance(value, list) else value


def _reference(text: str, named: Values, own: Address) -> str:
    value = named.get(text)
    return str(value) if value is not None and value.address != own else text


def _same(kinds: Kinds, resource: Resource[Any], readings: Survey, known: Mapping[ServerValue, str]) -> bool:
    """Whether the references say what stands on the server now."""
    live = _live(readings, resource.address)
    filled = resource._replace(spec=fill_in(resource.spec, known))
    return live is not None and adopts(kinds[resource.address.kind], filled, live)


def _untangled(
    kinds: Kinds, resources: Mapping[Address, Resource[Any]], plain: Mapping[Address, Resource[Any]]
) -> Mapping[Address, Resource[Any]]:
    """Take back the references that make a circle: an OIDC key that allows the client which names the key."""
    resources = dict(resources)
    index = Index(resources)
    needs: Graph = {address: set(_needed(kinds, index, resource)) & resources.keys() for address, resource in resources.items()}
    while cycle := find_cycle(needs):
        # Some object of every circle has such a reference: those by name alone form none on a server.
        knot = next((address for address in cycle if resources[address] != plain[address]), None)
        if knot is None:
            return resources
        resources[knot] = plain[knot]
        needs[knot] = set(_needed(kinds, index, plain[knot])) & resources.keys()
    return resources


def _needed(kinds: Kinds, index: Index, resource: Resource[Any]) -> Iterable[Address]:
    address = resource.address
    for ref in kinds[address.kind].refs(address.name, resource.spec):
        found = index.find(address.place, ref)
        if found is not None and found != address and not ref.soft:
            yield found
    yield from (value.address for value in server_values(resource.spec))
