"""The login calls of hvac, sent over our own transport.

So they have the same TLS options, proxies, safe redirects and retries as everything else, and the environment variables
that hvac and requests would read by themselves are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps, loads
from typing import Any, NamedTuple

import hvac

from ...core.auth import Auth
from ...core.errors import BackendError
from .auth import fetch
from .faults import not_json, server_words
from .github import identity_token
from .pool import Request
from .transport import Transport


class _Reply(NamedTuple):
    """The part of requests.Response that hvac looks at."""

    content: dict[str, Any]
    ok: bool = True
    status_code: int = 200

    def json(self) -> dict[str, Any]:
        return self.content


class _Session:
    """The part of requests.Session that hvac uses."""

    verify = True
    proxies = None

    def __init__(self, transport: Transport, auth: Auth, namespace: str) -> None:
        self._transport = transport
        self._auth = auth
        self._namespace = namespace
        self.cert = transport.pool.connection.tls[2:4]  # hvac asks only whether there is one

    def request(self, *, method: str, url: str, json: Mapping[str, Any], **_requests_options: object) -> _Reply:
        path = url.partition("/v1/")[2]
        sent = dumps(json).encode()
        answer = self._transport.send(Request(method.upper(), path, path, namespace=self._namespace, body=sent))
        if answer.status != 200:
            raise self._refused(answer.status, server_words(answer.body, json))
        try:
            return _Reply(loads(answer.body))
        except ValueError:
            raise not_json(path, self._transport.address, answer.status) from None

    def _refused(self, status: int, words: str) -> BackendError:
        auth = self._auth
        role = f" as role {auth.role}" if auth.role else ""
        remedy = "check `auth` in the environment file: mount, role, audience, credentials, and the namespace of the mount"
        text = f"login by {auth.method} at auth/{auth.path}{role} was refused: {words or f'status {status}'}"
        return BackendError(f"{self._transport.address}: {text} ({remedy})", path=f"auth/{auth.path}/login", status=status)


def log_in(transport: Transport, auth: Auth, environ: Mapping[str, str], namespace: str) -> dict[str, Any]:
    """Log in and return the server's answer. Raises BackendError, Unavailable."""
    purpose = f"login by {auth.method}"
    # With an address and an empty token hvac does not look into the environment for them.
    methods = hvac.Client(url=transport.address, token="", session=_Session(transport, auth, namespace)).auth
    answer: dict[str, Any]
    if auth.method == "approle":
        role_id, secret_id = (fetch(source, environ, purpose) for source in (auth.role_id, auth.secret_id))
        answer = methods.approle.login(role_id, secret_id, mount_point=auth.path)
    elif auth.method == "jwt":
        jwt = identity_token(environ, auth.audience) if auth.jwt == "github" else fetch(auth.jwt, environ, purpose)
        answer = methods.jwt.jwt_login(auth.role, jwt, path=auth.path)
    elif auth.method == "kubernetes":
        answer = methods.kubernetes.login(auth.role, fetch(auth.service_account, environ, purpose), mount_point=auth.path)
    else:
        if not transport.pool.connection.tls.client_cert:
            raise BackendError(f"{purpose} needs a client certificate (set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY)")
        answer = methods.cert.login(name=auth.role, mount_point=auth.path)
    return answer
