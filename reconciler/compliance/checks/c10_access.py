"""C10: nobody may read everything, nobody has root, and sudo is nobody's by habit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.access.book import Book
from reconciler.access.holders import POLICY, Holders
from reconciler.access.rules import Rule
from reconciler.core.address import Address
from reconciler.core.resource import Origin

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity

_EVERYTHING = ("*", "+/*", "+*", "+")
_IAM_POLICY, _IAM_ROLE = "aws.iam_policy", "aws.iam_role"
_ALL_ACTIONS = ("*", "*:*")
_ADMINISTRATOR = ":iam::aws:policy/AdministratorAccess"  # in any partition


def _assess(evidence: Evidence) -> Assessment:
    desired = {address: one.spec for address, one in evidence.resources.items()}
    # What git says and what the servers say: of an address that both know, the living one counts as well.
    states = [desired, dict(evidence.access.found)]
    flaws = [one for state in states for one in _flaws(state, evidence)]
    said = [(str(address), _rules(address, spec)) for state in states for address, spec in state.items() if _counts(address)]
    return judged([*said, *((one.address, one.message) for one in flaws)], flaws, evidence.access, population=len(said))


def _counts(address: Address) -> bool:
    return address.kind in (POLICY, _IAM_POLICY, _IAM_ROLE)


def _rules(address: Address, spec: Any) -> Any:
    if address.kind == POLICY:
        return spec.rules
    return spec.document if address.kind == _IAM_POLICY else [spec.inline_policies, spec.managed_policies]


def _flaws(state: Mapping[Address, Any], evidence: Evidence) -> Iterator[Finding]:
    def origin(address: Address) -> Origin | None:
        found = evidence.resources.get(address)
        return found.origin if found else None

    book = Book(state)
    places = set()
    for address in state:
        places.add(address.place)
        if address.kind == POLICY:
            for rule in book.rules(address):
                yield from _rule(address, rule["path"], rule["capabilities"], origin(address))
                yield from _whole_store(evidence, address, rule, origin(address))
        elif _counts(address):
            yield from _statements(address, state[address], origin(address))
    for subject, _ in Holders(state).naming({Address(POLICY, "root", place) for place in places}):
        yield flaw(str(subject), "names the policy root", origin(subject), "name what it needs instead")


def _rule(address: Address, path: str, given: tuple[str, ...], origin: Origin | None) -> Iterator[Finding]:
    if not given or "deny" in given:
        return
    # In a namespace below, `*` is what its administrators have: the namespace is the limit.
    if path.removeprefix("/") in _EVERYTHING and not address.place.namespace:
        yield flaw(str(address), f"grants {', '.join(given)} on every path ({path})", origin, "name the paths")
    if "sudo" in given:
        yield flaw(str(address), f"grants sudo on {path}", origin, "take sudo away, or except it with a date")


def _whole_store(evidence: Evidence, address: Address, rule: Rule, origin: Origin | None) -> Iterator[Finding]:
    """A store has secrets of many owners: who reads all of them is somebody to know of."""
    if address.place.namespace or "read" not in rule["capabilities"]:
        return
    for instance, mount in evidence.mounts:
        if instance == address.place.instance and _is_over(rule["path"].removeprefix("/"), f"{mount}/data/"):
            yield flaw(
                str(address), f"reads every secret of the store ({rule['path']})", origin, "name the paths, or except it with a date"
            )


def _is_over(path: str, folder: str) -> bool:
    """Whether a rule is for everything in a folder, and is not told to be for every path already."""
    if path in _EVERYTHING or not path.endswith("*"):
        return False
    *before, last = path[:-1].split("/")
    names = folder.split("/")
    if len(before) >= len(names) or any(part not in ("+", name) for part, name in zip(before, names, strict=False)):
        return False
    return last == "+" or names[len(before)].startswith(last)


def _statements(address: Address, spec: Any, origin: Origin | None) -> Iterator[Finding]:
    documents = [spec.document] if address.kind == _IAM_POLICY else list(spec.inline_policies.values())
    for document in documents:
        for statement in _listed(document.get("Statement")):
            # What is left out of everything is still nearly everything.
            every = "NotAction" in statement or any(one in _ALL_ACTIONS for one in _listed(statement.get("Action")))
            broad = every and "*" in _listed(statement.get("Resource"))
            if statement.get("Effect") == "Allow" and broad and not statement.get("Condition"):
                but = " but those that it names" if "NotAction" in statement else ""
                yield flaw(str(address), f"allows every action{but} on every resource", origin, "name actions and resources")
    if address.kind == _IAM_ROLE and any(arn.endswith(_ADMINISTRATOR) for arn in spec.managed_policies):
        yield flaw(str(address), "has AWS's own policy AdministratorAccess", origin, "attach a policy that names actions and resources")


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


C10 = Check("C10", "Who can read: wildcards, sudo, root", Severity.HIGH, "grant what is needed, by name", offline=True, assess=_assess)
