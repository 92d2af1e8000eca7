"""A kind is a value: how one sort of thing is read, compared, written and named.

Adding a kind is one file in `kinds/`, one line in `KINDS`, and an example in `desired-state/`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

from .change import Change
from .complying import Complying
from .resource import S, Spec
from .secret import Reveal, Secret
from .stores import Stores

C = TypeVar("C")
Find = Callable[[str, str], Spec | None]
"""(kind, name) -> the spec that the commit declares at home; None where it declares none."""


class Beside(NamedTuple):
    """What is declared beside an object: the commit's others, and what the environment says."""

    find: Find
    stores: Stores
    interval_days: float
    """Of rotation policies that name none."""
    complying: Complying


class Live(NamedTuple, Generic[S]):
    """One object as the server has it. `version` is for check-and-set; `attributes` for references; neither is compared.

    `held`: write-only fields of which the server says whether it has a value.
    """

    spec: S
    version: str = ""
    attributes: Mapping[str, str] = {}
    held: Mapping[str, bool] = {}


class Gap(NamedTuple):
    """Names that could not be read: one name, or every name below a prefix that is empty or ends in "/"."""

    prefix: str
    path: str  # what was asked
    capability: str  # what the login lacks there
    reason: str = ""

    def covers(self, name: str) -> bool:
        return name == self.prefix or ((not self.prefix or self.prefix.endswith("/")) and name.startswith(self.prefix))


class Ref(NamedTuple):
    """A name in a spec that another object must carry."""

    field: str
    kind: str
    name: str
    soft: bool = False  # orders, may dangle, dropped in a cycle
    within: bool = False  # the target is the longest name that this path starts with (a mount)
    hint: bool = False  # orders declared objects only; naming nothing is no finding (an ARN of another account)


class Names(NamedTuple):
    """What a reading must answer for: each wanted name is returned, absent, or inside a gap."""

    wanted: frozenset[str]
    mounts: tuple[str, ...] = ()  # desired mount paths of this place, without trailing slash
    everything: bool = False  # read all that can be listed, not only what is wanted


class Reading(NamedTuple, Generic[S]):
    """The live objects of one kind in one place. `seen`: names that exist but were not read."""

    live: Mapping[str, Live[S]]
    gaps: tuple[Gap, ...] = ()
    seen: frozenset[str] = frozenset()


def _no_refs(_name: str, _spec: Any) -> Iterable[Ref]:
    return ()


def _no_problems(_name: str, _spec: Any) -> Iterable[str]:
    return ()


def _stands_alone(_name: str, _spec: Any, _others: Any) -> Iterable[str]:
    return ()


def _as_written(name: str) -> str:
    return name


def _live_as_it_is(_desired: Any, live: Any) -> Any:
    return live


def _never(_live: Any, _desired: Any) -> bool:
    return False


def _nothing_lost(_name: str, _spec: Any) -> str:
    return ""


def _asks_nothing(_live: Any) -> Iterable[str]:
    return ()


def _spelled_so(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    return fields


@dataclass(frozen=True, slots=True)
class Kind(Generic[S, C]):
    """How one sort of thing is managed. See the fields."""

    name: str
    backend: str
    """vault | aws | secrets | ledger: what sort of client `read` and `write` take."""
    spec: type[S]
    read: Callable[[C, Names], Reading[S]]
    write: Callable[[C, Change[S], Reveal], None]
    """Make live equal to `change.after` (whole), or delete. Returns when a read would show the effect."""
    refs: Callable[[str, S], Iterable[Ref]] = _no_refs
    check: Callable[[str, S], Iterable[str]] = _no_problems
    """What is wrong with a declared name and spec, beyond what the model says: one sentence a problem."""
    fits: Callable[[str, S, Find], Iterable[str]] = _stands_alone
    """What is wrong with a declared object beside the others that the commit declares."""
    suits: Callable[[str, S, Beside], Iterable[str]] = _stands_alone
    """What is wrong with a declared object in its environment."""
    claims: Callable[[str, S], Iterable[str]] = _no_problems
    """What only one declared object can have, in words ("route /webhooks/github")."""
    fold: Callable[[str], str] = _as_written
    """The server's spelling of a name. A declared name that is not its own fold is an error."""
    align: Callable[[S, S], S] = _live_as_it_is
    """(desired, live) -> live, as far as desired speaks of it."""
    builtin: tuple[str, ...] = ()
    """Globs of names that the server itself makes: they exist, and are never ours."""
    immutable: frozenset[str] = frozenset()
    """Fields that cannot be changed on a living object: a change is a replace."""
    one_way: frozenset[str] = frozenset()
    """Booleans that can be switched on but never off: switching off is a replace."""
    replaces: Callable[[S, S], bool] = _never
    """(live, desired): a change that is a replace for another reason (a KV mount cannot go back to version 1)."""
    runtime: frozenset[str] = frozenset()
    """Fields (default None) that the server moves by itself: compared only when declared."""
    kept: frozenset[str] = frozenset()
    """Fields that no server returns (a delete's waiting time): the last applied value counts as live."""
    loses: Callable[[str, S], str] = _nothing_lost
    """What a delete destroys for good, in words; empty where it can be made again from git."""
    lowers: frozenset[str] = frozenset()
    """Numbers whose lowering is irreversible."""
    undeletable: str = ""
    """Why the server cannot delete it: removing it from git then forgets it, with this note."""
    stays: Callable[[str, S], str] = _nothing_lost
    """The same, where it holds for some objects of the kind alone."""
    asks: Callable[[S], Iterable[str]] = _asks_nothing
    """(live) -> write-only fields that surely have a value there, though no server says so: adopting it asks for their sources."""
    spell: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _spelled_so
    """(fields of a living object that differ from their default) -> as people write them, without what is not theirs to declare."""
    paths: tuple[str, ...] = ()
    """Where on the API its objects are written, as policies name paths; `{mount}`: a mount that names start with, `{name}`: a name."""
    looks: tuple[str, ...] = ()
    """Where else a reading looks. Bootstrap gives the logins what these two say, and nothing more."""
    mount: bool = False
    """Names of this kind are mount paths that other names may start with."""
    declared: bool = False
    """No remote system: live is what was last applied, kept in the ledger."""
    secrets: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        annotated = self.spec.model_fields.items()
        object.__setattr__(self, "secrets", frozenset(name for name, shape in annotated if _holds_secret(shape.annotation)))

    def is_builtin(self, name: str) -> bool:
        return bool(self.builtin and _any_of(self.builtin).match(name))


@cache
def _any_of(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, globs)))


def _holds_secret(annotation: Any) -> bool:
    return annotation is Secret or any(_holds_secret(part) for part in getattr(annotation, "__args__", ()))


AnyKind = Kind[Any, Any]
Kinds = Mapping[str, AnyKind]


def registry(kinds: Iterable[AnyKind]) -> Kinds:
    """Kinds by name. Two kinds of one name are a mistake in the program."""
    by_name: dict[str, AnyKind] = {}
    for kind in kinds:
        if kind.name in by_name:
            raise ValueError(f"kind {kind.name} is registered twice: {by_name[kind.name].spec} and {kind.spec}")
        by_name[kind.name] = kind
    return by_name


__all__ = ["AnyKind", "Find", "Gap", "Kind", "Kinds", "Live", "Names", "Reading", "Ref", "Spec", "registry"]
