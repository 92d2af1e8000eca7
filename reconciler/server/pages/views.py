"""What each page shows. Views are asked in threads, since ledgers are far away; they return what their template prints."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from starlette.requests import Request

from ...core.address import HOME, parse_address
from ...core.change import Action
from ...core.errors import Invalid, Usage
from ...core.run import ObjectRecord, RunRecord
from ...edge.scope import PRINCIPAL
from ...report.rows import SIGNS, recorded
from ...report.structures import Detail
from ..api import LEDGER_ALONE, secret_address
from .search import found_in, sizes
from .sources import Sources

PAGE_ROWS = 100  # each page asks Vault once about what is on it
FIRST_ROWS = 20  # of lists on the overview
RUNS_SHOWN = 100
BLOCKED_SHOWN = 200
PAGE_OBJECTS = 50  # with their diffs
CAPABILITIES = ("create", "read", "update", "patch", "delete", "list", "scan", "sudo")
_NEVER = "9999"  # sorts behind all times
_RUN = re.compile(r"[0-9a-f]{12}")
_PAGE = re.compile(r"[1-9][0-9]{0,5}")
_WORDS = {"running": "running, or killed"}


class NotThere(Exception):
    """There is no such page."""


@dataclass(frozen=True, slots=True)
class View:
    """`here`: the entry of the navigation that it belongs to."""

    title: str
    template: str
    here: str
    show: Callable[[Sources, Request], Mapping[str, Any]]


class Slice(NamedTuple):
    """One page of many rows. Pages are counted from 1."""

    rows: Sequence[Any]
    page: int
    last: int
    total: int
    hidden: int = 0  # of this page

    def only(self, rows: Sequence[Any]) -> Slice:
        """The same page with the rows that may be shown."""
        return self._replace(rows=rows, hidden=len(self.rows) - len(rows))


class Shown(NamedTuple):
    """What happened to one object."""

    record: ObjectRecord
    sign: str
    details: Sequence[Detail]


def _overview(sources: Sources, request: Request) -> Mapping[str, Any]:
    api = sources.api
    notes = {name: api.notes.read(name) for name in ("tip", "drift", "secrets")}
    overdue = [row for row in notes["secrets"]["rows"] if row["overdue"]] if notes["secrets"] else None
    drifted = ((notes["drift"] or {}).get("addresses") or [])[:PAGE_ROWS]
    late = (overdue or [])[:PAGE_ROWS]
    shown = _shown_to(sources, request, [*drifted, *map(secret_address, late), LEDGER_ALONE])
    return {
        "branch": api.branch,
        **notes,
        "why": (notes["drift"] or {}).get("why") if LEDGER_ALONE in shown else "",
        "overdue": overdue,
        "drifted": _kept(drifted, [one for one in drifted if one in shown], FIRST_ROWS),
        "late": _kept(late, [row for row in late if secret_address(row) in shown], FIRST_ROWS),
        "checks": api.watch.checks(),
        "problems": list(api.problems()),
        "open": api.events.open(),
        "runs": [_run_row(run) for run in api.runs(5)],
    }


def _resources(sources: Sources, request: Request) -> Mapping[str, Any]:
    asked, kind = request.query_params.get("q", ""), request.query_params.get("kind", "")
    rows = sources.resources()
    part = _slice(found_in(rows, asked, kind), request, PAGE_ROWS)
    shown = _shown_to(sources, request, [row.address for row in part.rows])
    part = part.only([row for row in part.rows if row.address in shown])
    if asked.strip() and part.hidden:
        # How many there are besides would tell whether there is one of the name that was searched.
        part = part._replace(total=len(part.rows), hidden=0)
    return {"asked": asked, "kind": kind, "kinds": sizes(rows), "slice": part}


def _resource(sources: Sources, request: Request) -> Mapping[str, Any]:
    address = request.path_params["address"]
    if not _is_address(address) or address not in _shown_to(sources, request, [address]):
        raise NotThere
    known = next((row for row in sources.resources() if row.address == address), None)
    versions = sources.versions(address)
    if known is None and not versions:
        raise NotThere
    return {"address": address, "known": known, "versions": [(_run_row(one.run), _shown(one.record)) for one in versions]}


def _runs(sources: Sources, _request: Request) -> Mapping[str, Any]:
    return {"runs": [_run_row(run) for run in sources.api.runs(RUNS_SHOWN)], "most": RUNS_SHOWN}


def _run(sources: Sources, request: Request) -> Mapping[str, Any]:
    named = request.path_params["run"]
    found = sources.api.run(named) if _RUN.fullmatch(named) else None
    if found is None:
        raise NotThere
    part = _slice(found[1], request, PAGE_OBJECTS)
    shown = _shown_to(sources, request, [one.address for one in part.rows])
    return {"run": _run_row(found[0]), "slice": part.only([_shown(one) for one in part.rows if one.address in shown])}


def _secrets(sources: Sources, request: Request) -> Mapping[str, Any]:
    found = sources.api.notes.read("secrets")
    if not found:
        return {"at": None, "slice": None}
    part = _slice(sorted(found["rows"], key=lambda row: (row["next_due"] or _NEVER, row["path"])), request, PAGE_ROWS)
    shown = _shown_to(sources, request, [secret_address(row) for row in part.rows])
    return {"at": found["at"], "slice": part.only([{**row, "passed": _passed(row)} for row in part.rows if secret_address(row) in shown])}


def _passed(row: Mapping[str, Any]) -> int | None:
    """How much of the time between two rotations is over, in percent; None where there is no such time."""
    if not (row["last_rotated"] and row["next_due"]):
        return None
    last, due = (datetime.fromisoformat(row[name]) for name in ("last_rotated", "next_due"))
    whole = max((due - last).total_seconds(), 1.0)
    return min(max(round(100 * (datetime.now(UTC) - last).total_seconds() / whole), 0), 100)


def _access(sources: Sources, request: Request) -> Mapping[str, Any]:
    asked = {name: request.query_params.get(name, "").strip() for name in ("path", "capability", "instance")}
    shown: dict[str, Any] = {**asked, "instance": asked["instance"] or HOME.instance, "capabilities": CAPABILITIES, "said": ""}
    if not asked["path"]:
        return {**shown, "slice": None}
    try:
        found = sources.able(asked["path"], asked["capability"], shown["instance"])
    except (Usage, Invalid) as error:
        return {**shown, "slice": None, "said": str(error)}
    part = _slice(found, request, PAGE_OBJECTS)
    seen = _shown_to(sources, request, {name for row in part.rows for name in (row["subject"], *row["via"])})
    rows = [{**row, "via": _seen(row["via"], seen)} for row in part.rows if row["subject"] in seen]
    return {**shown, "slice": part.only(rows)}


def _seen(names: Sequence[str], seen: Collection[str]) -> Sequence[str]:
    """Those that may be shown, and how many there are besides."""
    found = [name for name in names if name in seen]
    return [*found, f"{len(names) - len(found)} more"] if len(found) < len(names) else found


def _blocked(sources: Sources, _request: Request) -> Mapping[str, Any]:
    return {"rows": sources.blocked(BLOCKED_SHOWN), "most": BLOCKED_SHOWN}


def _shown_to(sources: Sources, request: Request, addresses: Collection[str]) -> frozenset[str]:
    return sources.api.shown(request.scope[PRINCIPAL], addresses) if addresses else frozenset()


def _is_address(text: str) -> bool:
    try:
        return str(parse_address(text)) == text
    except ValueError:
        return False


def _kept(all_rows: Sequence[Any], shown: Sequence[Any], most: int) -> Slice:
    """The first of the rows that may be shown."""
    return Slice(shown[:most], 1, 1, len(all_rows), len(all_rows) - len(shown))


def _run_row(run: RunRecord) -> Mapping[str, Any]:
    changes = ", ".join(f"{run.summary[action]:,} {action}" for action in Action if run.summary.get(action))
    return {**run._asdict(), "outcome": _WORDS.get(run.outcome, run.outcome), "changes": changes or "none"}


def _shown(record: ObjectRecord) -> Shown:
    return Shown(record, SIGNS.get(Action(record.action), ""), tuple(recorded(record.before, record.after)))


def _slice(rows: Sequence[Any], request: Request, size: int) -> Slice:
    """The page that a request asks for; the nearest, where there are fewer."""
    asked = request.query_params.get("page", "1")
    last = max(-(-len(rows) // size), 1)
    number = min(int(asked), last) if _PAGE.fullmatch(asked) else 1
    return Slice(rows[(number - 1) * size : number * size], number, last, len(rows))


VIEWS: Mapping[str, View] = {
    "/ui": View("Overview", "overview.html", "/ui", _overview),
    "/ui/resources": View("Resources", "resources.html", "/ui/resources", _resources),
    "/ui/resources/{address:path}": View("Resource", "resource.html", "/ui/resources", _resource),
    "/ui/runs": View("Runs", "runs.html", "/ui/runs", _runs),
    "/ui/runs/{run}": View("Run", "run.html", "/ui/runs", _run),
    "/ui/secrets": View("Rotation", "secrets.html", "/ui/secrets", _secrets),
    "/ui/access": View("Access", "access.html", "/ui/access", _access),
    "/ui/blocked": View("Blocked requests", "blocked.html", "/ui/blocked", _blocked),
}
