"""Evidence from a server's own audit log: when secrets were last read, and not by us."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence

from reconciler.compliance.evidence import Part, absent
from reconciler.compliance.seen import Reads
from reconciler.core.errors import ReconcilerError
from reconciler.core.stores import VaultPlace
from reconciler.devicelog.reading import Read, device_files, responses
from reconciler.devicelog.tally import Tally
from reconciler.devicelog.visits import visit_of

from .compliance_reach import Reach, first_line
from .compliance_records import OURS
from .devicelog import tally_for
from .evidence import Opened


def reads_of(reach: Reach, log: Opened, devices: Sequence[str]) -> Part[Reads]:
    """When the secrets of the store in a Vault were last read. `devices`: files of its audit device, or patterns of such."""
    place = reach.environment.stores.vault
    if place is None:
        return absent("no store is in a Vault, whose audit log would tell who reads")
    if not devices:
        return absent("no audit log of a server was given (--device FILE)")
    try:
        tally = tally_for(log, place.instance, "")
        tally.add(visit for entry in responses(device_files(devices), Read()) if (visit := visit_of(entry)))
    except ReconcilerError as error:
        return absent(first_line(error))
    if not tally.begun:
        return absent(f"the audit log of vault {place.instance} that was given has no request in it")
    return Part((Reads("vault", _moment(tally.begun), _last_reads(tally, place)),), tuple(_unsure(tally)))


def _unsure(tally: Tally) -> Iterator[str]:
    if tally.uncounted:
        yield f"{tally.uncounted:,} requests in the server's audit log were too many to be told apart"
    if tally.ours.unknown:
        why = tally.ours.unknown.partition("\n")[0]
        yield f"which reads were our own is not known: {why}"


def _last_reads(tally: Tally, place: VaultPlace) -> dict[str, datetime.datetime]:
    found: dict[str, datetime.datetime] = {}
    start = f"{place.mount}/data/"
    for what, use in tally.uses.items():
        by_us = tally.ours.owner(what.mark)[0]
        if what.namespace or what.operation != "read" or not what.path.startswith(start) or by_us:
            continue
        if use.count > use.denied + use.failed:
            path, last = what.path.removeprefix(start), _moment(use.last)
            if not path.startswith(OURS):  # looking how rotations stand is no run
                found[path] = max(found.get(path, last), last)
    return found


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


__all__ = ["reads_of"]
