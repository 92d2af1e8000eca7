"""One login a run: made at the first request, renewed while the run lasts, revoked at its end.

For an apply, the commit and the run's id ride in the metadata of a child token, so that the server's own audit log
says which commit wrote. Where the policy does not allow child tokens, the login's own token is used.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from math import inf
from typing import Any, NamedTuple

from ...core.auth import Auth
from ...core.errors import BackendError, Unavailable
from .auth import given_token
from .faults import not_json, refusal, server_words
from .pool import Request
from .transport import Transport
from .validity import check_token

CHILD_TTL = "15m"  # a killed run's child token lives no longer; a living run renews it
_RENEW_AT = 2 / 3  # of its time: a failed renewal leaves a third to try again
_WORN_OUT = 4  # renewed for less than this fraction of its first time, a token has come to its maximum


class Grant(NamedTuple):
    """A token, when it ends by our clock, and the namespace it was made in."""

    token: str
    until: float
    renewable: bool
    namespace: str


class Login:
    """The login of one run to one instance. `token` is what a VaultClient asks at every request.

    `marks` go into the metadata of a child token; only an apply has any: reconciler_commit, reconciler_run.
    """

    def __init__(
        self,
        transport: Transport,
        auth: Auth,
        environ: Mapping[str, str],
        *,
        marks: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._auth = auth
        self._environ = environ
        self._marks = dict(marks or {})
        self._clock = clock
        self._lock = threading.Lock()
        self._given = auth.method == "token"  # not ours to revoke
        self._own: Grant | None = None
        self._child: Grant | None = None
        self._lasts = 0.0  # seconds that the login had when it was new
        self._token = ""
        self._renew_at = 0.0
        self._until = 0.0  # when the first of the tokens ends

    def token(self) -> str:
        """Return a valid token; log in or renew where needed. Raises BackendError, Unavailable."""
        if self._token and self._clock() < self._renew_at:
            return self._token
        with self._lock:  # one thread logs in or renews, the others wait for it
            if self._own is None:
                self._begin()
            elif self._clock() >= self._renew_at:
                self._renew(self._own)
            return self._token

    def forget(self, token: str) -> None:
        """Log in anew next time: the server does not know this token any more."""
        with self._lock:
            if token == self._token:
                self._own = self._child = None
                self._token = ""

    def _begin(self) -> None:
        own = self._look_up() if self._given else self._log_in()
        self._lasts = own.until - self._clock()
        self._keep(own, self._child_of(own))

    def _begin_again(self) -> None:
        try:
            self._begin()
        except Unavailable:
            raise
        except BackendError:
            if self._clock() >= self._until:
                raise
            self._renew_at = self._until  # the credential is used up (a CI job's JWT lasts minutes), the token not yet

    def _keep(self, own: Grant, child: Grant | None) -> None:
        self._own, self._child = own, child
        self._token = child.token if child else own.token
        self._until = min(own.until, child.until if child else inf)
        # At least a second, or a token near its end would be renewed at every request.
        self._renew_at = self._clock() + max((self._until - self._clock()) * _RENEW_AT, 1.0)

    def _renew(self, own: Grant) -> None:
        renewed = self._renewed(own)
        if renewed is None or (renewed.until - self._clock()) * _WORN_OUT < self._lasts:
            if not self._given:
                return self._begin_again()
            renewed = own._replace(until=inf)  # there is no other: the server will say when it is over
        child = self._child and (self._renewed(self._child) or self._child_of(renewed))
        return self._keep(renewed, child)

    def _renewed(self, grant: Grant) -> Grant | None:
        if grant.until == inf:
            return grant
        if not grant.renewable:
            return None
        try:
            renewed = self._granted(self._ask("auth/token/renew-self", {}, grant.token, grant.namespace), grant.namespace)
        except Unavailable:
            raise
        except BackendError:  # not permitted
            return None
        return None if renewed.until == inf else renewed  # 0 seconds: at its maximum

    def _child_of(self, own: Grant) -> Grant | None:
        if not self._marks:
            return None
        body = {"meta": self._marks, "display_name": "reconciler", "ttl": CHILD_TTL, "renewable": True}
        try:
            return self._granted(self._ask("auth/token/create", body, own.token, own.namespace), own.namespace)
        except Unavailable:
            raise
        except BackendError:  # not permitted, or a batch token, which can have no children
            return None

    def _look_up(self) -> Grant:
        token = given_token(self._auth, self._environ)
        namespace = self._transport.pool.connection.namespace
        try:
            answer = self._look_up_in(namespace, token)
        except BackendError as error:
            if error.status != 403:
                raise
            check_token(self._transport, token, namespace)  # it may be one that only may not look itself up
            return Grant(token, inf, False, namespace)
        found = answer["data"]
        ttl = int(found.get("ttl") or 0)
        made_in = str(found.get("namespace_path") or "").strip("/")
        return Grant(token, self._clock() + ttl if ttl else inf, bool(found.get("renewable")), made_in)

    def _look_up_in(self, namespace: str, token: str) -> dict[str, Any]:
        try:
            return self._ask("auth/token/lookup-self", None, token, namespace)
        except BackendError as error:
            if error.status != 404 or not namespace:
                raise
            # Before bootstrap the instance's namespace is not there; the root namespace answers for all tokens.
            return self._ask("auth/token/lookup-self", None, token, "")

    def _log_in(self) -> Grant:
        from .hvac_login import log_in  # hvac imports requests: only for logins that need it

        own = self._transport.pool.connection.namespace
        namespace = own if self._auth.namespace is None else self._auth.namespace.strip("/")
        answer = log_in(self._transport, self._auth, self._environ, namespace)
        grant = self._granted(answer, namespace)
        if not grant.token:
            raise BackendError(f"login by {self._auth.method}: no token came back (a login that asks for a second factor cannot be used)")
        return grant

    def _granted(self, answer: Mapping[str, Any], namespace: str) -> Grant:
        auth = answer.get("auth") or {}
        seconds = int(auth.get("lease_duration") or 0)
        return Grant(
            str(auth.get("client_token") or ""), self._clock() + seconds if seconds else inf, bool(auth.get("renewable")), namespace
        )

    def _ask(self, path: str, body: Mapping[str, Any] | None, token: str, namespace: str) -> dict[str, Any]:
        method = "GET" if body is None else "POST"
        sent = b"" if body is None else json.dumps(body).encode()
        answer = self._transport.send(Request(method, path, path, token, namespace, sent))
        if answer.status >= 300:
            raise refusal(method, path, answer.status, server_words(answer.body), "update")
        try:
            whole = json.loads(answer.body)
        except ValueError:
            whole = None
        if not isinstance(whole, dict):
            raise not_json(path, self._transport.address, answer.status)
        return whole

    def close(self) -> None:
        """Revoke what was made for this run: the login with its child, or the child of a token that was given."""
        with self._lock:
            grant = self._child if self._given else self._own
            self._own = self._child = None
            self._token = ""
        if grant:
            path = "auth/token/revoke-self"
            # Not worth a wait or a failed run: what is not revoked ends by itself.
            with suppress(BackendError):
                self._transport.send(Request("POST", path, path, grant.token, grant.namespace), patient=False)
