"""What a bench prints: costs, and what is reached beside its goal."""

from __future__ import annotations

from typing import NamedTuple


class Cost(NamedTuple):
    """What one command took. `cpu`: of its process alone, which other work on the machine distorts least."""

    what: str
    seconds: float
    cpu: float
    requests: int
    megabytes: float

    def __str__(self) -> str:
        return f"{self.what:<58} {self.seconds:>8.2f} s {self.cpu:>7.2f} s CPU {self.requests:>8,} requests {self.megabytes:>5.0f} MB"


class Result(NamedTuple):
    """What was reached, beside its goal."""

    what: str
    reached: float
    unit: str
    goal: float
    at_least: bool = False
    detail: str = ""

    @property
    def met(self) -> bool:
        return self.reached >= self.goal if self.at_least else self.reached <= self.goal

    def __str__(self) -> str:
        goal = f"{'>=' if self.at_least else '<='} {self.goal:,.0f}"
        verdict = "ok" if self.met else "MISSED"
        return f"{self.what:<58} {self.reached:>8,.1f} {self.unit:<10} {goal:>9}  {verdict:<7} {self.detail}".rstrip()


class Row(NamedTuple):
    """The same for the edge, where most rows stand beside others and have no goal of their own."""

    what: str
    reached: float
    unit: str
    goal: float | None = None  # told for itself
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.goal is None or (self.reached >= self.goal if self.at_least else self.reached <= self.goal)

    def __str__(self) -> str:
        verdict = "" if self.goal is None else f"{'>=' if self.at_least else '<='} {self.goal:g}  {'ok' if self.met else 'MISSED'}"
        return f"{self.what:<72} {self.reached:>8.2f} {self.unit:<3} {verdict}".rstrip()
