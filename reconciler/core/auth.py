"""How one login to Vault is made: the `auth` of an environment file.

In core, because the desired state declares it and a backend carries it out. Credentials are named, never written:
`env:NAME` or `file:PATH`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
    secret_id: Source = "env:VAULT_SECRET_ID"
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
