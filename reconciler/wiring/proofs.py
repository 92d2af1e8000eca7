"""What proves people to the server by Vault: a token is whose Vault says it is, and what that person may is asked there too."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from reconciler.core.errors import Unavailable
from reconciler.edge.tokens import LookUp, vault_principal

if TYPE_CHECKING:
    from reconciler.backends.vault.transport import Transport
    from reconciler.edge.scope import Principal

_PATH = "auth/token/lookup-self"
_UNKNOWN = (400, 403, 404)  # no such token, one that may not even look at itself, no such namespace
_NO_TOKEN = b"error performing token check"  # with status 500: it is not even written as one


def looked_up_in(transport: Transport) -> LookUp:
    """What asks an instance whose a token is."""

    async def look_up(token: str) -> Principal | None:
        return await asyncio.to_thread(whose, transport, token)

    return look_up


def whose(transport: Transport, token: str) -> Principal | None:
    """Whose a token is; None for one that Vault does not know. It is asked once: somebody waits, and may be a stranger."""
    from reconciler.backends.vault.pool import Request

    answer = transport.send(Request("GET", _PATH, _PATH, token, transport.pool.connection.namespace), patient=False)
    if answer.status in _UNKNOWN or (answer.status == 500 and _NO_TOKEN in answer.body):
        return None
    if answer.status != 200:
        raise Unavailable(f"{transport.address}: answers {answer.status} to {_PATH}", path=_PATH, status=answer.status)
    return vault_principal(json.loads(answer.body)["data"], token)
