"""Reads audit devices of a Vault as evidence: who came, who was denied, who could have come and did not, and which were we."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from reconciler.access.explain import absolute
from reconciler.access.holders import POLICY, ROLES
from reconciler.access.patterns import family
from reconciler.audit.log import Log
from reconciler.audit.reading import Entry, sound_entries
from reconciler.completeness.claims import parts
from reconciler.core.address import Address
from reconciler.core.errors import BackendError, ReconcilerError, Usage
from reconciler.desired.environments import Environment
from reconciler.devicelog.reading import Read, device_files, responses
from reconciler.devicelog.runs import Ours, Run, Told, epoch
from reconciler.devicelog.tally import Attempts, Tally, Use, What, by_run
from reconciler.devicelog.visits import visit_of
from reconciler.settings import Settings

from .access import State, desired_state
from .evidence import Opened, moment_of, opened_book

_WRITTEN = ("create", "update")
_ABLE = {"create": _WRITTEN, "update": _WRITTEN, **{name: (name,) for name in ("read", "list", "scan", "patch", "delete")}}
"""What an operation is a use of. Which of create and update it is says the engine, and many say update always."""


def failed_logins_in(devices: Sequence[str], since: str, until: str) -> list[dict[str, Any]]:
    """Failed logins by address, the most first. Asks no server."""
    tally, read = Tally(), Read()
    entries = responses(device_files(devices), read)
    tally.add((visit for entry in entries if (visit := visit_of(entry))), moment_of(since), moment_of(until))
    return _attempts(tally.failed_logins)


def access_report(settings: Settings, devices: Sequence[str], instance: str, since: str, until: str) -> dict[str, Any]:
    """What `report access -o json` prints."""
    begin, end = moment_of(since), moment_of(until)
    state, read = desired_state(settings), Read()
    files = device_files(devices)
    declared = [one for one in state.specs if one.kind in ROLES and one.place.instance == instance]
    with opened_book(settings) as book:
        tally, name = tally_for(book, instance, begin, declared), book.name
    tally.add((visit for entry in responses(files, read) if (visit := visit_of(entry))), begin, end)
    came = {what.subject for what in tally.uses}
    return {
        "environment": name,
        "instance": instance,
        "read": {"files": read.files, "lines": read.lines, "broken": read.broken, "requests": tally.requests}
        | {"from": tally.begun or None, "to": tally.ended or None, "uncounted": tally.uncounted, "elsewhere": tally.elsewhere},
        "subjects": list(_subjects(tally)),
        "failed_logins": _attempts(tally.failed_logins),
        "unknown_tokens": _attempts(tally.unknown_tokens),
        "absent": sorted(str(one) for one in declared if str(one) not in came),
        "unused": list(_unused(state, declared, tally)),
        "runs": [
            {"run": id, "action": tally.ours.runs[id].action, "requests": use.requests, "known_by": use.by}
            for id, use in sorted(by_run(tally).items())
        ],
        "runs_unknown": tally.ours.unknown or None,
    }


def tally_for(book: Opened, instance: str, begin: str, declared: Sequence[Address] = ()) -> Tally:
    """A tally of an instance that knows our own runs since a moment. Nothing is counted yet."""
    return Tally(instance, namespace_of(book.settings, book.environment, instance), _ours(book.book, begin), declared)


def namespace_of(settings: Settings, environment: Environment, instance: str) -> str:
    """The namespace that the places of an instance count from."""
    from reconciler.backends.vault.connection import connection_from

    declared = environment.vault.get(instance)
    if declared is None:
        raise Usage(f"the environment {environment.name} declares no vault instance {instance}")
    try:
        return connection_from(settings.environ, declared.address, declared.namespace or None).namespace
    except BackendError:
        return declared.namespace.strip("/")  # nobody has to be asked, so nothing has to say where


def _ours(book: Log, since: str) -> Ours:
    """What the audit log tells of runs and their changes, from the first that may have gone on then."""
    runs: list[Run] = []
    told: list[Told] = []
    try:
        for part in parts(book):
            if part.lines and part.period.ended >= since:
                entries = list(sound_entries(part.lines))
                id = str(entries[0].get("rid") or entries[0]["writer"])
                runs.append(Run(id, str(entries[0].get("action", "")), epoch(part.period.begun), epoch(part.period.ended)))
                told += _told(id, entries)
    except ReconcilerError as error:
        return Ours(unknown=str(error))  # whoever may read the server's log need not be let into ours
    return Ours(runs, told)


def _told(run: str, entries: Iterable[Entry]) -> Iterator[Told]:
    begun: dict[str, tuple[str, str]] = {}
    for entry in entries:
        if entry["type"] == "intent":
            begun[str(entry.get("id"))] = (str(entry.get("resource", "")), str(entry["ts"]))
        elif entry["type"] == "outcome" and entry.get("outcome") == "applied":
            resource, ts = begun.pop(str(entry.get("cause_id")), ("", ""))
            # Of an address, the name without its kind and place; of a secret, its path.
            name = resource.partition("/")[2].partition("@")[0] if resource.startswith(("vault.", "aws.")) else resource
            if name:
                yield Told(run, name, epoch(ts), epoch(str(entry["ts"])))


def _subjects(tally: Tally) -> Iterator[dict[str, Any]]:
    """Everybody who came, those who were denied something first, then by how much they asked."""
    by_subject: dict[str, list[tuple[What, Use]]] = {}
    for what, use in tally.uses.items():
        by_subject.setdefault(what.subject, []).append((what, use))
    rows = [_subject(tally, subject, uses) for subject, uses in by_subject.items()]
    yield from sorted(rows, key=lambda row: (not row["denied"], -row["requests"], row["subject"]))


def _subject(tally: Tally, subject: str, uses: list[tuple[What, Use]]) -> dict[str, Any]:
    runs = sorted({run for what, _ in uses if (run := tally.ours.owner(what.mark)[0])})
    return {
        "subject": subject,
        "entity": tally.entities.get(subject),
        "addresses": sorted(tally.addresses.get(subject, ())),
        "requests": sum(use.count for _, use in uses),
        "denied": sum(use.denied for _, use in uses),
        "first": min(use.first for _, use in uses),
        "last": max(use.last for _, use in uses),
        "runs": runs,
        "paths": _paths(uses),
    }


def _paths(uses: list[tuple[What, Use]]) -> list[dict[str, Any]]:
    joined: dict[tuple[str, str, str], Use] = {}
    for what, use in uses:
        one = joined.setdefault((what.namespace, what.path, what.operation), Use(use.first, use.last))
        one.first, one.last = min(one.first, use.first), max(one.last, use.last)
        one.count, one.denied, one.failed = one.count + use.count, one.denied + use.denied, one.failed + use.failed
    rows = [
        {"path": path, "namespace": namespace or None, "operation": operation, "count": use.count}
        | {"denied": use.denied, "failed": use.failed, "first": use.first, "last": use.last}
        for (namespace, path, operation), use in joined.items()
    ]
    return sorted(rows, key=lambda row: (not row["denied"], -int(str(row["count"])), str(row["path"])))


def _attempts(found: dict[str, Attempts]) -> list[dict[str, Any]]:
    rows = [
        {"address": address, "count": one.count, "first": one.first, "last": one.last}
        | {"login_after": one.login or None, "paths": dict(one.paths.most_common())}
        for address, one in found.items()
    ]
    return sorted(rows, key=lambda row: (-int(str(row["count"])), str(row["address"])))


def _unused(state: State, declared: Sequence[Address], tally: Tally) -> Iterator[dict[str, Any]]:
    """What those who are declared may do and did not do. What every token may is left out."""
    done: dict[str, list[tuple[str, str]]] = {}
    for what, use in tally.uses.items():
        if use.count > use.denied:
            whole = f"{what.namespace}/{what.path}" if what.namespace else what.path
            done.setdefault(what.subject, []).append((whole, what.operation))
    for subject in sorted(declared):
        for one in state.access.audit(subject):
            if set(one.via) == {Address(POLICY, "default", subject.place)}:
                continue
            covers = family(absolute(subject, one.path)).covers
            used = {able for path, operation in done.get(str(subject), ()) if covers(path) for able in _ABLE.get(operation, ())}
            left = [name for name in one.capabilities if name in _ABLE and name not in used]
            if left:
                used_here = sorted(used.intersection(one.capabilities))
                via = list(map(str, one.via))
                yield {"subject": str(subject), "path": one.path, "unused": left, "used": used_here, "via": via}
