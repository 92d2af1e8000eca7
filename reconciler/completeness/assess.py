"""Holds all stores against the log, secret by secret."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..audit.event import OWN
from .claims import Claim, Told
from .holdings import Held
from .match import Account, Finding, Frame, Subject, settle

BROUGHT_BACK = "restore.first"
Key = tuple[str, str]
"""A store, and a path as the log has it."""


@dataclass(frozen=True)
class Completeness:
    """What was found. `unread`: what could not be looked at, and so is not known to be complete."""

    begin: str
    accounts: Mapping[str, Account]
    unread: tuple[Held, ...] = ()
    elsewhere: int = 0
    """Writes to stores that are not declared any more."""
    paths: Mapping[str, int] = field(default_factory=dict)

    @property
    def findings(self) -> list[Finding]:
        return [one for account in self.accounts.values() for one in account.findings]

    @property
    def ok(self) -> bool:
        """Whether each version has its outcome and each outcome its version, as far as the log goes. What was not read is not."""
        return not self.findings and not self.unread


def assess(
    held: Sequence[Held],
    told: Told,
    clean: Callable[[str], str],
    homes: Callable[[str, str], frozenset[str]],
) -> Completeness:
    """`clean`: the log's redaction. `homes`: the declared objects, as the log names them, that a secret goes away with."""
    stores = {one.store for one in held}
    claims: dict[Key, list[Claim]] = {}
    for claim in sorted(told.claims, key=lambda one: one.begun):
        claims.setdefault((claim.store, claim.path), []).append(claim)
    groups: dict[Key, list[Held]] = {}
    for one in held:
        if one.path and not one.unread:
            groups.setdefault((one.store, clean(one.path)), []).append(one)
    accounts = {store: Account() for store in sorted(stores)}
    frame = Frame(told.begin, told.absent)
    for key, secrets in groups.items():
        alive = _since_removed(claims.get(key, ()), told, homes(key[0], secrets[0].path))
        for one, share in zip(secrets, _shares(alive, len(secrets)), strict=True):
            versions = [version._replace(id=_as_logged(version.id, clean)) for version in one.versions]
            settle(Subject(one.store, one.path), versions, share, frame, accounts[one.store])
    return Completeness(
        told.begin,
        accounts,
        tuple(one for one in held if one.unread),
        sum(claim.store not in stores for claim in told.claims),
        {store: sum(one.store == store and bool(one.versions) for one in held) for store in accounts},
    )


def _as_logged(version: str, clean: Callable[[str], str]) -> str:
    return version if OWN["ver_to"].fullmatch(version) else clean(version)


def unheld(held: Iterable[Held], told: Told, clean: Callable[[str], str]) -> set[Key]:
    """What the log tells of and no store has listed."""
    listed = {(one.store, clean(one.path)) for one in held}
    return {(one.store, one.path) for one in told.claims} - listed


def _since_removed(claims: Sequence[Claim], told: Told, homes: frozenset[str]) -> list[Claim]:
    """What is told after the secret was last taken away with all its versions: a store then counts from one again."""
    last = max((one.at for one in told.removals if one.resource in homes), default="")
    # The store was lost with all versions, too, where a backup brought back a first one.
    anew = max((one.begun for one in claims if one.action == BROUGHT_BACK and one.outcome != "failed"), default="")
    return [one for one in claims if one.begun > last and one.begun >= anew]


def _shares(claims: Sequence[Claim], count: int) -> list[list[Claim]]:
    """Claims of secrets whose paths the log cannot tell apart, since it redacts them: one for each version of each."""
    if count == 1:
        return [list(claims)]
    shares: list[list[Claim]] = [[] for _ in range(count)]
    seen: dict[str, int] = {}
    for one in claims:
        turn = seen[one.version] = seen.get(one.version, -1) + 1
        shares[turn % count].append(one)
    return shares
