"""Proof by a token that Vault is asked about: its own, or a JWT that it takes. The answer is kept for a moment."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

from ..core.values import visible
from .asgi import Scope, header_values
from .scope import Principal

KEPT_SECONDS = 10.0  # how long a token that was revoked may still be taken
MOST_KEPT = 4096
MOST_AT_ONCE = 8  # questions to Vault: a flood of made-up tokens waits for itself

# A JWT begins with `{"` in base64url, which is `ey`; Vault's own tokens can have three parts too. No JWT is shown to Vault.
_JWT = re.compile(r"ey[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_TOKEN = re.compile(rb"[\x21-\x7e]{1,8192}")

LookUp = Callable[[str], Awaitable[Principal | None]]
"""Asks Vault whose a token is; None for one that it does not know. Raises BackendError where it does not answer."""


class Bearers(NamedTuple):
    """What a request shows: at most one of each sort."""

    vault: str = ""
    jwt: str = ""


def bearers_of(scope: Scope) -> Bearers:
    """Return the token of `X-Vault-Token`, or of `Authorization: Bearer`; nothing for a header that is there twice or odd."""
    own, general = header_values(scope, b"x-vault-token"), header_values(scope, b"authorization")
    if len(own) > 1 or len(general) > 1:
        return Bearers()
    bearer = ""
    if general:
        scheme, _, text = general[0].partition(b" ")
        bearer = _plain(text.strip(b" ")) if scheme.lower() == b"bearer" else ""
    if _JWT.fullmatch(bearer):
        return Bearers(_plain(own[0]) if own else "", bearer)
    return Bearers(_plain(own[0]) if own else bearer)


def _plain(text: bytes) -> str:
    return text.decode() if _TOKEN.fullmatch(text) else ""


class _Kept(NamedTuple):
    """An answer of Vault. The principal is kept without the token, which whoever asks brings again."""

    until: float
    principal: Principal | None
    bears: bool  # its token


class VaultTokens:
    """A Proof. Each token is looked up once in a few seconds; what is kept of it is a hash, beside the principal.

    `shown`: which of a request's tokens is meant: Vault's own, or `Bearers.jwt`, where `look_up` asks about those.
    """

    def __init__(
        self,
        look_up: LookUp,
        *,
        shown: Callable[[Bearers], str] = attrgetter("vault"),
        seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look_up = look_up
        self._shown = shown
        self._seconds = seconds
        self._clock = clock
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()
        self._free = asyncio.Semaphore(MOST_AT_ONCE)

    async def __call__(self, scope: Scope) -> Principal | None:
        token = self._shown(bearers_of(scope))
        return await self.whose(token) if token else None

    async def whose(self, token: str) -> Principal | None:
        """Whose a token is, however it came."""
        key = hashlib.sha256(token.encode()).digest()
        kept = self._kept.get(key)
        if kept is not None and self._clock() < kept.until:
            return replace(kept.principal, token=token) if kept.principal is not None and kept.bears else kept.principal
        async with self._free:
            principal = await self._look_up(token)
        bare = None if principal is None else replace(principal, token="")
        self._kept[key] = _Kept(self._clock() + self._seconds, bare, principal is not None and bool(principal.token))
        self._kept.move_to_end(key)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return principal

    def forget(self, token: str) -> None:
        """After its owner has logged out."""
        self._kept.pop(hashlib.sha256(token.encode()).digest(), None)


def vault_principal(answer: Mapping[str, Any], token: str) -> Principal:
    """The principal of a token, from what `auth/token/lookup-self` answers: its display name, and what tells it from others of it."""
    policies = {*(answer.get("policies") or ()), *(answer.get("identity_policies") or ())}
    name = f"{answer.get('display_name') or 'token'}/{answer.get('entity_id') or answer.get('accessor') or ''}"
    return Principal("vault", visible(name), tuple(sorted(map(str, policies))), token)
