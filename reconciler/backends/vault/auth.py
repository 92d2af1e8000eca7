"""Where the credentials of a login come from: what `core.auth.Auth` names, fetched.

The environment is handed in, never read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...core.auth import Auth
from ...core.errors import BackendError


def fetch(source: str, environ: Mapping[str, str], purpose: str) -> str:
    """Return what `env:NAME` or `file:PATH` holds. Raises BackendError when that is nothing."""
    scheme, colon, name = source.partition(":")
    if not colon:
        return source  # a role id
    if scheme == "env":
        if not (value := environ.get(name, "").strip()):
            raise BackendError(f"{purpose}: the environment variable {name} is not set (set it, or change `auth`)")
        return value
    try:
        # Not expanduser, which looks into the environment of the process.
        path = name.replace("~", environ.get("HOME", "~"), 1) if name.startswith("~/") else name
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise BackendError(f"{purpose}: the file {name} cannot be read: {why} (check `auth`)") from None
    if not value:
        raise BackendError(f"{purpose}: the file {name} is empty (check `auth`)")
    return value


def given_token(auth: Auth, environ: Mapping[str, str]) -> str:
    """Return the token that was put there for us, as the Vault and OpenBao CLIs find it."""
    if auth.token:
        return fetch(auth.token, environ, "the Vault token")
    for name in ("BAO_TOKEN", "VAULT_TOKEN"):
        if value := environ.get(name, "").strip():
            return value
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if home and (Path(home) / ".vault-token").is_file():
        return fetch(f"file:{Path(home) / '.vault-token'}", environ, "the Vault token")
    raise BackendError("no Vault token (set VAULT_TOKEN, run `bao login`, or write `auth` into the environment file)")
