"""`audit:` of an environment: where the audit log lies, who signs it, whose signatures count, and where else it is kept."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .stores import HsmKey, TransitKey

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class SigningKey(BaseModel):
    """The Ed25519 key that signs checkpoints: in a file, in a transit engine (type ed25519), or in an HSM."""

    model_config = _FROZEN
    file: Annotated[str, Field(description="relative to the repository; made where there is none")] = ""
    transit: TransitKey | None = None
    pkcs11: HsmKey | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.file) + (self.transit is not None) + (self.pkcs11 is not None) != 1:
            raise ValueError("a key is one of {file}, {transit} and {pkcs11}")
        return self


class TrustedKey(BaseModel):
    """A public key, as `reconcile audit key` prints it, and the last day of what it may have signed."""

    model_config = _FROZEN
    public_key: Annotated[str, Field(pattern=r"^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*$", description="NAME+ID+KEY")]
    until: datetime.date | None = None


class Auditing(BaseModel):
    """The audit log of an environment. Each environment has one of its own below `path`."""

    model_config = _FROZEN
    path: Annotated[str, Field(min_length=1, description="a folder, relative to the repository")] = ".reconcile/audit"
    key: SigningKey = SigningKey(file=".reconcile/audit.key")
    trusted: Annotated[tuple[TrustedKey, ...], Field(description="whose signatures count; default: those of `key`")] = ()
    ship: Annotated[Literal["", "ledger"], Field(description="keep the log in the ledger's store: for machines that are thrown away")] = ""
    anchor: Annotated[Literal["", "git"], Field(description="verification fails where git holds no checkpoint of the log")] = ""
