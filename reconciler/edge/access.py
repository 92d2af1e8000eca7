"""The marks PUBLIC and PROTECTED, and the rule of each route that follows from its own and from what is declared."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from ..core.errors import Invalid, Problem
from .asgi import Scope
from .scope import Principal

Access = Literal["public", "protected"]
R = TypeVar("R")

_PATH_MATCHERS = ("starlette.routing", "fastapi.routing")
_INCLUDED = "effective_candidates"
_MARKS = "reconciler_marks"  # an attribute of the route object


class Routed(Protocol):
    """A route, mount or websocket as Starlette and FastAPI have them. Mounts have `routes` too, which may be empty.

    FastAPI keeps an included router as one route without a path, whose `effective_candidates` stand for routes of it.
    """

    def matches(self, scope: Any, /) -> tuple[Enum, MutableMapping[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class Mark:
    """Put on a route by calling it with the route, which it returns. `principals`: patterns of who may, as PROOF:NAME; empty: any."""

    access: Access
    principals: tuple[str, ...] = ()

    def __call__(self, route: R) -> R:
        setattr(route, _MARKS, (*_marks(route), self))
        return route

    def by(self, *principals: str) -> Mark:
        """The same for some principals alone: `PROTECTED.by("certificate:spiffe://genesis/*")`."""
        return Mark(self.access, principals)


PUBLIC = Mark("public")
PROTECTED = Mark("protected")


class RouteClass(NamedTuple):
    """What is known of a request's route, at `scope["reconciler.route"]`. `path` is the route's own, empty where none matches."""

    path: str
    access: Access
    whose: tuple[re.Pattern[str], ...] = ()  # all of them must match

    def may(self, principal: Principal) -> bool:
        return all(pattern.fullmatch(f"{principal.kind}:{principal.name}") for pattern in self.whose)


UNKNOWN = RouteClass("", "protected")


Chain = tuple[Routed, ...]
"""A route behind the mounts that lead to it: one object can be in two mounts, for different people."""


class Classes:
    """The class of each route, known by identity. The routes are kept, so that no other can come to have the identity of one."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, ...], tuple[Chain, RouteClass]] = {}

    def add(self, chain: Chain, found: RouteClass) -> None:
        self._found[tuple(map(id, chain))] = (chain, found)

    def of(self, chain: Chain) -> RouteClass:
        """One that was added after the start has no class, and is as good as none."""
        known = self._found.get(tuple(map(id, chain)))
        return known[1] if known else UNKNOWN


def classes_of(routes: Iterable[Routed], declared: Mapping[str, Mark]) -> Classes:
    """Classify all. Raises Invalid for every route without a class or with both at once.

    `declared`: marks by path; one holds for what is below its path too, unless something nearer is declared.
    """
    found = Classes()
    problems = list(_Walk(declared, found).all(routes, (), UNKNOWN._replace(access="public")))
    if problems:
        raise Invalid(problems)
    return found


class _Walk(NamedTuple):
    declared: Mapping[str, Mark]
    found: Classes

    def all(self, routes: Iterable[Routed], chain: Chain, within: RouteClass) -> Iterator[Problem]:
        for route in routes:
            own = getattr(_itself(route), "path", None)
            if hasattr(route, _INCLUDED):
                yield from self.all(children(route), (*chain, route), within)
            elif own is None:
                yield Problem("", type(route).__name__, "is chosen by something else than a path, and cannot be classified")
            else:
                yield from self._one(route, within.path + own, chain, within)

    def _one(self, route: Routed, path: str, chain: Chain, within: RouteClass) -> Iterator[Problem]:
        marks = (*_marks(route), *_declared(path, self.declared))
        accesses = {mark.access for mark in marks}
        if not accesses:
            yield Problem("", path, "carries neither PUBLIC nor PROTECTED", "mark the route, or declare it")
        elif len(accesses) > 1:
            yield Problem("", path, "carries both PUBLIC and PROTECTED", "the two are on the route itself or in what is declared")
        elif within.access == "protected" and accesses == {"public"}:
            yield Problem("", path, "is PUBLIC inside of a mount that is PROTECTED")
        else:
            whose = (*within.whose, *(_pattern(mark.principals) for mark in marks if mark.principals))
            one = RouteClass(path, accesses.pop(), whose)
            self.found.add((*chain, route), one)
            yield from self.all(children(route), (*chain, route), one)


def children(route: Routed) -> Sequence[Routed]:
    """The routes of a mount whose application has some, or of an included router."""
    if (included := getattr(route, _INCLUDED, None)) is not None:
        inner: Sequence[Routed] = included()
        return inner
    return getattr(_itself(route), "routes", None) or ()


def _itself(route: Routed) -> object:
    """The route with its whole path, where FastAPI has one that stands for another."""
    return getattr(route, "starlette_route", None) or route


def _marks(route: object) -> tuple[Mark, ...]:
    marks: tuple[Mark, ...] = getattr(getattr(route, "original_route", route), _MARKS, ())
    return marks


def _declared(path: str, declared: Mapping[str, Mark]) -> tuple[Mark, ...]:
    over = [one for one in declared if path == one or path.startswith(f"{one}/")]
    return (declared[max(over, key=len)],) if over else ()


def _pattern(principals: Iterable[str]) -> re.Pattern[str]:
    """Matches one of them, in which `*` alone stands for more than itself."""
    return re.compile("|".join(re.escape(one).replace(r"\*", ".*") for one in principals), re.DOTALL)


def chain_of(routes: Iterable[Routed], scope: Scope) -> Chain:
    """The route that an application with these routes will take, as its router chooses: the first that matches whole, else in part.

    Empty where none does.
    """
    partial: Chain = ()
    for route in routes:
        match, child = route.matches(scope)
        if match.name == "FULL" or (match.name == "PARTIAL" and not partial):
            inner = children(route)
            behind = chain_of(inner, {**scope, **child}) if inner else ()
            found = (route, *behind) if behind or not inner else ()
            if match.name == "FULL":
                return found
            partial = found
    return partial


def by_path_alone(routes: Iterable[Routed]) -> bool:
    """Whether routes are chosen by type, method and path and nothing else, as those of Starlette and FastAPI are."""
    return all(type(route).matches.__module__ in _PATH_MATCHERS and by_path_alone(children(route)) for route in routes)
