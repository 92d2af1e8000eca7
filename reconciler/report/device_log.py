"""What a server's own audit log tells, for people: who came, who was denied, who failed to log in, who never came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.core.values import visible

from .markdown import escape
from .runs import table
from .tables import markdown_table

SHOWN = 20  # rows of a part; the JSON has all
PATHS = 5  # of one subject


class Part(NamedTuple):
    """One part of the report: a title, rows with their heading, and how many more there are."""

    title: str
    rows: Sequence[tuple[str, ...]]
    more: int = 0


def access_text(found: Mapping[str, Any]) -> str:
    """Denials and failures first."""
    parts = [f"{one.title}\n{_indented(table(_clean(one.rows)))}{_more(one)}" for one in _parts(found)]
    return "\n\n".join([visible(_headline(found)), *parts])


def access_markdown(found: Mapping[str, Any]) -> str:
    parts = [f"#### {escape(one.title)}\n\n{markdown_table(one.rows)}{_more(one)}" for one in _parts(found)]
    return "\n\n".join([f"### Access to {escape(found['instance'])}", escape(_headline(found)), *parts])


def failed_logins_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """By address, the most first."""
    if not rows:
        return "No login failed."
    return table(_clean([_ATTEMPTS, *map(_attempt, rows)]))


def _headline(found: Mapping[str, Any]) -> str:
    read = found["read"]
    period = f"from {read['from']} to {read['to']}" if read["from"] else "with nothing in the period"
    files = f"{read['files']:,} file{'s' * (read['files'] != 1)}"
    parts = [f"{found['environment']}, {found['instance']}: {read['requests']:,} requests in {files}, {period}."]
    if read["broken"]:
        parts.append(f"{read['broken']:,} lines could not be read.")
    if read["uncounted"]:
        parts.append(f"{read['uncounted']:,} requests were too many different ones to be told apart.")
    if found["runs_unknown"]:
        parts.append(f"Which requests were our own is not known: {found['runs_unknown']}")
    if read["elsewhere"]:
        parts.append(f"{read['elsewhere']:,} requests were in namespaces beside the instance's.")
    return " ".join(parts)


def _parts(found: Mapping[str, Any]) -> Iterator[Part]:
    for title, rows in (
        ("Failed logins", [_ATTEMPTS, *map(_attempt, found["failed_logins"])]),
        ("Tokens that are none, or have ended", [_ATTEMPTS, *map(_attempt, found["unknown_tokens"])]),
        ("Denied", [("who", "what", "path", "times", "last"), *_denied(found["subjects"])]),
        ("Who came", [("who", "requests", "denied", "first", "last", "from", "runs", "most used"), *map(_came, found["subjects"])]),
        ("Declared, and never came", [("who",), *((one,) for one in found["absent"])]),
        ("Could, and did not", [("who", "path", "unused", "used", "by"), *map(_unused, found["unused"])]),
        ("Our own runs", [("run", "what", "requests", "known by"), *map(_run, found["runs"])]),
    ):
        if len(rows) > 1:
            yield Part(title, rows[: SHOWN + 1], max(0, len(rows) - SHOWN - 1))


_ATTEMPTS = ("address", "times", "first", "last", "then a login", "at")


def _attempt(one: Mapping[str, Any]) -> tuple[str, ...]:
    paths = list(one["paths"])
    at = ", ".join(paths[:PATHS]) + (f" and {len(paths) - PATHS} more" if len(paths) > PATHS else "")
    return (one["address"] or "unknown", f"{one['count']:,}", one["first"], one["last"], one["login_after"] or "no", at)


def _denied(subjects: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for one in subjects:
        for path in one["paths"]:
            if path["denied"]:
                yield one["subject"], path["operation"], _path(path), f"{path['denied']:,}", path["last"]


def _came(one: Mapping[str, Any]) -> tuple[str, ...]:
    most = sorted(one["paths"], key=lambda path: -path["count"])[:PATHS]
    left = len(one["paths"]) - len(most)
    used = ", ".join(f"{path['operation']} {_path(path)} {path['count']:,}" for path in most) + (f" and {left:,} more" if left else "")
    runs = f"{len(one['runs']):,}" if one["runs"] else ""
    addresses = ", ".join(one["addresses"][:PATHS])
    return (one["subject"], f"{one['requests']:,}", f"{one['denied']:,}", one["first"], one["last"], addresses, runs, used)


def _path(path: Mapping[str, Any]) -> str:
    return f"{path['namespace']}/{path['path']}" if path["namespace"] else str(path["path"])


def _unused(one: Mapping[str, Any]) -> tuple[str, ...]:
    return one["subject"], one["path"], ", ".join(one["unused"]), ", ".join(one["used"]) or "nothing", ", ".join(one["via"])


def _run(one: Mapping[str, Any]) -> tuple[str, ...]:
    known = {"header": "its id, which the server kept", "time": "what it wrote, and when"}[one["known_by"]]
    return one["run"], one["action"], f"{one['requests']:,}", known


def _clean(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Paths and addresses are what whoever came has sent."""
    return [tuple(map(visible, row)) for row in rows]


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


def _more(part: Part) -> str:
    return f"\n  and {part.more:,} more (-o json has all)" if part.more else ""
