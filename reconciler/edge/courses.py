"""Which limits apply to a path, made ready to be asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple

from .limit_keys import KeyOf, key_function
from .limits import MICROSECONDS, Bucket, Counted, Limit, Verdict, capacity
from .reputation import Standing

MOST_PATHS, LONGEST_PATH = 4096, 256  # that are remembered: strangers can fill no more
TRUSTED_TIMES = 10


class Asked(NamedTuple):
    """One rule of a limit, for one standing."""

    rule: Counted
    key_of: KeyOf
    cost: int
    place: bytes  # its name in headers


@dataclass(frozen=True, slots=True)
class Course:
    """What is asked of requests for some paths. `adaptive`: the class whose work is limited, if any."""

    asked: dict[Standing, tuple[Asked, ...]]
    policy: dict[Standing, bytes]  # the value of RateLimit-Policy
    adaptive: str


class Courses:
    """The courses of all paths."""

    def __init__(self, limits: Sequence[Limit]) -> None:
        self.limits = tuple(limits)
        names = [limit.name for limit in limits]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two limits have one name: {', '.join(sorted(twice))}")
        self._patterns = [pattern(limit.routes) for limit in limits]
        self._by_limits: dict[int, Course] = {}
        self._by_path: dict[str, Course] = {}

    def of(self, path: str) -> Course:
        found = self._by_path.get(path)
        return self._look(path) if found is None else found

    def _look(self, path: str) -> Course:
        which = reduce(lambda bits, pattern: bits << 1 | bool(pattern.fullmatch(path)), self._patterns, 1)
        course = self._by_limits.get(which)
        if course is None:
            bits = f"{which:b}"[1:]
            course = self._by_limits[which] = _course([limit for limit, bit in zip(self.limits, bits, strict=True) if bit == "1"])
        if len(path) <= LONGEST_PATH:
            if len(self._by_path) >= MOST_PATHS:
                self._by_path.clear()
            self._by_path[path] = course
        return course


def _course(limits: Sequence[Limit]) -> Course:
    asked = {
        Standing.UNKNOWN: _asked(limits, 1, 1),
        Standing.SUSPECT: _asked(limits, 1, 2),
        Standing.TRUSTED: _asked(limits, TRUSTED_TIMES, 1),
    }
    policy = {standing: b", ".join(map(_policy, those)) for standing, those in asked.items()}
    return Course(asked, policy, next((limit.name for limit in limits if limit.adaptive), ""))


def _asked(limits: Sequence[Limit], times: int, cost: int) -> tuple[Asked, ...]:
    return tuple(
        Asked(rule, key_function(limit.key), min(cost, capacity(rule)), b'"%b"' % rule.name.encode())
        for limit in limits
        for rule in limit.rules(times=times)
    )


def _policy(asked: Asked) -> bytes:
    rule = asked.rule
    window = rule.depth if isinstance(rule, Bucket) else rule.per
    return b"%b;q=%d;w=%d" % (asked.place, capacity(rule), seconds(window))


def seconds(microseconds: int) -> int:
    """Whole seconds, rounded up: who waits that long has waited long enough."""
    return -(-microseconds // MICROSECONDS)


def left(asked: Sequence[Asked], verdicts: Sequence[Verdict]) -> bytes:
    """The value of RateLimit."""
    return b", ".join(
        [
            b"%b;r=%d;t=%d" % (one.place, verdict.remaining, seconds(verdict.reset if verdict.admitted else verdict.after))
            for one, verdict in zip(asked, verdicts, strict=False)  # the last may be on the address
        ]
    )


def pattern(globs: Sequence[str]) -> re.Pattern[str]:
    """Paths that match one of some patterns, in which `*` stands for any text."""
    return re.compile("|".join(".*".join(map(re.escape, glob.split("*"))) for glob in globs), re.DOTALL)
