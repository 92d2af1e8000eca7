"""What looks like a mistake, or deserves a second look, in policies and in who holds them.

Each sort of finding becomes one note that names the places, so that a large repository has a few notes and not thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.core.address import Address, Place
from reconciler.core.order import ENGINE, NAMESPACE

from .book import Book
from .holders import POLICY, Holders, Specs
from .masks import granted
from .patterns import Family, family, witnesses
from .rules import Rule
from .vault_acl import Match, Policy

NAMED = 5  # places that a note names; the rest is counted
_BUILT_IN = ("sys", "identity", "cubbyhole", "auth/token")
_KV2_VIEWS = ("data", "metadata", "delete", "undelete", "destroy", "subkeys", "config", "detailed-metadata")
_EVERYTHING = ("*", "+/*", "+*", "+")

_TITLES = {
    "root": "who names the policy root gets no login from the server",
    "everything": "rules for every path there is",
    "sudo": "rules that grant sudo",
    "dead": "rules that never count",
    "shadows": "rules that take away what a wider one of the same policy grants (the most specific alone counts)",
    "unserved": "rules for paths that no mount serves",
    "unheld": "policies that no declared role, group or entity holds",
}


class Finding(NamedTuple):
    """One thing to look at. `rule` is the path of the rule that it is about, if it is about one."""

    sort: str
    address: Address
    rule: str = ""
    detail: str = ""


Mounts = Mapping[Place, Collection[str]]
"""Every mount of a place, auth methods as `auth/PATH`: only of places where all are known."""


def findings(specs: Specs, scope: Collection[Address], mounts: Mounts | None = None) -> Iterator[Finding]:
    """Look at the policies and subjects of `scope`, within a state."""
    book, holders = Book(specs), Holders(specs)
    policies = sorted(address for address in scope if address.kind == POLICY and address in specs)
    served = {place: _with_built_in(known, place, specs) for place, known in (mounts or {}).items()}
    engines = {
        address: spec.type == "kv" and spec.options.get("version") == "2" for address, spec in specs.items() if address.kind == ENGINE
    }
    for address in policies:
        rules = book.rules(address)
        yield from _rules(address, rules)
        if _may_overlap([rule["path"] for rule in rules]):
            yield from _against_others(address, book.policy(address))
        yield from _unserved(address, rules, engines, served.get(address.place))
    yield from _unheld(policies, holders)
    root = {Address(POLICY, "root", place) for place in {address.place for address in scope}}
    yield from (Finding("root", subject) for subject, _ in sorted(holders.naming(root)) if subject in scope)


def notes(found: Iterable[Finding], origin: Callable[[Address, str], str | None]) -> list[str]:
    """One note a sort, in the order of how much it matters."""
    by_sort: dict[str, list[Finding]] = {}
    for one in found:
        by_sort.setdefault(one.sort, []).append(one)
    said = []
    for sort, title in _TITLES.items():
        mine = by_sort.get(sort, [])
        named = "; ".join(_named(one, origin(one.address, one.rule)) for one in mine[:NAMED])
        more = f"; and {len(mine) - NAMED} more" if len(mine) > NAMED else ""
        said.extend([f"{title}: {named}{more}"] if mine else [])
    return said


def _named(one: Finding, origin: str | None) -> str:
    rule = f" {one.rule}" if one.rule else ""
    detail = f" {one.detail}" if one.detail else ""
    return f"{one.address}{rule}{detail}{f' ({origin})' if origin else ''}"


def _rules(address: Address, rules: Iterable[Rule]) -> Iterator[Finding]:
    for rule in rules:
        given = rule["capabilities"]
        # In a namespace below, `*` is what its administrators have: the namespace is the limit.
        if rule["path"] in _EVERYTHING and not address.place.namespace and given and "deny" not in given:
            yield Finding("everything", address, rule["path"], ", ".join(given))
        if "sudo" in given:
            yield Finding("sudo", address, rule["path"])


def _may_overlap(paths: list[str]) -> bool:
    """Whether one rule may cover what another does. Of most policies none does, and they are looked at no further."""
    starts = [path[:-1] for path in paths if path[-1:] == "*"]
    if any("+" in path for path in paths):
        return len(paths) > 1
    return any(path.startswith(start) and path != f"{start}*" for start in starts for path in paths)


def _against_others(address: Address, policy: Policy) -> Iterator[Finding]:
    families = {id(match): (family(pattern), match) for pattern, match in policy.matches()}
    for _, match in families.values() if len(families) > 1 else ():
        yield from _against(address, policy, families, match)


def _against(address: Address, policy: Policy, families: Mapping[int, tuple[Family, Match]], match: Match) -> Iterator[Finding]:
    """Compare a rule with the others of its policy that cover the same paths."""
    wild = any(one.wild for one, _ in families.values())
    depth = 1 + max(len(one.parts) for one, _ in families.values()) if wild else 0
    mine, _ = families[id(match)]
    asked = [path for path, one in witnesses(mine, depth, deeper=wild) if one == mine]
    decided = [policy.covering(path)[0] for path in asked]
    if all(one is not match for one in decided):
        yield Finding("dead", address, match.path, f"({decided[0].path} counts)")
        return
    for wider in policy.covering(asked[-1]):
        held, _ = families[id(wider)]
        lost = granted(wider.mask) - granted(match.mask)
        if wider is not match and granted(match.mask) and lost and all(map(held.covers, asked)):
            yield Finding("shadows", address, match.path, f"takes {', '.join(sorted(lost))} away from {wider.path}")
            return


def _with_built_in(mounts: Collection[str], place: Place, specs: Specs) -> frozenset[str]:
    """Mounts, the server's own places, and namespaces, whose paths a policy reaches too."""
    namespaces = {address.name for address in specs if address.kind == NAMESPACE and address.place == place}
    return frozenset({*mounts, *_BUILT_IN, *namespaces})


def _unserved(
    address: Address, rules: Iterable[Rule], engines: Mapping[Address, bool], served: Collection[str] | None
) -> Iterator[Finding]:
    for rule in rules if engines or served is not None else ():
        path = rule["path"]
        start, exact = (path.removesuffix("*"), path[-1:] != "*") if "+" not in path else (family(path).beginning, False)
        mount = _version_2(start, address.place, engines) if engines else ""
        below = start.removeprefix(f"{mount}/")
        view, slash, _ = below.partition("/")
        if mount and view and view not in _KV2_VIEWS and (slash or exact):
            yield Finding("unserved", address, path, f"({mount}/ is KV version 2: {mount}/data/{below})")
        elif served is not None and not _served(start, served, exact=exact):
            yield Finding("unserved", address, path)


def _version_2(start: str, place: Place, engines: Mapping[Address, bool]) -> str:
    """The declared KV v2 mount that a path lies below."""
    path = start.rpartition("/")[0]
    while path:
        engine = (ENGINE, path, place)
        if engine in engines:
            return path if engines[Address(*engine)] else ""
        path = path.rpartition("/")[0]
    return ""


def _served(start: str, mounts: Collection[str], *, exact: bool) -> bool:
    """Whether the fixed beginning of a path lies below a mount, or may yet."""
    path = start if exact else start.rpartition("/")[0]
    while path:
        if path in mounts:
            return True
        path = path.rpartition("/")[0]
    return not exact and any(f"{mount}/".startswith(start) for mount in mounts)


def _unheld(policies: Iterable[Address], holders: Holders) -> Iterator[Finding]:
    """Only where anybody is declared: else holders are managed elsewhere."""
    policies = list(policies)
    held = {policy for _, policy in holders.naming(policies)} if policies else set()
    peopled = {subject.place for subject in holders.subjects()} if len(held) < len(policies) else set()
    for policy in policies:
        if policy not in held and policy.place in peopled:
            yield Finding("unheld", policy)
