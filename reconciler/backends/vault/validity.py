"""Tell a token that is not valid from one that may not do something: Vault answers 403 to both."""

from __future__ import annotations

import time
from collections.abc import Callable

from ...core.errors import BackendError, Unavailable
from .pool import Request
from .transport import Transport

KNOWN_SECONDS = 10.0  # after which a token may have been revoked; whole mounts may be closed to a valid one, so not at each 403

Refused = Callable[[str], object]
"""Told of a token that the server does not know."""


def nobody_cares(_token: str) -> None: ...


def looks_invalid(words: str) -> bool:
    """Say whether a 403 reads as one to an unknown token: refusals by policy are wrapped ("1 error occurred: ...")."""
    return "invalid token" in words or "bad token" in words or words.startswith("permission denied")


def check_token(transport: Transport, token: str, namespace: str) -> None:
    """Raise BackendError if the token is not valid. One request, which every valid token may make."""
    path = "sys/internal/ui/namespaces"
    if transport.send(Request("GET", path, path, token, namespace)).status == 403:
        remedy = "it is wrong, expired or revoked: set VAULT_TOKEN anew, or run `bao login`"
        raise BackendError(f"{transport.address}: the Vault token is not valid ({remedy})", path=path, status=403)


class Tokens:
    """Which tokens the server knew a moment ago. `refused` is told of those that it does not know."""

    def __init__(self, refused: Refused) -> None:
        self._refused = refused
        self._known: dict[str, float] = {}

    def check(self, transport: Transport, token: str, namespace: str) -> None:
        """Raise BackendError if the token is not valid."""
        now = time.monotonic()
        if token in self._known and now - self._known[token] < KNOWN_SECONDS:
            return
        try:
            check_token(transport, token, namespace)
        except Unavailable:
            raise
        except BackendError:
            self._refused(token)
            raise
        self._known[token] = now
