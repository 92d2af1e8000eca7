"""Counts visits: who used which path when, what was denied, and who failed to log in."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.address import Address, Place
from .runs import NOBODY, Mark, Ours
from .visits import Login, Visit

MOST_USES = 200_000  # kinds of visits that are told apart: some 100 MB
MOST_TOKENS = 200_000  # that are remembered: those that logged in last
MOST_PLACES = 10_000  # addresses, which whoever comes can make as many of as they like
SHOWN = 20  # of what belongs to one address


class What(NamedTuple):
    """One kind of visit: a subject, what it asked for, and whose run it may have been."""

    subject: str
    namespace: str
    path: str
    operation: str
    mark: Mark = NOBODY


@dataclass(slots=True)
class Use:
    """How often, when, and how it ended. Times are UTC, ISO 8601."""

    first: str
    last: str
    count: int = 0
    denied: int = 0
    failed: int = 0


@dataclass(slots=True)
class Attempts:
    """What came from one address and was nobody's."""

    first: str
    last: str
    count: int = 0
    paths: Counter[str] = field(default_factory=Counter)
    login: str = ""
    """When a login from there worked, after the first that did not."""


@dataclass
class Tally:
    """Everything that was counted. `uncounted`: visits past the ceilings."""

    instance: str = "primary"
    home: str = ""
    """The instance's own namespace: addresses count from there, and what is beside it is not ours to tell."""
    ours: Ours = field(default_factory=Ours)
    declared: Sequence[Address] = ()
    """Roles and users that are declared, to know whose a token is that was given before the first line."""
    begun: str = ""
    ended: str = ""
    requests: int = 0
    uncounted: int = 0
    elsewhere: int = 0
    """Visits of namespaces that are not below the instance's."""
    uses: dict[What, Use] = field(default_factory=dict)
    failed_logins: dict[str, Attempts] = field(default_factory=dict)
    unknown_tokens: dict[str, Attempts] = field(default_factory=dict)
    addresses: dict[str, set[str]] = field(default_factory=dict)
    """From where each subject came; the first few."""
    entities: dict[str, str] = field(default_factory=dict)
    """The entity of each subject."""

    def __post_init__(self) -> None:
        self._tokens: OrderedDict[str, str] = OrderedDict()
        self._alike: dict[tuple[str, str], str] = {}
        self._by_role: dict[str, list[Address]] = {}
        for one in self.declared:
            self._by_role.setdefault(one.name.rpartition("/")[2], []).append(one)

    def add(self, visits: Iterable[Visit], since: str = "", until: str = "") -> None:
        for visit in visits:
            if visit.login is not None:
                self._remember(visit, visit.login)  # even before the period: its token may be used in it
            if visit.time >= since and (not until or visit.time <= until):
                self._count(visit)

    def _count(self, visit: Visit) -> None:
        self.requests += 1
        self.begun = min(self.begun or visit.time, visit.time)
        self.ended = max(self.ended, visit.time)
        if visit.ending == "failed login":
            self._attempt(self.failed_logins, visit)
        elif visit.ending == "unknown token":
            self._attempt(self.unknown_tokens, visit)
        elif visit.token:
            namespace = self.relative(visit.namespace)
            if namespace is None:
                self.elsewhere += 1
            else:
                self._use(visit, namespace)
        if visit.ending == "login" and visit.address in self.failed_logins:
            self.failed_logins[visit.address].login = visit.time

    def relative(self, namespace: str) -> str | None:
        """A namespace as addresses have it; None for one that is not below the instance's."""
        if not self.home or namespace == self.home:
            return "" if self.home else namespace
        return namespace.removeprefix(f"{self.home}/") if namespace.startswith(f"{self.home}/") else None

    def _use(self, visit: Visit, namespace: str) -> None:
        subject = self.subject(visit)
        what = What(subject, namespace, visit.path, visit.operation, self.ours.mark(visit))
        use = self.uses.get(what)
        if use is None:
            if len(self.uses) >= MOST_USES:
                self.uncounted += 1
                return
            use = self.uses[what] = Use(visit.time, visit.time)
        use.first, use.last = min(use.first, visit.time), max(use.last, visit.time)
        use.count += 1
        use.denied += visit.ending == "denied"
        use.failed += visit.ending == "failed"
        places = self.addresses.setdefault(subject, set())
        if len(places) < SHOWN:
            places.add(visit.address)
        if visit.entity:
            self.entities[subject] = visit.entity

    def _attempt(self, attempts: dict[str, Attempts], visit: Visit) -> None:
        found = attempts.get(visit.address)
        if found is None:
            if len(attempts) >= MOST_PLACES:
                self.uncounted += 1
                return
            found = attempts[visit.address] = Attempts(visit.time, visit.time)
        found.first, found.last = min(found.first, visit.time), max(found.last, visit.time)
        found.count += 1
        path = f"{visit.namespace}/{visit.path}" if visit.namespace else visit.path
        if path in found.paths or len(found.paths) < SHOWN:
            found.paths[path] += 1

    def _remember(self, visit: Visit, login: Login) -> None:
        namespace = self.relative(login.namespace)
        if not login.kind or namespace is None:
            return
        subject = str(Address(login.kind, login.name, Place(self.instance, namespace)))
        self._tokens[visit.token] = subject
        self._alike[visit.display, visit.role] = subject
        if len(self._tokens) > MOST_TOKENS:
            self._tokens.popitem(last=False)

    def subject(self, visit: Visit) -> str:
        """The address of the role or user behind a visit, as far as the log tells; else the name that the server shows."""
        if visit.token in self._tokens:
            return self._tokens[visit.token]
        if (visit.display, visit.role) in self._alike:
            return self._alike[visit.display, visit.role]
        fitting = [one for one in self._by_role.get(visit.role, ()) if self._is_shown_as(one, visit.display)] if visit.role else []
        if len(fitting) == 1:
            return str(fitting[0])
        return f"{visit.display} ({visit.role})" if visit.role else visit.display or "a token without a name"

    def _is_shown_as(self, role: Address, display: str) -> bool:
        """Whether the server shows tokens of a role by this name: the mount's path, and perhaps what the method adds."""
        mount = role.name.rpartition("/")[0]
        namespace = "/".join(filter(None, (self.home, role.place.namespace)))
        shown = (f"{namespace}/auth/{mount}" if namespace else mount).replace("/", "-")
        return display == shown or display.startswith(f"{shown}-")


class RunUse(NamedTuple):
    """What one run asked of the server. `by`: how its requests were known, "header" or "time"."""

    requests: int
    by: str


def by_run(tally: Tally) -> Mapping[str, RunUse]:
    """The requests of each run of ours."""
    found: dict[str, RunUse] = {}
    for what, use in tally.uses.items():
        run, by = tally.ours.owner(what.mark)
        if run:
            known = found.get(run, RunUse(0, by))
            found[run] = RunUse(known.requests + use.count, "header" if "header" in (known.by, by) else by)
    return found
