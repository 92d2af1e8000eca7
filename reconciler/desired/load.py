"""The way from a tree to desired state: parse, evaluate, instantiate, patch, validate; then look at the whole.

Every problem is gathered, so that one run shows all of them.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.core.address import Address
from reconciler.core.errors import Invalid, Problem
from reconciler.core.guard import Approval
from reconciler.core.kind import Beside, Kinds, Ref
from reconciler.core.resource import Resource, Spec

from .documents import Exempt, problem
from .environments import Environment, choose_environment
from .ground import read_ground
from .reading import Reading
from .references import check_references
from .scan import CHECK, REMEDY
from .tree import Tree
from .wording import Fault, shown_path, suggestion

_MANY = 1000  # so many names are not compared to find the nearest


@dataclass(frozen=True, slots=True)
class Desired:
    """What a commit declares for one environment."""

    environment: Environment
    resources: Mapping[Address, Resource[Any]]
    approvals: tuple[Approval, ...] = ()
    exceptions: tuple[Exempt, ...] = ()
    templates: tuple[str, ...] = ()
    dangling: tuple[tuple[Address, Ref], ...] = ()
    """References to nothing that is declared: whether it exists is for the server to say."""
    unresolved: tuple[str, ...] = ()
    """The same in words, for when no server is asked."""
    notes: tuple[str, ...] = ()
    expressive: frozenset[Address] = frozenset()
    """Addresses whose documents hold expressions: only they can name values that the server alone knows."""


def load(
    tree: Tree,
    environment_name: str | None,
    kinds: Kinds,
    *,
    trusted: Tree | None = None,
    today: datetime.date | None = None,
    looking_back: bool = False,
) -> Desired:
    """Read the desired state of one environment. Raises Invalid with every problem, Usage for a wrong environment name.

    `trusted`: the tree that instances, logins, ledger and guards are taken from, where `tree` is a pull request's or an old one.
    `looking_back`: what an old one declares on instances that are gone is left out, and noted.
    """
    problems: list[Problem] = []
    ground = read_ground(tree, choose_environment(tree, environment_name), kinds, trusted, problems)
    reading = Reading(ground, problems, looking_back=looking_back)
    reading.scan(ground.document, f"environment/{ground.environment.name}")
    for name, template in ground.templates.items():
        if template:
            reading.scan(template.defaults, f"template/{name}")
    for path in tree.documents():
        reading.file(path)
    return _whole(reading, today or datetime.datetime.now(datetime.UTC).date())


def _whole(reading: Reading, today: datetime.date) -> Desired:
    """Look at what only the whole can tell: references, overlays of nothing, credentials that nobody excepted."""
    references = check_references(reading.resources, reading.ground.kinds, reading.expressive)
    wrong = [*reading.problems, *_credentials(reading, today)]
    # Where documents failed, what they declare is missing, and more messages would only mislead.
    if not reading.problems:
        wrong += [*references.problems, *_unused(reading), *_misfits(reading)]
    if wrong:
        raise Invalid(sorted(dict.fromkeys(wrong), key=_position))
    lifts: list[Approval | Exempt] = [*reading.approvals, *reading.exceptions]
    return Desired(
        reading.ground.environment,
        reading.resources,
        tuple(reading.approvals),
        tuple(reading.exceptions),
        tuple(sorted(reading.templates)),
        references.dangling,
        references.notes,
        (*reading.notes, *_left_out(reading), *reading.ground.tree.unread(), *_expired(lifts, today)),
        frozenset(reading.expressive),
    )


def _unused(reading: Reading) -> Iterator[Problem]:
    """Overlays of documents that are not declared here."""
    declared = [str(address) for address in reading.resources] if len(reading.resources) <= _MANY else []
    for address, patches in reading.ground.patches.items():
        for patch in patches if address not in reading.patched else ():
            what = f"patches nothing that is declared in environment {reading.ground.environment.name}"
            yield problem(patch.document, str(address), Fault(("address",), what, suggestion(str(address), declared)))


def _misfits(reading: Reading) -> Iterator[Problem]:
    """What is right by itself, and wrong beside another object."""
    resources = reading.resources

    def find(kind: str, name: str) -> Spec | None:
        found = resources.get(Address(kind, name))
        return found.spec if found else None

    environment = reading.ground.environment
    beside = Beside(find, environment.stores, environment.rotation.default_interval_days, environment.compliance)
    for address, resource in resources.items():
        kind = reading.ground.kinds[address.kind]
        for sentence in (*kind.fits(address.name, resource.spec, find), *kind.suits(address.name, resource.spec, beside)):
            yield Problem(str(resource.origin), str(address), sentence)
    yield from _claimed_twice(reading)


def _claimed_twice(reading: Reading) -> Iterator[Problem]:
    holders: dict[str, Address] = {}
    for address, resource in reading.resources.items():
        for claim in reading.ground.kinds[address.kind].claims(address.name, resource.spec):
            holder = holders.setdefault(claim, address)
            if holder != address:
                yield Problem(str(resource.origin), str(address), f"{claim} is {holder}'s already", "only one can have it")


def _credentials(reading: Reading, today: datetime.date) -> Iterator[Problem]:
    said = {(wrong.where, wrong.address) for wrong in reading.problems}  # the model may have refused it already
    for document, address, finding in reading.findings:
        if not any(exempt.covers(CHECK, address, today) for exempt in reading.exceptions):
            what = f"`{shown_path(finding.path)}` holds {finding.sort} in plain text"
            found = problem(document, address, Fault(finding.path, what, REMEDY))
            if (found.where, address) not in said:
                yield found


def _left_out(reading: Reading) -> Iterator[str]:
    for instance, count in sorted(reading.left_out.items()):
        objects = "1 object is" if count == 1 else f"{count:,} objects are"
        yield f"{objects} not compared: environment {reading.ground.environment.name} no longer has {instance}"


def _expired(lifts: Iterable[Approval | Exempt], today: datetime.date) -> Iterator[str]:
    for lift in lifts:
        if lift.expires < today:
            sort = "approval" if isinstance(lift, Approval) else "exception"
            yield f"{sort} {lift.name} expired on {lift.expires} and lifts nothing (remove it)"


def _position(wrong: Problem) -> tuple[str, int, str]:
    """Sort problems as they stand in the files."""
    file, _, line = wrong.where.partition(" with ")[0].rpartition(":")
    return (file or wrong.where, int(line) if line.isdigit() else 0, wrong.what)
