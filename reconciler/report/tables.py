"""Rows as a table: in columns for a terminal, in pipes for markdown. The first row is the heading."""

from __future__ import annotations

from collections.abc import Sequence

from .markdown import escape

Rows = Sequence[Sequence[str]]


def markdown_table(rows: Rows) -> str:
    """What stands in the cells is text, whatever it looks like."""
    heading, *rest = ["| " + " | ".join(map(escape, row)) + " |" for row in rows]
    return "\n".join([heading, "|" + " --- |" * len(rows[0]), *rest])
