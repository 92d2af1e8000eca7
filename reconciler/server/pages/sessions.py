"""Sessions: a Vault token each, in memory, sealed with a key that only the cookie of its owner has."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from ...edge.asgi import Scope, header_values
from ...edge.scope import Principal

IDLE_SECONDS = 900.0  # a screen that somebody left
LONGEST_SECONDS = 8 * 3600.0  # a working day
MOST_SESSIONS = 1000
_NONCE = 12
_PLACE = "/ui"


@dataclass(slots=True)
class _Session:
    sealed: bytes
    until: float
    used: float


class Sessions:
    """One event loop's; not safe in threads. What is kept of a cookie is a hash, and what is kept of a token nobody opens without it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[bytes, _Session] = OrderedDict()

    def begin(self, token: str) -> str:
        """Keep a token; return the text of the cookie that opens it."""
        cookie, now = secrets.token_urlsafe(32), self._clock()
        nonce = os.urandom(_NONCE)
        sealed = nonce + ChaCha20Poly1305(_derived(cookie, b"key")).encrypt(nonce, token.encode(), None)
        self._kept[_derived(cookie, b"name")] = _Session(sealed, now + LONGEST_SECONDS, now)
        if len(self._kept) > MOST_SESSIONS:
            self._kept.popitem(last=False)
        return cookie

    def token(self, cookie: str) -> str:
        """The token of a session; "" where there is none, or none any more."""
        name, now = _derived(cookie, b"name"), self._clock()
        found = self._kept.get(name)
        if found is None:
            return ""
        if now >= min(found.until, found.used + IDLE_SECONDS):
            del self._kept[name]
            return ""
        found.used = now
        self._kept.move_to_end(name)
        opened = ChaCha20Poly1305(_derived(cookie, b"key")).decrypt(found.sealed[:_NONCE], found.sealed[_NONCE:], None)
        return opened.decode()

    def end(self, cookie: str) -> None:
        self._kept.pop(_derived(cookie, b"name"), None)


def _derived(cookie: str, purpose: bytes) -> bytes:
    """One of several keys of a cookie, which has 256 random bits: none tells of another."""
    return hmac.digest(cookie.encode(), purpose, hashlib.sha256)


def form_token(cookie: str) -> str:
    """What forms of a session carry, and pages of others cannot know."""
    return _derived(cookie, b"form").hex()


def cookie_name(scope: Scope) -> str:
    """Over TLS one that nothing but this host, over TLS, can have set."""
    return "__Host-reconciler" if scope["scheme"] == "https" else "reconciler"


def cookie_of(scope: Scope) -> str:
    """The cookie that a request shows; "" for none, or for one that is there twice."""
    shown = header_values(scope, b"cookie")
    if len(shown) != 1 or shown[0].count(cookie_name(scope).encode() + b"=") != 1:
        return ""
    try:
        found = SimpleCookie(shown[0].decode("latin-1")).get(cookie_name(scope))
    except CookieError:
        return ""
    return found.value if found else ""


class SessionProof:
    """A Proof of who asks for a page. On other paths the cookie proves nothing."""

    def __init__(self, sessions: Sessions, whose: Callable[[str], Awaitable[Principal | None]]) -> None:
        self._sessions = sessions
        self._whose = whose

    async def __call__(self, scope: Scope) -> Principal | None:
        if scope["type"] != "http" or not is_page(scope["path"]):
            return None
        cookie = cookie_of(scope)
        token = self._sessions.token(cookie) if cookie else ""
        return await self._whose(token) if token else None


def is_page(path: str) -> bool:
    return path == _PLACE or path.startswith(f"{_PLACE}/")
