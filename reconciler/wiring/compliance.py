"""Gathers what the compliance checks look at, from everything that can be reached, and runs them.

What cannot be reached is a part of the evidence that is not there, with the reason: never an error, and never a pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from reconciler.compliance.assess import assess
from reconciler.compliance.evidence import Evidence, Part
from reconciler.compliance.result import Report
from reconciler.compliance.seen import Drift, Known
from reconciler.core.complying import strict_for
from reconciler.core.errors import ReconcilerError
from reconciler.desired.git import Repository
from reconciler.engine.survey import silent

from . import opened_for_drift
from .compliance_desired import offline_evidence
from .compliance_reach import Reach, first_line, joined
from .compliance_reads import reads_of
from .compliance_records import (
    commits_of,
    drift_and_inventory,
    known_secrets,
    log_of,
    log_place,
    read_log,
    runs_of,
    standings_of,
    stock_of,
    tallied_of,
    verified_of,
)
from .compliance_servers import (
    access_of_all,
    at_root,
    authorities_of,
    clock_of,
    connection_of,
    endpoint_certificate,
    keys_of,
    shares_of,
    sinks_of,
)
from .connect import connected
from .session import now

if TYPE_CHECKING:
    from reconciler.backends.vault.client import VaultClient
    from reconciler.settings import Settings

T = TypeVar("T")


def report(settings: Settings, devices: Sequence[str] = (), frameworks: Iterable[str] = ()) -> Report:
    """What every check says of an environment, as HEAD declares it. `frameworks`: whose bounds hold, beside those that it declares."""
    evidence = gather(settings, devices)
    return assess(replace(evidence, thresholds=strict_for(evidence.thresholds, frameworks)))


def gather(settings: Settings, devices: Sequence[str] = ()) -> Evidence:
    """All evidence there is of HEAD's environment. Writes nothing but how far the audit log was verified.

    `devices`: files of a Vault's audit device, or patterns of such.
    """
    from reconciler.desired.load import load
    from reconciler.kinds import KINDS

    repository = Repository(settings.repo)
    tree = repository.read(repository.resolve("HEAD"))
    desired = load(tree, settings.environment or None, KINDS)
    evidence = offline_evidence(tree, desired, now(), settings.environ)
    with connected(settings, desired.environment, "plan", tree.commit, silent) as parts:
        reach = Reach(settings, desired, parts)
        evidence = _with_records(_with_servers(evidence, reach), reach, devices)
        unreached = reach.missing(reach.vaults)
    drift, inventory = _compared(settings, unreached)
    return replace(evidence, drift=drift, inventory=joined([inventory, evidence.inventory]))


def _with_servers(evidence: Evidence, reach: Reach) -> Evidence:
    """What the servers tell of themselves."""
    settings, environment, clients = reach.settings, reach.environment, reach.clients

    def rooted(read: Callable[[VaultClient, str], T], instance: str) -> list[T]:
        with at_root(settings, environment, clients, instance) as root:
            return [read(root, instance)]

    sinks = reach.each(partial(rooted, sinks_of))
    shown = reach.each(lambda name: endpoint_certificate(connection_of(settings, environment, name), name))
    up = [("vault", name) for name in reach.vaults if name not in reach.down]
    access = access_of_all(reach.parts.world, [*up, *(("aws", name) for name in reach.accounts)])
    return replace(
        evidence,
        sinks=sinks,
        clocks=reach.each(partial(rooted, lambda root, name: clock_of(root, name, time.time()))),
        shares=reach.each(partial(rooted, shares_of)),
        keys=reach.each(lambda name: keys_of(clients, reach.desired, name)),
        certificates=joined([shown, reach.each(lambda name: authorities_of(clients, reach.desired, name))]),
        access=replace(access, unread=(*access.unread, *reach.down.values())),
        places=log_place(reach.desired, sinks),
    )


def _with_records(evidence: Evidence, reach: Reach, devices: Sequence[str]) -> Evidence:
    """What was recorded of what was done."""
    stores = reach.environment.stores.declared
    stock = joined(stock_of(reach, name) for name in stores)
    log, logged = read_log(reach), reach.ledger if reach.environment.audit.ship else ()
    read = reach.part(logged, lambda: log_of(log, evidence), "audit log")
    return replace(
        evidence,
        stock=stock,
        inventory=known_secrets(reach.desired, stock),
        standings=standings_of(reach, evidence.commit),
        rows=Part(tuple(row for _, rows in read.found for row in rows), read.unread),
        entries=next((count for count, _ in read.found), evidence.entries),
        verified=reach.part(logged, lambda: verified_of(log), "audit log"),
        tallied=tallied_of(reach, (*logged, *reach.stored(*stores))),
        commits=commits_of(reach, runs_of(reach)),
        reads=reads_of(reach, log, devices),
    )


def _compared(settings: Settings, unreached: tuple[str, ...]) -> tuple[Part[Drift], Part[Known]]:
    if unreached:
        return Part((), unreached), Part((), unreached)
    try:
        with opened_for_drift(settings) as session:
            return drift_and_inventory(session)
    except ReconcilerError as error:
        return Part((), (first_line(error),)), Part((), (first_line(error),))


__all__ = ["gather", "report"]
