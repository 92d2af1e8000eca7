"""What a login needs for the objects that it manages, and what of it a change of its own policies would take away."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from reconciler.core.address import Address
from reconciler.core.kind import Kinds
from reconciler.core.order import NAMESPACE

from .compare import Policies
from .masks import granted
from .vault_acl import decide

_NEEDED = ("create", "read", "update", "delete", "sudo")
"""Of these a login needs what it has today. Lists it can do without: what it may not list it reads one by one."""


class Loss(NamedTuple):
    """A path on which a login would lose something that it needs."""

    path: str
    capabilities: tuple[str, ...]


def needed(kinds: Kinds, addresses: Iterable[Address], mounts: Collection[str]) -> Iterator[str]:
    """The API paths of objects, from their instance's own namespace."""
    for address in addresses:
        kind = kinds.get(address.kind)
        if kind is None or kind.backend != "vault":
            continue
        namespace, name = address.place.namespace, address.name
        if kind.name == NAMESPACE:  # made in its parent
            parent, _, name = name.rpartition("/")
            namespace = f"{namespace}/{parent}".strip("/")
        for template in kind.paths:
            path = _path(template, name, mounts)
            yield f"{namespace}/{path}" if namespace else path


def _path(template: str, name: str, mounts: Collection[str]) -> str:
    leaf = name
    if "{mount}" in template:
        mount = max((one for one in mounts if name.startswith(f"{one}/")), key=len, default=name.rpartition("/")[0] or name)
        template, leaf = template.replace("{mount}", mount), name.removeprefix(mount).lstrip("/")
    template = template.replace("{name}", name)
    if template in ("identity/entity/*", "identity/group/*"):
        template = template.replace("*", "name/*")
    return "/".join(leaf if part in ("+", "*") else part for part in template.split("/"))


def losses(before: Policies, after: Policies, paths: Iterable[str]) -> list[Loss]:
    """What of the paths' needs a login has with its policies before, and no longer after."""
    found = []
    for path in dict.fromkeys(paths):
        had, has = granted(decide(before, path).mask), granted(decide(after, path).mask)
        if "root" in has:
            continue
        lost = tuple(name for name in _NEEDED if (name in had or "root" in had) and name not in has)
        if lost:
            found.append(Loss(path, lost))
    return found
