"""What became of one credential after a restore."""

from __future__ import annotations

from typing import Literal, NamedTuple

Verdict = Literal["works", "refused", "unsure", "untested", "lacking"]
"""Its target accepts it, refuses it, or gave no clear answer; nobody can try it; there is none."""


class Tried(NamedTuple):
    """One restored secret. `released`: its rotation goes on by its schedule; `became`: what a new rotation came to."""

    path: str
    verdict: Verdict
    released: bool
    why: str = ""
    became: str = ""
    failed: bool = False
