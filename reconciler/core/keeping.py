"""The spec of `retention`: how long what is recorded and replaced is kept, where it goes then, and what a legal hold keeps."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from .complying import CAPS, Complying
from .resource import Spec
from .values import Seconds, StringSet, show_duration

_FROZEN = ConfigDict(frozen=True, extra="forbid")
_DAY = 86400
_YEAR = 365 * _DAY
Sort = Literal["audit_log", "secret_versions", "backups"]
SORTS: tuple[Sort, ...] = ("audit_log", "secret_versions", "backups")
"""What a hold can keep: the rest of what is declared is not ours to delete."""


class ArchivePlace(BaseModel):
    """Where the audit log goes before it is dropped: a bucket, or a folder."""

    model_config = _FROZEN
    s3: Annotated[str, Field(pattern=r"^([a-z0-9.-]+(/.*)?)?$", description="BUCKET/PREFIX")] = ""
    aws: Annotated[str, Field(description="the AWS instance of the bucket")] = "primary"
    file: Annotated[str, Field(description="a folder, relative to the repository")] = ""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if bool(self.s3) + bool(self.file) != 1:
            raise ValueError("takes one of {s3} and {file}")
        if self.aws != "primary" and not self.s3:
            raise ValueError("`aws` belongs to `s3`")
        return self


class LegalHold(BaseModel):
    """What must be kept for as long as it is declared. What is left out narrows nothing: a name alone keeps everything."""

    model_config = _FROZEN
    name: Annotated[str, Field(min_length=1)]
    reason: str = ""
    keeps: Annotated[tuple[Sort, ...], Field(min_length=1)] = SORTS
    secrets: Annotated[StringSet, Field(description="globs of paths; default: all")] = ()
    since: Annotated[datetime.date | None, Field(description="what was recorded or replaced from that day on")] = None
    until: Annotated[datetime.date | None, Field(description="and up to that day")] = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.secrets and "secret_versions" not in self.keeps:
            raise ValueError("`secrets` narrows `secret_versions`, which `keeps` leaves out")
        if self.since and self.until and self.since > self.until:
            raise ValueError("`since` is after `until`")
        return self


class RetentionSpec(Spec):
    """How long what is recorded and replaced is kept. An environment has one; these are the defaults without it, too."""

    sparse: ClassVar[bool] = True

    audit_log: Annotated[Seconds, Field(ge=_DAY)] = 7 * _YEAR
    secret_versions: Annotated[Seconds, Field(ge=_DAY, description="how long a value is kept after another replaced it")] = 90 * _DAY
    metrics: Annotated[Seconds, Field(ge=_DAY, description="what Prometheus has to be told: metrics are kept there")] = _YEAR
    backups: Annotated[Seconds, Field(ge=_DAY)] = 5 * _YEAR
    archive: Annotated[ArchivePlace | None, Field(description="without one, nothing of the audit log is dropped")] = None
    legal_hold: tuple[LegalHold, ...] = ()

    @field_validator("legal_hold", mode="before")
    @classmethod
    def _named(cls, given: object) -> object:
        """`[case-42]` is `[{name: case-42}]`."""
        return [{"name": one} if isinstance(one, str) else one for one in given] if isinstance(given, list | tuple) else given

    @field_validator("legal_hold")
    @classmethod
    def _names_once(cls, given: tuple[LegalHold, ...]) -> tuple[LegalHold, ...]:
        names = [one.name for one in given]
        if len(set(names)) < len(names):
            raise ValueError("two holds have one name")
        return given


def loosened(spec: RetentionSpec, complying: Complying) -> Iterator[str]:
    """Where a declared framework asks for more than is kept, in words."""
    for cap in CAPS:
        if cap.field == "audit_log" and cap.framework in complying.frameworks and spec.audit_log < cap.bound:
            asked, kept = show_duration(cap.bound), show_duration(spec.audit_log)
            yield f"audit_log: {cap.framework} {cap.control} asks for {asked}, and {kept} are kept (keep it longer)"
