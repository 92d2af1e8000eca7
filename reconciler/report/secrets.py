"""What of secrets may be shown: their versions, and the stores that they are in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def versions_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line a version."""
    width = max(len(row["version"]) for row in rows)
    lines = []
    for row in rows:
        about = ", ".join((*row["labels"], *(() if row["readable"] else ("gone",))))
        lines.append(f"{row['version']:<{width}}  {row['made'] or '-':<20}  {row['store']:<6} {about}".rstrip())
    return "\n".join(lines)


def stores_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line a store."""
    width = max(len(row["store"]) for row in rows)
    place = {1: "1st", 2: "2nd", 3: "3rd"}
    return "\n".join(
        f"{row['store']:<{width}}  read {place[row['read']]}  {'written' if row['written'] else '-':<7}  {row['problem'] or 'well'}"
        for row in rows
    )
