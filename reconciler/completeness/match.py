"""Decides which version is which write's. Pure: of one secret at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from ..secrets.store import Version
from .claims import Claim, Period

CLOCKS = timedelta(minutes=5)  # what the clock of a store and ours may be apart
LONGEST_WRITE = timedelta(minutes=2)  # from an intent to what it makes: requests give up long before

Sort = Literal["out of band", "double", "missing"]


class Finding(NamedTuple):
    """One thing that does not fit."""

    sort: Sort
    store: str
    path: str
    version: str
    made: str
    message: str
    entries: tuple[int, ...] = ()
    """The lines of the log that speak of it."""


class Unsure(NamedTuple):
    """A version that may be of a write whose answer was lost, or that failed."""

    store: str
    path: str
    version: str
    made: str
    action: str
    entry: int


@dataclass
class Account:
    """What became of the versions and writes of one store."""

    versions: int = 0
    matched: int = 0
    before: int = 0
    archived: int = 0
    undated: int = 0
    gone: int = 0
    findings: list[Finding] = field(default_factory=list)
    unsure: list[Unsure] = field(default_factory=list)


class Frame(NamedTuple):
    """What the log covers."""

    begin: str
    absent: Sequence[Period] = ()


class Span(NamedTuple):
    """`latest`: a moment after which it was not made; empty: none is known. `within`: it was made since the log began, for certain."""

    latest: str
    within: bool


class Subject(NamedTuple):
    """One secret in one store, by the path that people know."""

    store: str
    path: str


def settle(subject: Subject, versions: Sequence[Version], claims: Sequence[Claim], frame: Frame, account: Account) -> None:
    """Account for every version, newest first, and every claim of one secret."""
    account.versions += len(versions)
    named = _by_version(claims)
    left: list[Version] = []
    for version in versions:
        said = named.pop(version.id, [])
        if not said:
            left.append(version)
        else:
            flaws = list(_judged(subject, version, said, claims))
            account.findings += flaws
            account.matched += not flaws
    vague = [one for one in claims if not _is_named(one)]
    spans = _spans(versions, {one.version for one in claims if _is_named(one)}, frame.begin)
    # Those of which nobody knows any more when they were made come last: of what is left over.
    for version in sorted(left, key=lambda one: not one.made):
        _account_for(subject, version, spans[version.id], vague, frame, account)
    for id, said in named.items():
        if _is_gone(id, said, versions, claims):
            account.gone += 1
        else:
            account.findings.append(_missing(subject, id, said, gone=not versions))


def _by_version(claims: Sequence[Claim]) -> dict[str, list[Claim]]:
    found: dict[str, list[Claim]] = {}
    for one in claims:
        if _is_named(one):
            found.setdefault(one.version, []).append(one)
    return found


def _is_named(claim: Claim) -> bool:
    # A version that stands in brackets was redacted: which it was is not known any more.
    return claim.outcome == "applied" and bool(claim.version) and not claim.version.startswith("[")


def _judged(subject: Subject, version: Version, said: Sequence[Claim], claims: Sequence[Claim]) -> Iterator[Finding]:
    entries = tuple(one.entry for one in said)
    if len({_attempt(one) for one in said}) > 1:
        who = ", ".join(sorted({one.action for one in said}))
        yield Finding("double", *subject, version.id, version.made, f"{len(said)} outcomes name it ({who})", entries)
    elif version.made and not any(_within(version.made, _first_begun(one, claims), one.ended) for one in said):
        message = f"it was made at {version.made}, and the outcome that names it is of {said[0].ended[:19]}Z"
        yield Finding("out of band", *subject, version.id, version.made, message, entries)


def _attempt(claim: Claim) -> tuple[str, ...]:
    """Several rotators that go on with one rotation may each see that its write was done: that is one write."""
    return (claim.rid, claim.action) if _is_of_rotation(claim) else (str(claim.entry), claim.begun)


def _first_begun(claim: Claim, claims: Sequence[Claim]) -> str:
    """When the rotation first tried: what an attempt left behind, a later one makes good."""
    earlier = [one.begun for one in claims if _is_of_rotation(claim) and (one.rid, one.action) == (claim.rid, claim.action)]
    return min([claim.begun, *earlier])


def _is_of_rotation(claim: Claim) -> bool:
    return bool(claim.rid) and claim.action.startswith("rotation.")


def _within(made: str, begun: str, ended: str) -> bool:
    moment = _moment(made)
    return _moment(begun) - CLOCKS <= moment <= _moment(ended) + CLOCKS


def _account_for(subject: Subject, version: Version, span: Span, vague: list[Claim], frame: Frame, account: Account) -> None:
    """Of a version that no outcome names."""
    lost = next((one for one in vague if _may_have_made(one, version)), None)
    if lost is not None:
        vague.remove(lost)
        if lost.outcome == "applied":
            account.matched += 1
        else:
            account.unsure.append(Unsure(*subject, version.id, version.made, lost.action, lost.entry))
    elif not frame.begin or (span.latest and span.latest < frame.begin[:19]):
        account.before += 1
    elif version.made and any(one.begun[:19] <= version.made[:19] <= one.ended[:19] for one in frame.absent):
        account.archived += 1
    elif version.made or span.within:
        account.findings.append(Finding("out of band", *subject, version.id, version.made, "no outcome in the audit log names it"))
    else:
        account.undated += 1


def _may_have_made(claim: Claim, version: Version) -> bool:
    """Whether a write of which the log does not say the version may have made this one."""
    # What an encrypted store keeps of a delete is a version without a value.
    is_delete = claim.action.endswith(".delete") and not version.readable
    if claim.outcome == "applied":
        is_told = bool(claim.version) or is_delete
        return is_told and (_within(version.made, claim.begun, claim.ended) if version.made else is_delete)
    if claim.outcome == "failed" and version.readable:
        return False  # a store that cannot take back what it was given only hides it
    if not version.made:
        return claim.outcome != "failed"
    begun = _moment(claim.begun)
    return begun - CLOCKS <= _moment(version.made) <= begun + LONGEST_WRITE + CLOCKS


def _spans(versions: Sequence[Version], named: Collection[str], begin: str) -> dict[str, Span]:
    """What is known of when each was made, by those beside it: a store tells nothing of one that was destroyed."""
    found: dict[str, Span] = {}
    latest = ""
    for version in versions:
        latest = version.made or latest
        found[version.id] = Span(latest[:19], within=False)
    within = False
    for version in reversed(versions):
        found[version.id] = found[version.id]._replace(within=within)
        within = within or version.id in named or (bool(version.made) and version.made[:19] >= begin[:19])
    return found


def _is_gone(id: str, said: Sequence[Claim], versions: Sequence[Version], claims: Sequence[Claim]) -> bool:
    """Whether a store that keeps a number of versions has let it go, since later ones are there, or the secret was deleted."""
    last = max(one.begun for one in said)
    if not versions:  # in AWS; where versions are numbers, a delete takes none away
        return not id.isdigit() and any(one.action.endswith(".delete") and one.outcome == "applied" and one.begun > last for one in claims)
    ids = [one.id for one in versions]
    if id.isdigit() and all(one.isdigit() for one in ids):
        return int(id) < min(map(int, ids))
    return any(one.begun > last and one.version in ids for one in claims)


def _missing(subject: Subject, id: str, said: Sequence[Claim], *, gone: bool) -> Finding:
    one = said[-1]
    what = "the store has no version of it at all" if gone else "the store has no such version"
    message = f"{one.action} of {one.ended[:19]}Z names it, and {what}"
    return Finding("missing", *subject, id, "", message, tuple(claim.entry for claim in said))


def _moment(text: str) -> datetime:
    """To the second; what is no moment is the beginning of time, and so fits nothing."""
    try:
        return datetime.fromisoformat(text[:19])
    except ValueError:
        return datetime(1970, 1, 2)
