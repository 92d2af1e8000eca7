"""`backup:` of an environment: who can open its backups, and where they are put."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from .secret import Secret
from .stores import at_hand

Recipient = Annotated[str, Field(pattern=r"^age1[0-9a-z]+$", description="age1..., as `reconcile backup key` prints it")]


class Backups(BaseModel):
    """Backups of an environment. Whoever has the identity of one recipient can open all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    recipients: Annotated[tuple[Recipient, ...], Field(description="two or more: a single identity may be lost")] = ()
    path: Annotated[str, Field(min_length=1, description="a folder, relative to the repository")] = ".reconcile/backups"
    identity: Annotated[Secret | None, Field(description="opens backups on this machine, to check and to drill")] = None

    @field_validator("identity")
    @classmethod
    def _at_hand(cls, given: Secret | None) -> Secret | None:
        return given and at_hand(given)
