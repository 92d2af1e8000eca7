"""What git tells of commits: who wrote them, who else put a name to them, and whether their signatures are good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from reconciler.core.errors import ReconcilerError

from .git import Repository

_FIELD, _PART = "\x1f", "\x1e"
_TRAILERS = ("Co-authored-by", "Reviewed-by", "Approved-by", "Acked-by")
_FORGES = frozenset({"noreply@github.com"})  # commits what people merge, and is nobody
_SIGNATURES = {"G": "good", "B": "bad", "R": "bad", "N": "none"}
MOST = 500  # commits that are looked at: a program is started for each signature


class Provenance(NamedTuple):
    """One commit. People are e-mail addresses, in lower case."""

    id: str
    authors: frozenset[str]
    approvers: frozenset[str]
    """Who merged it, committed it, or stands in its trailers: authors may be among them."""
    signature: str
    """good, bad, none; unknown where this machine cannot tell."""


class _Told(NamedTuple):
    id: str
    parents: str
    signature: str
    author: str
    committer: str
    co_authors: str
    reviewed: str
    approved: str
    acked: str


def applied_between(repository: Repository, older: str, newer: str) -> list[str]:
    """The commits that one apply brought: first parents after `older` up to `newer`; without an older one, that alone.

    One more than MOST at most, which shows that there are more.
    """
    if not older or older == newer:
        return [newer]
    listed = repository.ask("rev-list", "--first-parent", f"--max-count={MOST + 1}", f"{older}..{newer}", "--")
    return listed.split() or [newer]


def provenance(repository: Repository, commits: Sequence[str]) -> Iterator[Provenance]:
    """What is known of each of these commits. Raises ReconcilerError for one that is not in the repository."""
    for told in _told(repository, commits):
        parents = told.parents.split()
        if len(parents) > 1:
            merged = _authors(repository, parents[0], told.id)
            yield Provenance(told.id, merged or _people(told.author), _approvers(told) | _people(told.author), _signature(repository, told))
        else:
            authors = _people(told.author) | _people(told.co_authors)
            yield Provenance(told.id, authors, _approvers(told), _signature(repository, told))


def _told(repository: Repository, commits: Sequence[str]) -> Iterator[_Told]:
    if not commits:
        return
    form = "%x1f".join(("%H", "%P", "%G?", "%ae", "%ce", *map(_trailer, _TRAILERS))) + "%x00"
    said = repository.ask("log", "--no-walk=unsorted", f"--format={form}", *commits, "--")
    for text in said.split("\0"):
        if text.strip():
            yield _Told(*text.lstrip("\n").split(_FIELD))


def _trailer(name: str) -> str:
    return f"%(trailers:key={name},valueonly,separator=%x1e)"


def _authors(repository: Repository, before: str, merge: str) -> frozenset[str]:
    """Who wrote what a merge brought in. The merge itself is its merger's."""
    form = f"--format=%ae%x1e{_trailer(_TRAILERS[0])}"
    listed = repository.ask("log", "--no-merges", f"--max-count={MOST}", form, f"{before}..{merge}", "--")
    return _people(listed.replace("\n", _PART))


def _approvers(told: _Told) -> frozenset[str]:
    named = (told.reviewed, told.approved, told.acked, told.committer)
    return frozenset(person for text in named for person in _people(text)) - _FORGES


def _people(text: str) -> frozenset[str]:
    """The addresses in `NAME <ADDRESS>` or `ADDRESS`, several of them."""
    return frozenset(_address(one) for one in text.split(_PART) if one.strip())


def _address(text: str) -> str:
    inside = text.partition("<")[2].partition(">")[0]
    return (inside or text).strip().lower()


def _signature(repository: Repository, told: _Told) -> str:
    found = _SIGNATURES.get(told.signature, "unknown")
    # Without the program that checks it, git says of a signature that there is none.
    return "unknown" if found == "none" and _is_signed(repository.ask("cat-file", "commit", told.id)) else found


def _is_signed(raw: str) -> bool:
    header = raw.partition("\n\n")[0]
    return any(line.startswith(("gpgsig ", "gpgsig-sha256 ")) for line in header.splitlines())


def known(repository: Repository, commits: Iterable[str]) -> tuple[list[str], list[str]]:
    """Those that the repository has, and those that it has not: rewritten away, or never fetched."""
    here, gone = [], []
    for commit in dict.fromkeys(commits):
        try:
            repository.resolve(commit)
        except ReconcilerError:
            gone.append(commit)
        else:
            here.append(commit)
    return here, gone
