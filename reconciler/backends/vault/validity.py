"""Tell a token that is not valid from one that may not do something: Vault answers 403 to both."""

from __future__ import annotations

from ...core.errors import BackendError
from .pool import Request
from .transport import Transport


def looks_invalid(words: str) -> bool:
    """Say whether a 403 reads as one to an unknown token: refusals by policy are wrapped ("1 error occurred: ...")."""
    return "invalid token" in words or "bad token" in words or words.startswith("permission denied")


def check_token(transport: Transport, token: str, namespace: str) -> None:
    """Raise BackendError if the token is not valid. One request, which every valid token may make."""
    path = "sys/internal/ui/namespaces"
    if transport.send(Request("GET", path, path, token, namespace)).status == 403:
        remedy = "it is wrong, expired or revoked: set VAULT_TOKEN anew, or run `bao login`"
        raise BackendError(f"{transport.address}: the Vault token is not valid ({remedy})", path=path, status=403)
