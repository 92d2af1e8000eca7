"""How one login is made: the `auth` of an environment file, and where its credentials come from.

Credentials are named, never written: `env:NAME` or `file:PATH`. The environment is handed in, never read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...core.errors import BackendError

_SOURCE = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"
Source = Annotated[str, Field(pattern=_SOURCE)]
"""`env:NAME` or `file:PATH`."""

Method = Literal["token", "approle", "jwt", "cert", "kubernetes"]
SERVICE_ACCOUNT = "file:/var/run/secrets/kubernetes.io/serviceaccount/token"  # where Kubernetes mounts it


class Auth(BaseModel):
    """One login. Without any of it, the token that the Vault CLI would use: BAO_TOKEN, VAULT_TOKEN, ~/.vault-token."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    method: Method = "token"
    mount: str = Field(default="", description="path of the auth method; default: its type")
    namespace: str | None = Field(default=None, description="where the auth method is mounted; default: the instance's own")
    role: str = ""
    audience: str = Field(default="", description="for `jwt: github`: the audience to ask GitHub for")
    jwt: Annotated[str, Field(pattern=f"^github$|{_SOURCE}")] = Field(default="github", description="github, env:NAME or file:PATH")
    role_id: str = Field(default="env:VAULT_ROLE_ID", description="env:NAME, file:PATH, or the id itself, which is no secret")
    secret_id: Source = "env:VAULT_SECRET_ID"  # noqa: S105  # the name of a variable
    service_account: Source = Field(default=SERVICE_ACCOUNT, description="the Kubernetes service account token")
    token: Source | None = Field(default=None, description="env:NAME or file:PATH; default: as the Vault CLI finds it")

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Auth:
        if self.method in ("jwt", "kubernetes") and not self.role:
            raise ValueError(f"login by {self.method} needs a role")
        return self

    @property
    def path(self) -> str:
        """The mount below `auth/`."""
        return self.mount.strip("/").removeprefix("auth/") or self.method


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
        value = Path(name).expanduser().read_text(encoding="utf-8").strip()
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
