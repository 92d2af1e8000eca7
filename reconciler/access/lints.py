"""What looks like a mistake, or deserves a second look, in policies and in who holds them.

Each sort of finding becomes one note that names the places, so that a large repository has a few notes and not thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from reconciler.core.address import Address, Place
from reconciler.core.order import ENGINE

from .book import Book
from .holders import POLICY, SUBJECTS, Holders, Specs
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
    for address in policies:
        yield from _rules(address, book.rules(address), book.policy(address))
        yield from _unserved(address, book.rules(address), specs, (mounts or {}).get(address.place))
    yield from _unheld(policies, holders)
    for subject in sorted(address for address in scope if address.kind in SUBJECTS and address in specs):
        if any(policy.name == "root" for policy in holders.direct(subject)):
            yield Finding("root", subject)


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


def _rules(address: Address, rules: Iterable[Rule], policy: Policy) -> Iterator[Finding]:
    for rule in rules:
        given = rule["capabilities"]
        # In a namespace below, `*` is what its administrators have: the namespace is the limit.
        if rule["path"] in _EVERYTHING and not address.place.namespace and given and "deny" not in given:
            yield Finding("everything", address, rule["path"], ", ".join(given))
        if "sudo" in given:
            yield Finding("sudo", address, rule["path"])
    families = {id(match): (family(pattern), match) for pattern, match in policy.matches()}
    for _, match in families.values() if len(families) > 1 else ():
        yield from _against_others(address, policy, families, match)


def _against_others(address: Address, policy: Policy, families: Mapping[int, tuple[Family, Match]], match: Match) -> Iterator[Finding]:
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


def _unserved(address: Address, rules: Iterable[Rule], specs: Specs, mounts: Collection[str] | None) -> Iterator[Finding]:
    namespaces = {one.name for one in specs if one.kind == "vault.namespace" and one.place == address.place}
    for rule in rules:
        whole = family(rule["path"])
        start = whole.beginning
        mount = _engine(start, address.place, specs)
        view = start.removeprefix(f"{mount}/").partition("/")
        if mount and view[0] and view[0] not in _KV2_VIEWS and (view[1] or whole.exact):
            yield Finding("unserved", address, rule["path"], f"({mount}/ is KV version 2: {mount}/data/{start.removeprefix(f'{mount}/')})")
        elif mounts is not None and not _served(start, whole, {*mounts, *_BUILT_IN, *namespaces}):
            yield Finding("unserved", address, rule["path"])


def _engine(start: str, place: Place, specs: Specs) -> str:
    """The declared KV v2 mount that a path lies below."""
    path = start.rpartition("/")[0]
    while path:
        spec = specs.get(Address(ENGINE, path, place))
        if spec is not None:
            return path if spec.type == "kv" and spec.options.get("version") == "2" else ""
        path = path.rpartition("/")[0]
    return ""


def _served(start: str, whole: Family, mounts: Collection[str]) -> bool:
    """Whether the fixed beginning of a path lies below a mount, or may yet."""
    if whole.exact:
        return any(f"{start}/".startswith(f"{mount}/") for mount in mounts)
    return any(start.startswith(f"{mount}/") or f"{mount}/".startswith(start) for mount in mounts)


def _unheld(policies: Iterable[Address], holders: Holders) -> Iterator[Finding]:
    """Only where anybody is declared: else holders are managed elsewhere."""
    policies = list(policies)
    held = {policy for subject in holders.subjects() for policy in holders.direct(subject)} if policies else set()
    peopled = {subject.place for subject in holders.subjects()}
    for policy in policies:
        if policy not in held and policy.place in peopled:
            yield Finding("unheld", policy)
