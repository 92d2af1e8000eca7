"""What proves people and programs to the server by Vault: a token is whose Vault says it is, and so is a JWT that it takes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from reconciler.core.errors import Unavailable
from reconciler.edge.tokens import LookUp, VaultTokens, vault_principal

if TYPE_CHECKING:
    from reconciler.backends.vault.transport import Transport
    from reconciler.core.auth import Auth
    from reconciler.edge.scope import Principal

JWT_SECONDS = 60.0  # each look logs in, and logs out again
_PATH = "auth/token/lookup-self"
_REVOKE = "auth/token/revoke-self"
_UNKNOWN = (400, 403, 404)  # no such token, one that may not even look at itself, no such namespace
_NO_TOKEN = b"error performing token check"  # with status 500: it is not even written as one


def looked_up_in(transport: Transport) -> LookUp:
    """What asks an instance whose a token is."""

    async def look_up(token: str) -> Principal | None:
        return await asyncio.to_thread(whose, transport, token)

    return look_up


def jwts_of(transport: Transport, auth: Auth) -> VaultTokens:
    """The proof by a JWT with which one could log in as `auth` does: Vault has the keys and says what it must claim."""

    async def look_up(jwt: str) -> Principal | None:
        return await asyncio.to_thread(_logged_in, transport, auth, jwt)

    return VaultTokens(look_up, shown=attrgetter("jwt"), seconds=JWT_SECONDS)


def _logged_in(transport: Transport, auth: Auth, jwt: str) -> Principal | None:
    """Whose a JWT is. The login is only a question: what it yields is revoked at once, and nobody acts with it."""
    from reconciler.backends.vault.pool import Request

    path = f"auth/{auth.path}/login"
    namespace = transport.pool.connection.namespace if auth.namespace is None else auth.namespace.strip("/")
    body = json.dumps({"role": auth.role, "jwt": jwt}).encode()
    answer = transport.send(Request("POST", path, path, "", namespace, body), patient=False)
    if answer.status in _UNKNOWN:
        return None
    if answer.status != 200:
        raise Unavailable(f"{transport.address}: answers {answer.status} to {path}", path=path, status=answer.status)
    token = json.loads(answer.body)["auth"]["client_token"]
    found = transport.send(Request("GET", _PATH, _PATH, token, namespace), patient=False)
    transport.send(Request("POST", _REVOKE, _REVOKE, token, namespace), patient=False)
    if found.status != 200:
        return None
    return replace(vault_principal(json.loads(found.body)["data"], ""), kind="jwt")


def whose(transport: Transport, token: str) -> Principal | None:
    """Whose a token is; None for one that Vault does not know. It is asked once: somebody waits, and may be a stranger."""
    from reconciler.backends.vault.pool import Request

    answer = transport.send(Request("GET", _PATH, _PATH, token, transport.pool.connection.namespace), patient=False)
    if answer.status in _UNKNOWN or (answer.status == 500 and _NO_TOKEN in answer.body):
        return None
    if answer.status != 200:
        raise Unavailable(f"{transport.address}: answers {answer.status} to {_PATH}", path=_PATH, status=answer.status)
    return vault_principal(json.loads(answer.body)["data"], token)
