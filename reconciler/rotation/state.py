"""The state of one secret's rotation: one document beside the secret, at `_rotation/PATH` of the same store.

It holds the pending value too, so that a value is recorded before any target sees it. It is replaced by check-and-set
only; `serial` counts its writes, and is the fence behind which targets are changed.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from ..core.errors import ReconcilerError

FOLDER = "_rotation/"
"""Where the documents lie. The place is derived, never read from a secret's metadata, which others may write."""
KEY = "state"
EPOCH = 1 << 40
"""One restore of the store: fences of the time before must be lower than all that follow."""

Pairs = tuple[tuple[str, str], ...]


class Phase(StrEnum):
    """Where a rotation stands. HELD is not among them: any phase can be held."""

    IDLE = "IDLE"
    STAGED = "STAGED"
    APPLIED = "APPLIED"
    VALIDATED = "VALIDATED"
    CANARY = "CANARY"
    PROMOTING = "PROMOTING"
    OVERLAP = "OVERLAP"
    RETIRING = "RETIRING"
    ABORTING = "ABORTING"
    ROLLING_BACK = "ROLLING_BACK"
    CONFLICT = "CONFLICT"
    ORPHANED = "ORPHANED"


UNPROMOTED = frozenset({Phase.STAGED, Phase.APPLIED, Phase.VALIDATED, Phase.CANARY})
"""Phases in which no pass can be about to write the secret itself."""
ACTIVE = UNPROMOTED | {Phase.PROMOTING, Phase.ABORTING, Phase.ROLLING_BACK}
"""Phases that count against the caps: the rest only waits."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A value that the document keeps. It never shows itself."""

    pairs: Pairs = field(repr=False)
    version: str = ""
    """The version of the secret that holds or held it."""
    identity: str = ""
    """Whom it logs in as, where that outlives one value (a database user); else empty."""
    fp: str = field(default="", compare=False)
    """A keyed HMAC, for the log. Values themselves are compared: a lost key must not stop a rotation."""

    @property
    def value(self) -> dict[str, str]:
        return dict(self.pairs)

    def same(self, other: Kept | None) -> bool:
        """Whether both are one value."""
        return other is not None and self.pairs == other.pairs

    def shadows(self, other: Kept) -> bool:
        """Whether ending `other` would end this one too."""
        return self.same(other) or bool(self.identity and self.identity == other.identity)


def kept(value: Mapping[str, str], version: str = "", identity: str = "", fp: str = "") -> Kept:
    return Kept(tuple(sorted(value.items())), version, identity, fp)


class Step(NamedTuple):
    """One stage of a staged rollout, as the policy had it when the rotation began."""

    name: str
    seconds: int
    percent: int


class Terms(NamedTuple):
    """What the policy said when the rotation began: an edit takes effect at the next one."""

    steps: tuple[Step, ...] = ()
    overlap: int = 0
    checked: bool = False
    """Validation must pass before anything is promoted."""
    both: bool = True
    """The target accepts the old and the new value at once."""
    tested: bool = False
    """The target can be asked whether it accepts a value."""
    ends: bool = False
    """The old value is ended on a target; without one, it ends with its last reader."""
    undoes: bool = True
    """A value that was applied can be taken back; a version of a key cannot."""
    cache: int = 0
    """How long consumers keep what they read, in seconds."""
    budget: int = 5


class Stage(NamedTuple):
    """The stage that a rollout is in."""

    name: str
    percent: int
    entered: int
    until: int


UNSAID = Terms()


@dataclass(frozen=True, slots=True)
class State:
    """One document, and `document_version`, by which the store replaces it (empty: there is none yet). Times: epoch seconds."""

    serial: int = 0
    phase: Phase = Phase.IDLE
    entered: int = 0
    """The serial at which the phase was entered."""
    rid: str = ""
    attempt: int = 0
    reason: str = ""
    requested_by: str = ""
    commit: str = ""
    policy_hash: str = ""
    strategy: str = ""
    terms: Terms = UNSAID
    old_version: str = ""
    old_fp: str = ""
    target: str = ""
    pending: Kept | None = None
    previous: Kept | None = None
    known_ids: tuple[str, ...] = ()
    doomed: tuple[str, ...] = ()
    strays: tuple[Kept, ...] = ()
    """Logins of ours that nobody needs when this rotation is over, and that may still be good."""
    stage: Stage | None = None
    checks: str = ""
    new_version: str = ""
    overlap_until: int = 0
    started: int = 0
    not_before: int = 0
    """Until then consumers may still have a value that is taken back: it must stay good."""
    promoted: int | None = None
    """When readers were given the new value."""
    last_rotated: int | None = None
    failures: int = 0
    backoff_until: int = 0
    hold: str = ""
    exposed: tuple[Kept, ...] = ()
    """What others know, each until a probe says that it is refused. While there is any, nothing waits."""
    alarmed: int | None = None
    """When somebody first said so."""
    again: bool = False
    """Another rotation follows at once, since the alarm came when this one could not be what answers it."""
    excused: bool = False
    """What is taken back is taken back because a person wished so: it is no failure."""
    restore_epoch: int = 0
    document_version: str = field(default="", compare=False)

    @property
    def fence(self) -> int:
        return self.restore_epoch * EPOCH + self.serial

    @property
    def entered_fence(self) -> int:
        return self.restore_epoch * EPOCH + self.entered

    @property
    def word(self) -> str:
        """The phase as people are told it."""
        return "HELD" if self.hold else self.phase.value


def sibling(path: str) -> str:
    """Where the document of a secret lies."""
    return FOLDER + path


_WRITTEN = {"old_version": "base_version", "old_fp": "base_fp"}
_TIMES = frozenset({"overlap_until", "started", "not_before", "promoted", "last_rotated", "backoff_until", "alarmed"})
_TUPLES = frozenset({"known_ids", "doomed"})
_VALUES = frozenset({"exposed", "strays"})


def write_state(state: State) -> dict[str, str]:
    """The document as the store keeps it."""
    body: dict[str, Any] = {"v": 1}
    for one in dataclasses.fields(state):
        value = getattr(state, one.name)
        if one.name == "document_version" or value == one.default:
            continue
        body[_WRITTEN.get(one.name, one.name)] = _plain(one.name, value)
    return {KEY: json.dumps(body, separators=(",", ":"), ensure_ascii=False)}


def _plain(name: str, value: Any) -> Any:
    if name in _VALUES:
        return [_plain("", one) for one in value]
    if isinstance(value, Kept):
        return {"value": value.value, "version": value.version, "identity": value.identity, "fp": value.fp}
    if isinstance(value, Terms):
        return {**value._asdict(), "steps": [step._asdict() for step in value.steps]}
    if isinstance(value, Stage):
        return {**value._asdict(), "pct": value.percent, "entered": iso(value.entered), "until": iso(value.until)}
    return iso(value) if name in _TIMES and value is not None else value


def read_state(document: Mapping[str, str], version: str, path: str = "") -> State:
    """Read a document. Raises ReconcilerError where it is not one, without what it holds."""
    try:
        body = dict(json.loads(document[KEY]).items())
        named = {one.name: _WRITTEN.get(one.name, one.name) for one in dataclasses.fields(State)}
        fields = {name: _read(name, body[written]) for name, written in named.items() if written in body}
        return State(**{**fields, "document_version": version})
    except (KeyError, TypeError, ValueError, AttributeError):
        where = sibling(path)
        raise ReconcilerError(
            f"{where} is not the state of a rotation (was it written by hand? `rotate adopt {path}` begins anew)"
        ) from None


def _read(name: str, value: Any) -> Any:
    if name == "phase":
        return Phase(value)
    if name in ("pending", "previous"):
        return _kept(value)
    if name in _VALUES:
        return tuple(_kept(one) for one in value)
    if name == "terms":
        return Terms(**{**value, "steps": tuple(Step(**step) for step in value["steps"])})
    if name == "stage":
        return Stage(value["name"], value["percent"], seconds(value["entered"]), seconds(value["until"]))
    if name in _TUPLES:
        return tuple(value)
    return seconds(value) if name in _TIMES else value


def _kept(value: Mapping[str, Any]) -> Kept:
    return kept(value["value"], value["version"], value["identity"], value["fp"])


def iso(moment: int) -> str:
    """Epoch seconds as people read them."""
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> int:
    """Epoch seconds of an ISO moment."""
    return int(datetime.datetime.fromisoformat(text).timestamp())
