"""Who wrote what no outcome names, by the audit device of the server that holds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.completeness.assess import Completeness
from reconciler.completeness.match import Finding
from reconciler.core.errors import Usage
from reconciler.desired.environments import Environment
from reconciler.devicelog.reading import Read, device_files, responses
from reconciler.devicelog.runs import epoch
from reconciler.devicelog.tally import Tally
from reconciler.devicelog.visits import WRITES, visit_of
from reconciler.settings import Settings

from .devicelog import namespace_of

SECONDS = 2  # between a version and the answer that tells of it: one clock, but it is rounded


def writers(settings: Settings, environment: Environment, found: Completeness, devices: Sequence[str]) -> Mapping[Finding, list[str]]:
    """By finding: the subject and the address of the write that made it. More than one where a history was begun anew in between."""
    place = environment.stores.vault
    if place is None:
        raise Usage(f"environment {environment.name} declares no Vault store, whose audit device could tell who wrote")
    wanted: dict[tuple[str, str], list[Finding]] = {}
    for one in found.findings:
        if one.store == "vault" and one.made:
            wanted.setdefault((f"{place.mount.strip('/')}/data/{one.path}", one.version), []).append(one)
    tally = Tally(place.instance, namespace_of(settings, environment, place.instance))
    written: dict[Finding, dict[str, None]] = {}
    for entry in responses(device_files(devices), Read()):
        visit = visit_of(entry)
        if visit is None:
            continue
        if visit.login is not None:
            tally.add([visit])
        if visit.operation in WRITES and tally.relative(visit.namespace) == "":
            for one in wanted.get((visit.path, visit.version), ()):
                if abs(epoch(visit.time) - epoch(one.made)) <= SECONDS:
                    written.setdefault(one, {})[f"{tally.subject(visit)} from {visit.address}"] = None
    return {one: list(names) for one, names in written.items()}
