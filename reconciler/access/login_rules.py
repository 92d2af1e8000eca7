"""What the plan's and the apply's logins may do: rules made from the API paths that the declared kinds name.

Nothing wider than the kinds that a commit declares, in the namespaces where it declares them. Two things follow:
whoever first declares a new kind or namespace bootstraps again, and a plan's login reads no secret value. Mounts are
`+`, so that a new mount needs no bootstrap; KV version 1, whose secrets lie at any path, is denied mount by mount.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from reconciler.core.address import Address
from reconciler.core.kind import AnyKind, Kinds
from reconciler.core.order import NAMESPACE
from reconciler.core.secret import Secret

READ = ("read", "list")
WRITE = ("create", "read", "update", "patch", "delete", "list")


class Rule(NamedTuple):
    """One path of a policy, and what it grants."""

    path: str
    capabilities: tuple[str, ...]


class Reach(NamedTuple):
    """What the logins of one Vault instance have to reach. Paths are relative to the instance's own namespace."""

    addresses: Collection[Address]  # everything declared on the instance
    secrets: Collection[Secret] = ()  # sources of write-only fields that this instance holds
    mounts: Collection[str] = ()  # live and declared mounts, to name those that hold a slash
    plaintext: Collection[str] = ()  # KV version 1 mounts
    ledger: str = ""  # the ledger's mount, if it is here
    prefix: str = ""  # from the login's namespace to the instance's own: "genesis/"
    scans: bool = False  # the server knows the capability `scan`
    looked_at: Collection[Rule] = ()  # what rotation and the stores need besides, to be looked at
    rotated: Collection[Rule] = ()  # and to be written


def plan_rules(kinds: Kinds, reach: Reach) -> list[Rule]:
    """A login that reads what can be planned, and no secret value."""
    rules = [*_reading(kinds, reach), *reach.looked_at, *(Rule(f"{mount}/*", ("deny",)) for mount in reach.plaintext)]
    if reach.ledger:
        rules += [Rule(f"{reach.ledger}/data/*", ("read",)), Rule(f"{reach.ledger}/metadata/*", READ)]
        rules += [Rule(f"{reach.ledger}/data/+/+/hmac", ("deny",))]  # the key that tells secrets apart is the apply's alone
        rules += [Rule(f"{reach.ledger}/data/+/+/audit/pepper", ("deny",))]  # so is the one that hides addresses in the audit log
    return _prefixed(rules, reach.prefix)


def apply_rules(kinds: Kinds, reach: Reach) -> list[Rule]:
    """A login that manages the declared kinds, reads the sources of secrets, and keeps the ledger."""
    able = (*WRITE, "scan") if reach.scans else WRITE
    rules = [Rule(path, (*able, "sudo") if _is_sudo(path) else able) for path in _paths(kinds, reach, writes=True)]
    rules += _reading(kinds, reach)
    rules += [Rule(one.location, ("create", "read", "update") if one.generate else ("read",)) for one in reach.secrets]
    rules += reach.rotated
    if reach.ledger:
        rules += [Rule(f"{reach.ledger}/{api}/*", WRITE) for api in ("data", "metadata")]
    # A child token carries the commit in its metadata. It is made where the login is, not where the objects are.
    return [*_prefixed(rules, reach.prefix), Rule("auth/token/create", ("update",))]


def _reading(kinds: Kinds, reach: Reach) -> Iterator[Rule]:
    able = (*READ, "scan") if reach.scans else READ
    for path in _paths(kinds, reach, writes=False):
        yield Rule(path, (*able, "sudo") if path.endswith("sys/audit") else able)
    for place in _places(kinds, reach):
        yield Rule(f"{place}sys/capabilities-self", ("update",))
    for one in reach.secrets:
        yield Rule(one.location.replace("/data/", "/metadata/", 1), ("read",))


def _prefixed(rules: Iterable[Rule], prefix: str) -> list[Rule]:
    return [rule._replace(path=f"{prefix}{rule.path}") for rule in rules]


def _is_sudo(path: str) -> bool:
    """The server asks for sudo below these, beside the capability itself."""
    return any(f"/{place}" in f"/{path}" for place in ("sys/auth/", "sys/audit"))


def _paths(kinds: Kinds, reach: Reach, *, writes: bool) -> list[str]:
    paths = set() if writes else {f"{place}{path}" for place in _places(kinds, reach) for path in ("sys/mounts", "sys/auth")}
    mounts = ["+", *(mount for mount in reach.mounts if "/" in mount)]  # "+" is one part of a path
    for place, kind, name in _needed(kinds, reach):
        for path in kind.paths if writes else (*kind.paths, *kind.looks):
            for mount in mounts if "{mount}" in path else ("",):
                paths.add(place + path.replace("{mount}", mount).replace("{name}", name))
    return sorted(paths)


def _places(kinds: Kinds, reach: Reach) -> list[str]:
    """Namespaces with something declared in them, as prefixes of paths."""
    return sorted({"", *(place for place, _, _ in _needed(kinds, reach))})


def _needed(kinds: Kinds, reach: Reach) -> Iterator[tuple[str, AnyKind, str]]:
    """(namespace as a prefix, kind, name) of what is declared."""
    for address in reach.addresses:
        kind = kinds.get(address.kind)
        if kind is not None and kind.backend == "vault":
            namespace = address.place.namespace
            if kind.name == NAMESPACE:  # it is made in its parent
                namespace = f"{namespace}/{address.name.rpartition('/')[0]}".strip("/")
            yield f"{namespace}/" if namespace else "", kind, address.name
