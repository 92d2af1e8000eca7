"""What the commands of a migration do, and what they answer with: plain maps for text and JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reconciler.core.errors import Refused
from reconciler.engine.world import Progress
from reconciler.migration import verbs
from reconciler.migration.compare import Compared
from reconciler.migration.record import Record
from reconciler.settings import Settings

from .migrating import Asked, opened_desk, wanted
from .stores import environment_on_disk

Agreed = Callable[[str], bool]


def assessment(settings: Settings, asked: Asked, progress: Progress) -> dict[str, Any]:
    """What would be moved. Writes nothing."""
    with opened_desk(settings, progress) as desk:
        record = wanted(desk, asked)
        found = verbs.assessed(desk, record)
    return {
        **_about(record),
        "movable": not any(one.problems for one in found),
        "versions": sum(one.versions for one in found),
        "bytes": sum(one.bytes for one in found),
        "secrets": [one._asdict() for one in found],
    }


def started(settings: Settings, asked: Asked, progress: Progress) -> dict[str, Any]:
    """Begin, or go on."""
    with opened_desk(settings, progress, writing=True) as desk:
        if environment_on_disk(settings).stores.write == "dual":
            raise Refused(
                "the environment writes to all stores itself, and a migration would meet those copies (write `write: primary` first)"
            )
        return _done(verbs.start(desk, wanted(desk, asked)))


def standing(settings: Settings, progress: Progress) -> dict[str, Any]:
    """How it stands."""
    with opened_desk(settings, progress) as desk:
        found = verbs.stands(desk)
    if found.record is None:
        return {"phase": "none"}
    counted = {"secrets": found.secrets, "behind": found.behind, "unread": list(map(str, found.unread))}
    return {**_about(found.record), **counted}


def verification(settings: Settings, progress: Progress) -> dict[str, Any]:
    """Both stores held against each other."""
    with opened_desk(settings, progress) as desk:
        record = desk.record()
        found = verbs.verified(desk, record)
    equal, ok = sum(one.equal for one in found), not any(one.wrong for one in found)
    turned = record.phase == "returning"
    return {**_about(record), "ok": ok, "equal": equal, "secrets": [_compared(one, turned) for one in found]}


def cut_over(settings: Settings, agreed: Agreed, progress: Progress) -> dict[str, Any] | None:
    """Let the destination decide. None: nobody agreed."""

    def ask(record: Record, secrets: int) -> bool:
        late = "".join(f"\n{note}" for note in _late(settings, record))
        return agreed(f"Let {record.destination} decide over {secrets:,} secrets, and write to {record.source} no more?{late}")

    with opened_desk(settings, progress, writing=True) as desk:
        found = verbs.cutover(desk, ask)
    return {**_done(found), "notes": _late(settings, found.record)} if found else None


def _late(settings: Settings, record: Record) -> list[str]:
    """Services know the environment's file and not the ledger."""
    order = environment_on_disk(settings).stores.reading
    if record.destination in order[: order.index(record.source)] if record.source in order else True:
        return []
    return [
        f"services that read by the environment's file ask {record.source} first, and miss what is written from now on "
        f"(merge `order: [{record.destination}, {record.source}]`)"
    ]


def aborted(settings: Settings, agreed: Agreed, progress: Progress) -> dict[str, Any] | None:
    """Go back. None: nobody agreed."""

    def ask(record: Record, secrets: int) -> bool:
        taken = f" It takes back what was written to {record.destination} since: {secrets:,} secrets are looked at." if secrets else ""
        return agreed(f"End {record}, so that {record.source} alone counts?{taken}")

    with opened_desk(settings, progress, writing=True) as desk:
        found = verbs.abort(desk, ask)
    return {**_done(found), "notes": []} if found else None


def _about(record: Record) -> dict[str, Any]:
    return {
        "from": record.source,
        "to": record.destination,
        "match": record.match,
        "phase": record.phase,
        "since": record.since,
        "by": record.by,
        "copied": record.copied,
    }


def _done(done: verbs.Done) -> dict[str, Any]:
    return {
        **_about(done.record),
        "secrets": len(done.copied),
        "versions": sum(one.versions for one in done.copied),
        "failed": [{"path": one.path, "error": one.error} for one in done.failed],
    }


def _compared(one: Compared, turned: bool) -> dict[str, Any]:
    names: Sequence[str] = ("to", "from") if turned else ("from", "to")
    pairs = [{names[0]: pair.leader, names[1]: pair.follower} for pair in one.pairs]
    return {"path": one.path, "equal": one.equal, "wrong": list(one.wrong), "notes": list(one.notes), "versions": pairs}
