"""Places and addresses: the key of every managed object."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import NamedTuple


class Place(NamedTuple):
    """An instance (one named Vault or AWS account) and a namespace in it, relative to the instance's own."""

    instance: str = "primary"
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.instance}/{self.namespace}" if self.namespace else self.instance


HOME = Place()


@lru_cache(maxsize=4096)
def place_of(instance: str, namespace: str) -> Place:
    """The one `Place` of this name: a hundred thousand objects lie in a few places."""
    return Place(instance, namespace)


class Address(NamedTuple):
    """Kind, name and place. Its text is `KIND/NAME`, then `@INSTANCE` or `@INSTANCE/NAMESPACE` away from home."""

    kind: str
    name: str
    place: Place = HOME

    def __str__(self) -> str:
        # Names may hold "@" (identity entities are often mail addresses); the place marker must stay unambiguous.
        name = self.name.replace("%", "%25").replace("@", "%40") if "%" in self.name or "@" in self.name else self.name
        return f"{self.kind}/{name}" if self.place == HOME else f"{self.kind}/{name}@{self.place}"


def parse_address(text: str) -> Address:
    """Read the text form of an address. Raises ValueError with what is wrong."""
    body, at, where = text.partition("@")
    kind, slash, name = body.partition("/")
    if not slash or not kind or not name:
        raise ValueError(f"{text!r} is not an address (expected KIND/NAME or KIND/NAME@INSTANCE[/NAMESPACE])")
    instance, _, namespace = where.partition("/")
    if at and not instance:
        raise ValueError(f"{text!r} names no instance after '@' (expected KIND/NAME@INSTANCE[/NAMESPACE])")
    place = place_of(instance, namespace.strip("/")) if at else HOME
    # One text for all objects of a kind, of which a ledger holds a hundred thousand.
    return Address(sys.intern(kind), name.replace("%40", "@").replace("%25", "%"), place)
