"""What a restore would do, thing by thing. Reads the backup and the places, writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, Protocol, runtime_checkable

from ..audit import head as log_heads
from ..audit.log import Log
from ..ledger import head as ledger_heads
from ..ledger.ledger import Ledger
from ..ledger.shelf import Shelf
from ..rotation.state import FOLDER as ROTATIONS
from ..rotation.state import read_state
from ..secrets.store import SecretStore
from .comparing import Step, placed
from .damage import Damaged
from .held import is_before_its_secret
from .records import AUDIT, HEAD, LEDGER, SNAPSHOT, Record

WENT_ON = "it was written since"
AWS_ALONE = "aws:"
"""How tags begin that nobody but AWS may set."""


class Aims(NamedTuple):
    """Where everything goes. A store that is None: its place is not there yet, so nothing is."""

    shelf: Shelf
    book: Log
    stores: Mapping[str, SecretStore | None]


def steps(records: Iterable[Record], aims: Aims) -> Iterator[Step]:
    """One step for the ledger, one for the audit log, one for each secret and each state of a rotation."""
    for (part, id), group in groups(records):
        if part == SNAPSHOT:
            continue
        if part in (LEDGER, AUDIT):
            yield _shelf_step(part, group, aims)
        elif part not in aims.stores:
            yield Step(part, id, "newer", why="the environment declares no such store")
        elif id.startswith(ROTATIONS):
            yield _state_step(part, id, next(group), aims.stores.get(part))
        else:
            yield _secret_step(part, id, list(group), aims.stores.get(part))


def groups(records: Iterable[Record]) -> Iterator[tuple[tuple[str, str], Iterator[Record]]]:
    """The records of one secret together, those of a shelf too: they stand one after the other."""
    return groupby(records, lambda one: (one.part, "" if one.what == "entry" else one.id))


def versions_of(group: Iterable[Record]) -> list[Record]:
    return [one for one in group if one.what == "version"]


def metadata_of(group: Iterable[Record]) -> dict[str, str]:
    """What people may know of a secret, as far as it is ours to set."""
    found = next((one.value for one in group if one.what == "metadata"), {})
    return {key: text for key, text in found.items() if not key.startswith(AWS_ALONE)}


def _shelf_step(part: str, group: Iterator[Record], aims: Aims) -> Step:
    count, head = 0, b""
    for record in group:
        count += 1
        head = record.raw if record.id == HEAD else head
    kept = (aims.shelf if part == LEDGER else aims.book.shelf).get(HEAD)
    if kept is None:
        return Step(part, "", "create" if head else "same", count if head else 0)
    if kept.content == head:
        return Step(part, "", "same")
    goes_on = _ledger_goes_on(head, aims.shelf) if part == LEDGER else _log_goes_on(head, kept.content, aims.book)
    return Step(part, "", "same", why="it goes on from there") if goes_on else Step(part, "", "newer", why="another one is there")


def _ledger_goes_on(archived: bytes, shelf: Shelf) -> bool:
    """Whether the ledger that is there knows the last run of the one in the backup."""
    last = next((run.id for run in ledger_heads.read_head(archived).runs), "") if archived else ""
    return not last or any(run.id == last for run in Ledger(shelf).runs())


def _log_goes_on(archived: bytes, live: bytes, book: Log) -> bool:
    """Whether the log that is there has the last checkpoint of the one in the backup."""
    note = log_heads.read_head(archived).note if archived else ""
    return not note or any(one.note == note for one in log_heads.every(book.shelf, log_heads.read_head(live)))


def _state_step(part: str, id: str, record: Record, store: SecretStore | None) -> Step:
    """A state that is there is never replaced by an older one. Where its secret is restored, it is held too."""
    held = store.get(id) if store else None
    if held is None:
        return Step(part, id, "create", 1)
    return Step(part, id, "same", why="" if dict(held.value) == record.value else "its rotation went on")


def _secret_step(part: str, id: str, group: Sequence[Record], store: SecretStore | None) -> Step:
    archived = versions_of(group)
    if not archived:
        raise Damaged("payload", f"{id} has no version")
    if store is None:
        return Step(part, id, "create", len(archived))
    if _is_deleted(store, id):
        return Step(part, id, "newer", why="it was deleted since")
    live = live_values(store, id)
    found = placed([one.value for one in archived], [value for _, value in live])
    if found is None:
        return Step(part, id, "newer", why="it has other values")
    if live and was_destroyed(store, id, archived[found.behind :]):
        return Step(part, id, "newer", why="versions of it were destroyed since")
    missing = len(archived) - found.behind
    if not missing and found.upto < len(live):
        return Step(part, id, "same", why=WENT_ON)
    if missing or _waits(store, id) or _lacks_metadata(store, id, metadata_of(group)):
        return Step(part, id, "finish" if live else "create", missing)
    return Step(part, id, "same")


def _lacks_metadata(store: SecretStore, id: str, archived: Mapping[str, str]) -> bool:
    """Whether a restore was killed before it wrote any. Some of it is taken for what somebody has changed since."""
    return bool(archived) and not archived.keys() & store.metadata(id).keys()


@runtime_checkable
class Labelled(Protocol):
    """A store that shows no versions of what was deleted, and still knows their labels."""

    def labelled(self, path: str) -> Mapping[str, str]: ...


def _is_deleted(store: SecretStore, id: str) -> bool:
    known = store.versions(id)
    if known:
        return not known[0].readable
    return isinstance(store, Labelled) and bool(store.labelled(id))


def _waits(store: SecretStore, id: str) -> bool:
    """Whether the state of its rotation was put down, and does not know yet that the secret is there."""
    held = store.get(f"{ROTATIONS}{id}")
    return held is not None and is_before_its_secret(read_state(held.value, held.version, id))


def was_destroyed(store: SecretStore, id: str, missing: Sequence[Record]) -> bool:
    """Whether the store had what is missing. What readers get may then be an older value that somebody went back to."""
    gone = {one.id for one in store.versions(id) if not one.readable} if missing else set()
    return any(one.version in gone for one in missing)


def live_values(store: SecretStore, id: str) -> list[tuple[str, dict[str, str]]]:
    """Readable versions with their values, oldest first."""
    found = [(one.id, store.get(id, one.id)) for one in reversed(store.versions(id)) if one.readable]
    return [(version, dict(held.value)) for version, held in found if held is not None]
