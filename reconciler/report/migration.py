"""Migrations for people and as JSON: what would move, how far it is, what differs. Paths and versions, never values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.core.values import visible

from .text import first_few

_LISTED = 40  # a screen or so; JSON has them all
_NEXT = {
    "dual": "Writes go to both; {source} decides. Next: reconcile migrate verify, then reconcile migrate cutover.",
    "closing": "A cutover was cut off: nothing that is moved can be written. Next: reconcile migrate cutover, or reconcile migrate abort.",
    "cutover": "{destination} decides; {source} is read-only. reconcile migrate abort goes back, with what was written since.",
    "returning": "An abort was cut off: nothing that is moved can be written. Next: reconcile migrate abort.",
    "aborted": "{source} alone counts. What was copied to {destination} is still there.",
}


def assessed_text(found: Mapping[str, Any]) -> str:
    """What would be moved, and what cannot be."""
    secrets: Sequence[Mapping[str, Any]] = found["secrets"]
    bad = [one for one in secrets if one["problems"]]
    lines = [_row(one) for one in secrets[:_LISTED]]
    if len(secrets) > _LISTED:
        lines.append(f"  and {len(secrets) - _LISTED:,} more (-o json lists all)")
    lines += [f"note: {one['path']}: {note}" for one in secrets for note in one["notes"]][:_LISTED]
    if bad:
        lines.append("Cannot be moved:")
        lines += [f"  {line}" for line in first_few(f"{one['path']}: {why}" for one in bad for why in one["problems"])]
    verdict = f"{len(bad):,} of them cannot be moved, so nothing would be." if bad else "All can be moved."
    said = f"{_count(len(secrets), 'secret')} with {_count(found['versions'], 'version')}, {_size(found['bytes'])}"
    lines.append(f"{found['from']} to {found['to']}: {said}. {verdict}")
    return "\n".join(map(visible, lines))


def _row(one: Mapping[str, Any]) -> str:
    rest = [
        f"{one[key]} {word}"
        for key, word in (("gone", "destroyed or deleted"), ("left", "left out"), ("moved", "there already"))
        if one[key]
    ]
    about = f"  ({', '.join(rest)})" if rest else ""
    return f"  {one['path']:<40}  {_count(one['versions'], 'version'):>12}  {_size(one['bytes']):>10}{about}"


def copied_text(found: Mapping[str, Any]) -> str:
    """What a start, a cutover or an abort did."""
    lines = []
    if found["failed"]:
        lines.append("Not copied:")
        lines += [f"  {line}" for line in first_few(f"{one['path']}: {one['error']}" for one in found["failed"])]
        lines.append("Run the same command again: it goes on from here.")
    versions = _count(found["versions"], "version")
    lines.append(
        f"{found['from']} to {found['to']}: {versions} copied, {_count(found['secrets'], 'secret')} looked at, phase {found['phase']}."
    )
    if not found["failed"]:
        lines.append(_next(found))
    return "\n".join(map(visible, lines))


def status_text(found: Mapping[str, Any]) -> str:
    """How a migration stands."""
    if found["phase"] == "none":
        return "No migration is under way."
    paths = "" if found["match"] == "*" else f" of {found['match']}"
    lines = [f"{found['from']} to {found['to']}{paths}: {found['phase']}, begun {found['since']} by {found['by']}."]
    if found["phase"] not in ("aborted", "none"):
        lag = f"written to {found['from']} since" if found["phase"] == "cutover" else "not copied yet"
        lines.append(f"{_count(found['secrets'], 'secret')}, {_count(found['behind'], 'version')} {lag}.")
        lines += [f"could not be read: {line}" for line in first_few(found["unread"])]
    lines.append(_next(found))
    return "\n".join(map(visible, lines))


def _next(found: Mapping[str, Any]) -> str:
    return _NEXT[found["phase"]].format(source=found["from"], destination=found["to"])


def compared_text(found: Mapping[str, Any]) -> str:
    """What a verification found."""
    secrets: Sequence[Mapping[str, Any]] = found["secrets"]
    lines = [f"note: {one['path']}: {note}" for one in secrets for note in one["notes"]][:_LISTED]
    bad = [f"{one['path']}: {why}" for one in secrets for why in one["wrong"]]
    if bad:
        lines += ["Differs:", *(f"  {line}" for line in first_few(bad))]
    verdict = "They differ (reconcile migrate start copies what is missing)." if bad else "Nothing differs."
    said = f"{_count(found['equal'], 'version')} of {_count(len(secrets), 'secret')} compared equal"
    lines.append(f"{found['from']} and {found['to']}: {said}. {verdict}")
    return "\n".join(map(visible, lines))


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _size(count: int) -> str:
    return f"{count:,} B" if count < 10_000 else f"{count / 1024:,.1f} KiB" if count < 10_000_000 else f"{count / 1024**2:,.1f} MiB"
