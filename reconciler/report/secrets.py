"""What of secrets may be shown: their versions."""

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
