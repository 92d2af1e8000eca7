"""Answers about access in words: who may, what one may and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .runs import table

_VERBS = {"grants": "grants", "denies": "denies", "shadowed": "does not count", "conditional": "may count"}


def explanation_text(found: Mapping[str, Any]) -> str:
    """What a subject may do on a path, then the rules that cover it: first what decides."""
    may = [one for one in found["capabilities"] if one != "deny"]
    if may:
        lines = [f"{found['subject']} may {', '.join(may)} {found['path']}"]
    else:
        lines = [f"{found['subject']} may do nothing on {found['path']}"]
    if found.get("conditional"):
        lines.append(f"and, depending on who asks and how, {', '.join(found['conditional'])}")
    lines.extend(f"  {line}" for line in _because(found["because"]))
    return "\n".join([*lines, *_unread(found)])


def _because(reasons: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not reasons:
        yield "no rule of its policies covers this path"
    for reason in reasons:
        where = f" ({reason['origin']})" if reason["origin"] else ""
        through = f", through {reason['through']}" if "through" in reason else ""
        limit = f", with {reason['limit']}" if "limit" in reason else ""
        rule = reason["rule"] or "a policy whose text is not known"
        yield f"{rule} {_VERBS[reason['effect']]}: {', '.join(reason['capabilities'])}{limit}, by {reason['policy']}{where}{through}"


def able_text(found: Sequence[Mapping[str, Any]], path: str, capability: str | None) -> str:
    """One line for everybody who may."""
    if not found:
        return f"Nobody may {capability or 'do anything'} on {path}."
    rows = [("who", "by")]
    for one in found:
        sure = " (depends on who logs in, or on a condition)" if one.get("conditional") else ""
        rows.append((one["subject"] + sure, ", ".join(one["via"])))
    return table(rows)


def audit_text(found: Mapping[str, Any]) -> str:
    """Everything that one may do."""
    if not found["access"]:
        return "\n".join([f"{found['subject']} may do nothing.", *_unread(found)])
    rows = [("path", "may", "by")]
    rows.extend((one["path"], ", ".join(one["capabilities"]), ", ".join(one["via"])) for one in found["access"])
    return "\n".join([found["subject"], table(rows), *_unread(found)])


def _unread(found: Mapping[str, Any]) -> Iterator[str]:
    if found.get("unknown"):
        yield "This may not be all; not readable were:"
        yield from (f"  {one}" for one in found["unknown"])
