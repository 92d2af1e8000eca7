"""Which limits apply to a path, made ready to be asked: all that a request does not change is made once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from .adaptive import Gradient2
from .asgi import Headers, Scope
from .limit_keys import KeyOf, key_function
from .limits import MICROSECONDS, Ban, Bucket, Check, Counted, Limit, Rule, Verdict, capacity
from .reputation import Standing

MOST_PATHS, LONGEST_PATH = 4096, 256  # that are remembered: strangers can fill no more
TRUSTED_TIMES, SUSPECT_COST = 10, 2


class Lane:
    """What is asked of requests for some paths, from addresses of one standing: whether they are banned, and each rule of each limit."""

    __slots__ = ("_asked", "_form", "_skipped", "_unremarkable", "alone", "ban", "names", "policy")

    def __init__(self, limits: Sequence[Limit], ban: Ban | None, *, times: int = 1, cost: int = 1) -> None:
        rules = [(rule, key_function(limit.key), min(cost, capacity(rule))) for limit in limits for rule in limit.rules(times)]
        self._asked: list[tuple[Rule, KeyOf | None, int]] = [*rules]
        if ban is not None:
            self._asked.insert(0, (ban, None, 0))
        self._unremarkable = (ban.after, 0, 0) if ban is not None else None
        self.names = ["banned" if isinstance(rule, Ban) else rule.name for rule, _, _ in self._asked]
        # The one rule there is to ask, where it never has a request wait.
        self.alone = rules[0] if len(rules) == 1 and not (isinstance(rules[0][0], Bucket) and rules[0][0].waits) else None
        self.ban = ban
        self._skipped = 2 * (len(self._asked) - len(rules))
        self.policy = (b"ratelimit-policy", b", ".join([_policy(rule) for rule, _, _ in rules]))
        self._form = b", ".join([b'"%b";r=%%d;t=%%d' % rule.name.encode() for rule, _, _ in rules])

    def checks(self, scope: Scope, site: bytes) -> list[Check]:
        """`site`: the key of the request's address."""
        return [(rule, site if key_of is None else key_of(scope, site), cost) for rule, key_of, cost in self._asked]

    def is_news(self, verdicts: Sequence[Verdict]) -> bool:
        """Whether the first verdict is on the address, and not that nothing is known of it."""
        return self._unremarkable is not None and verdicts[0][1:] != self._unremarkable

    def read(self, verdicts: Sequence[Verdict]) -> tuple[bool, Headers]:
        """Whether a request may go on at once, and the headers that tell its sender what is left."""
        at_once, numbers = True, []
        for admitted, remaining, after, reset in verdicts:
            if after:
                at_once = False
            numbers.append(remaining)
            numbers.append(-(-(reset if admitted else after) // MICROSECONDS))  # as `seconds`, without a call
        if not self._form:
            return at_once, ()
        return at_once, (self.policy, (b"ratelimit", self._form % tuple(numbers[self._skipped :])))

    def read_one(self, verdict: Verdict) -> Headers:
        """The headers of a verdict that lets a request go on at once, where there is one rule."""
        _, remaining, _, reset = verdict
        return (self.policy, (b"ratelimit", self._form % (remaining, -(-reset // MICROSECONDS))))


class Course:
    """What is asked of requests for some paths: a lane for each standing, and the work of their class, if that is limited."""

    __slots__ = ("lanes", "name", "unknown", "work")

    def __init__(self, limits: Sequence[Limit], classes: Mapping[str, Gradient2], ban: Ban | None) -> None:
        lanes = {
            Standing.UNKNOWN: Lane(limits, ban),
            Standing.SUSPECT: Lane(limits, ban, cost=SUSPECT_COST),
            Standing.TRUSTED: Lane(limits, ban, times=TRUSTED_TIMES),
            Standing.EXEMPT: Lane(limits, None),
        }
        self.lanes = [lanes[standing] for standing in Standing]
        self.unknown = self.lanes[Standing.UNKNOWN]
        self.name = next((limit.name for limit in limits if limit.adaptive), "")
        self.work = classes.get(self.name)


class Courses:
    """The courses of all paths. `classes` by the names of adaptive limits. Raises ValueError for two limits of one name."""

    def __init__(self, limits: Sequence[Limit], classes: Mapping[str, Gradient2], ban: Ban | None) -> None:
        names = [limit.name for limit in limits]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two limits have one name: {', '.join(sorted(twice))}")
        self._limits = [(limit, pattern(limit.routes)) for limit in limits]
        self._classes, self._ban = classes, ban
        self._by_limits: dict[tuple[str, ...], Course] = {}
        self.by_path: dict[str, Course] = {}

    def of(self, path: str) -> Course:
        found = self.by_path.get(path)
        return self._look(path) if found is None else found

    def _look(self, path: str) -> Course:
        limits = [limit for limit, routes in self._limits if routes.fullmatch(path)]
        names = tuple([limit.name for limit in limits])
        course = self._by_limits.get(names)
        if course is None:
            course = self._by_limits[names] = Course(limits, self._classes, self._ban)
        if len(path) <= LONGEST_PATH:
            if len(self.by_path) >= MOST_PATHS:
                self.by_path.clear()
            self.by_path[path] = course
        return course


def pattern(globs: Sequence[str]) -> re.Pattern[str]:
    """Paths that match one of some patterns, in which `*` stands for any text."""
    return re.compile("|".join(".*".join(map(re.escape, glob.split("*"))) for glob in globs), re.DOTALL)


def seconds(microseconds: int) -> int:
    """Whole seconds, rounded up: who waits that long has waited long enough."""
    return -(-microseconds // MICROSECONDS)


def _policy(rule: Counted) -> bytes:
    window = rule.depth if isinstance(rule, Bucket) else rule.per
    return b'"%b";q=%d;w=%d' % (rule.name.encode(), capacity(rule), seconds(window))
