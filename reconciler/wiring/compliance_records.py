"""Evidence of what was done: the audit log, runs and their commits, rotations, versions in stores, drift."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from reconciler.audit.redaction import Masks
from reconciler.audit.search import Row, Wanted, walk
from reconciler.compliance.evidence import Evidence, Part, absent
from reconciler.compliance.record import matters
from reconciler.compliance.seen import Commit, Drift, Kept, Known, LogPlace, Read, Sinks, Stock, Strayed, Tallied, Verified
from reconciler.core.address import Address, Place
from reconciler.core.change import Action, Change
from reconciler.core.errors import ReconcilerError
from reconciler.core.kind import Live, Reading
from reconciler.core.plan import Plan
from reconciler.core.resource import Spec
from reconciler.core.run import RunRecord
from reconciler.core.standing import Standing
from reconciler.desired.commits import MOST, applied_between, known, provenance
from reconciler.desired.git import Repository
from reconciler.engine.inventory import Inventory
from reconciler.engine.plan import make_plan
from reconciler.engine.scope import within_reach
from reconciler.rotation.state import FOLDER

from .auditing import book_of, recording
from .compliance_homes import homes, unspoken
from .compliance_reach import Reach, first_line
from .evidence import Opened
from .rotation import rotation_of
from .stores import store_of
from .territories import ground, ours

if TYPE_CHECKING:
    from reconciler.desired.load import Desired

    from .session import Session

LOOKED_BACK = datetime.timedelta(days=400)
"""How far back the audit log is read at least."""
RUNS = 50
"""Applies whose commits are looked at."""
OURS = FOLDER
"""What paths begin with that lie beside secrets: the state of rotations. Anything else is somebody's secret."""


def drift_and_inventory(session: Session) -> tuple[Part[Drift], Part[Known]]:
    """Live against the last applied commit, both ways. One plan tells both."""
    state = within_reach(session.world.clients, session.world.kinds, session.world.ledger.load()[0])
    plan = make_plan(session.world, session.wish, state).plan
    unread = tuple(f"{one.kind} in {one.place}: lacks {one.missing}" for one in plan.unknown)
    strayed = tuple(_strayed(session, change) for change in plan.changes if change.action is not Action.ADOPT)
    drift = Drift(len(plan.changes) + plan.unchanged, strayed)
    return Part((drift,), unread), Part(tuple(_known(session, plan)), unread)


def _strayed(session: Session, change: Change[Any]) -> Strayed:
    paths = tuple(dict.fromkeys(field.path.split("/")[1] for field in change.fields() if "/" in field.path))
    resource = session.wish.resources.get(change.address)
    return Strayed(str(change.address), change.action.value, paths, resource.origin if resource else None)


def _known(session: Session, plan: Plan) -> Iterator[Known]:
    gone = {change.address for change in plan.changes if change.before is None}
    for address, resource in session.wish.resources.items():
        kind = session.world.kinds.get(address.kind)
        if kind is not None and not kind.declared:
            yield Known(str(address), declared=True, there=address not in gone, origin=resource.origin)
    told = _ours(session, plan) | homes(session.clients.environment, session.wish.resources)
    for address in sorted(set(plan.unmanaged) - told):
        yield Known(str(address), declared=False, there=True)


def _ours(session: Session, plan: Plan) -> frozenset[Address]:
    """What `bootstrap` made for the reconciler itself: it is declared by the environment's file."""
    environment, kinds = session.clients.environment, session.world.kinds
    readings: dict[tuple[str, Place], dict[str, Live[Any]]] = {}
    for address in (*session.wish.resources, *plan.unmanaged):
        readings.setdefault((address.kind, address.place), {})[address.name] = Live(Spec())
    seen = Inventory({key: Reading(live) for key, live in readings.items() if key[0] in kinds})
    return ours(environment, kinds, ground(session.settings, environment, session.clients), seen).taken


def standings_of(reach: Reach, commit: str) -> Part[Standing]:
    """How every declared secret stands. Those that could not be asked are said to be unread."""
    stores = reach.stored(*reach.environment.stores.declared)
    found = reach.part(stores, lambda: _standings(reach, commit), "rotation")
    unread = tuple(f"{one.path}: {one.reason}" for one in found.found if one.phase == "UNKNOWN")
    rest = tuple(one for one in found.found if one.phase != "UNKNOWN")
    return Part(rest, (*found.unread, *_and_more(unread)))


def _standings(reach: Reach, commit: str) -> Iterator[Standing]:
    from reconciler.rotation.status import standings

    if not any(address.kind == "secret" for address in reach.desired.resources):
        return
    masks = Masks()
    # Nothing is recorded: a recorder without events opens nothing.
    with recording(reach.settings, reach.clients, "compliance", commit=commit, rid=reach.parts.run, masks=masks) as recorder:
        yield from standings(rotation_of(reach.settings, reach.desired, reach.parts, commit, recorder, masks).jobs)


def stock_of(reach: Reach, name: str) -> Part[Stock]:
    """The versions of everything in one store."""
    from reconciler.completeness.holdings import holdings

    found = reach.part(
        reach.stored(name), lambda: holdings(store_of(reach.settings, reach.environment, reach.clients, name)), f"store {name}"
    )
    unread = tuple(f"store {name}: {f'{one.path}: ' if one.path else ''}{one.unread}" for one in found.found if one.unread)
    stock = tuple(
        Stock(one.store, one.path, tuple(Kept(version.id, _moment(version.made), version.readable) for version in one.versions))
        for one in found.found
        if one.versions and not one.path.startswith(OURS)
    )
    return Part(stock, (*found.unread, *_and_more(unread)))


def _and_more(sentences: tuple[str, ...]) -> tuple[str, ...]:
    """The first of many that say the same of others."""
    return (f"{sentences[0]} (and {len(sentences) - 1:,} more)",) if len(sentences) > 1 else sentences


def _moment(text: str) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def known_secrets(desired: Desired, stock: Part[Stock]) -> Part[Known]:
    """Which secrets are declared, and which have a value in a store. Of what was not found in stores that were not read whole: nothing."""
    declared = {address.name: one.origin for address, one in desired.resources.items() if address.kind == "secret"}
    found = [(one.store, one.path) for one in stock.found if any(kept.readable for kept in one.versions[:1])]
    there, strange = {path for _, path in found}, unspoken(desired.environment, desired.resources, found) - declared.keys()
    paths = sorted(there if stock.unread else there | declared.keys())
    return Part(
        tuple(Known(str(Address("secret", path)), path not in strange, path in there, declared.get(path)) for path in paths), stock.unread
    )


def read_log(reach: Reach) -> Opened:
    """The audit log. Nothing is read yet."""
    book = book_of(reach.settings, reach.environment, reach.clients, writing=False)
    return Opened(reach.settings, reach.environment, reach.clients, book)


def log_of(log: Opened, evidence: Evidence) -> Iterator[tuple[Read, tuple[Row, ...]]]:
    """How much of it was looked at, and what matters of that."""
    bounds = evidence.thresholds
    ages = (bounds.backup_age, bounds.drill_age, bounds.alert_age, bounds.emergency_age)
    begin = evidence.at - max(LOOKED_BACK, datetime.timedelta(seconds=max(ages)))
    count, first, last, kept = 0, "", "", list[Row]()
    for row in walk(log.book, Wanted(since=begin.strftime("%Y-%m-%d"))):
        count, first, last = count + 1, min(first or row.ts, row.ts), max(last, row.ts)
        if matters(row):
            kept.append(row)
    yield Read(count, first, last), tuple(sorted(kept, key=lambda row: (row.ts, row.entry)))


def verified_of(log: Opened) -> Iterator[Verified]:
    """Whether it verifies."""
    verdict = log.verified()
    yield Verified(verdict.size, tuple(str(one).lstrip(": ") for one in verdict.findings), verdict.newest)


def tallied_of(reach: Reach, instances: tuple[str, ...]) -> Part[Tallied]:
    """Whether every version has its outcome, and every outcome its version."""
    from .completeness import completeness_of

    seen = reach.part(instances, lambda: [completeness_of(reach.settings, reach.environment, reach.clients)], "completeness")
    tallied: list[Tallied] = []
    unread = list(seen.unread)
    for one in seen.found:
        problems = tuple((f"secret/{found.path}", f"{found.sort}: {found.message}") for found in one.findings)
        unread += _and_more(tuple(f"store {held.store}: {held.path}: {held.unread}" for held in one.unread))
        accounts = one.accounts.values()
        # What is older than the log's lines was counted, and not judged.
        judged = sum(account.versions - account.before - account.archived - account.undated for account in accounts)
        tallied.append(Tallied(judged, problems))
        if not one.begin:
            unread.append("the audit log is empty")
        elif not judged and any(account.versions for account in accounts):
            unread.append("no version in a store is known to be as young as the lines of the audit log")
    return Part(tuple(tallied), tuple(unread))


def log_place(desired: Desired, sinks: Part[Sinks]) -> Part[LogPlace]:
    """Where the audit log lies, and whether somebody records who reads it there."""
    environment = desired.environment
    address, place = f"audit/{environment.name}", environment.ledger
    if environment.audit.ship != "ledger":
        return Part((LogPlace(address, f"the folder {environment.audit.path}", recorded=False),))
    if place.s3:
        return absent(f"whether reads of the bucket {place.s3} are recorded cannot be seen from here")
    if place.file:
        return Part((LogPlace(address, f"the folder {place.file}", recorded=False),))
    mine = next((one for one in sinks.found if one.instance == place.vault), None)
    if mine is None:
        return Part((), sinks.unread or (f"the audit devices of {place.vault} are not known",))
    return Part((LogPlace(address, f"vault {place.vault}, mount {place.mount}", recorded=bool(mine.devices)),))


def runs_of(reach: Reach) -> Part[RunRecord]:
    """The latest runs."""
    return reach.part(reach.ledger, lambda: islice(reach.parts.world.ledger.runs(), RUNS), "ledger")


def commits_of(reach: Reach, runs: Part[RunRecord]) -> Part[Commit]:
    """Every commit that the latest applies brought."""
    try:
        found, gone, more = _commits(Repository(reach.settings.repo), runs.found)
    except ReconcilerError as error:
        return Part((), (*runs.unread, first_line(error)))
    lacking = tuple(f"commit {commit[:12]} was applied, and is not in this clone" for commit in gone)
    unseen = (f"of the commits that were applied, only the latest {len(found):,} were looked at",) if more else ()
    return Part(found, (*runs.unread, *_and_more(lacking), *unseen))


def _commits(repository: Repository, runs: Iterable[RunRecord]) -> tuple[tuple[Commit, ...], list[str], bool]:
    """Those that this clone has, the others, and whether there are more than are looked at."""
    applied = [run for run in runs if run.sort == "apply" and run.commit]
    here, gone = known(repository, (commit for run in applied for commit in (run.commit, run.previous) if commit))
    there = set(here)
    wanted: dict[str, None] = {}
    for run in applied:
        if run.commit in there:
            wanted.update(dict.fromkeys(applied_between(repository, run.previous if run.previous in there else "", run.commit)))
    latest = list(wanted)[:MOST]  # their runs come first
    return tuple(Commit(*one) for one in provenance(repository, latest)), gone, len(wanted) > MOST


__all__ = [
    "commits_of",
    "drift_and_inventory",
    "known_secrets",
    "log_of",
    "log_place",
    "read_log",
    "runs_of",
    "standings_of",
    "stock_of",
    "tallied_of",
    "verified_of",
]
