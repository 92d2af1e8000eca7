"""Where secrets are made good, and how that is checked: the `target` and `validate` of a declared secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..core.secret import check_source
from ..core.values import Seconds, StringList, StringSet

_FROZEN = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Generate(BaseModel):
    """How a value is made."""

    model_config = _FROZEN
    length: Annotated[int, Field(ge=16, le=1024)] = 32
    key: Annotated[str, Field(min_length=1, description="the key of the secret's map that holds it")] = "value"


class Source(BaseModel):
    """Where a credential of the rotation itself comes from; never the credential."""

    model_config = _FROZEN
    origin: Annotated[str, Field(alias="from", description="env:NAME, file:NAME, vault:MOUNT/data/PATH#KEY or aws:NAME#KEY")]

    @model_validator(mode="after")
    def _well_formed(self) -> Self:
        check_source(self.origin)
        return self


class Call(BaseModel):
    """An HTTP request."""

    model_config = _FROZEN
    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]
    method: Literal["GET", "HEAD", "POST"] = "GET"
    header: Annotated[str, Field(pattern=r"^([A-Za-z0-9-]+: .*)?$", description="NAME: VALUE; ${{ value }} stands for the value")] = ""
    expect: Annotated[int, Field(ge=100, le=599, description="the status that means yes")] = 200
    timeout: Seconds = 10


class Endpoint(BaseModel):
    """A web service that is told to apply, probe and revoke, by POST to URL/apply, URL/probe and URL/revoke."""

    model_config = _FROZEN
    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]
    token: Annotated[Source | None, Field(description="sent as a bearer token")] = None
    timeout: Seconds = 30


class Target(BaseModel):
    """Where a value is made good. Which fields count is for the type to say."""

    model_config = _FROZEN
    engine: Literal["", "postgresql"] = ""
    dsn: Annotated[str, Field(description="host, port and database of a PostgreSQL, without user and password")] = ""
    admin: Annotated[Source | None, Field(description="`USER:PASSWORD`, or a whole connection string, of who may alter the users")] = None
    owner: Annotated[str, Field(description="the NOLOGIN role that owns the objects")] = ""
    users: Annotated[StringList, Field(description="who log in, one after the other")] = ()
    instance: Annotated[str, Field(description="the Vault or AWS instance of a key or certificate")] = "primary"
    mount: str = ""
    name: Annotated[str, Field(description="the transit key")] = ""
    rewrap: Annotated[StringSet, Field(description="paths of the store whose values are ciphertexts of the key")] = ()
    key: Annotated[str, Field(description="the KMS key: id, ARN or alias/NAME")] = ""
    role: Annotated[str, Field(description="the role of the PKI mount")] = ""
    common_name: str = ""
    alt_names: StringSet = ()
    ttl: Annotated[Seconds, Field(description="0: the role's")] = 0
    command: Annotated[StringList, Field(description="called with apply, probe or revoke; what it is about is JSON on standard input")] = ()
    http: Endpoint | None = None
    accepts_both: Annotated[bool, Field(description="an external target accepts the old and the new value at once")] = True
    timeout: Seconds = 60


class Validation(BaseModel):
    """How a new value is tried before anybody is given it: `need` of `of` tries must succeed."""

    model_config = _FROZEN
    login: Annotated[bool, Field(description="log in to the target with it")] = False
    http: Call | None = None
    command: Annotated[StringList, Field(description="gets the value as JSON on standard input; 0: good, 1: not, 75: try again")] = ()
    of: Annotated[int, Field(ge=1, le=100)] = 1
    need: Annotated[int | None, Field(ge=1, description="default: all")] = None
    timeout: Seconds = 30

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.login + bool(self.http) + bool(self.command) != 1:
            raise ValueError("takes one of `login`, `http` and `command`")
        if self.need is not None and self.need > self.of:
            raise ValueError("`need` is more than `of`")
        return self

    @property
    def needed(self) -> int:
        return self.of if self.need is None else self.need


_FIELDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {  # by type: required, and allowed beside them
    "database": (frozenset({"engine", "dsn", "admin", "users"}), frozenset({"owner", "timeout"})),
    "tls_certificate": (frozenset({"mount", "role", "common_name"}), frozenset({"instance", "alt_names", "ttl"})),
    "transit_key": (frozenset({"mount", "name"}), frozenset({"instance", "rewrap"})),
    "kms_key": (frozenset({"key"}), frozenset({"instance"})),
    "external": (frozenset(), frozenset({"command", "http", "accepts_both", "timeout"})),
}


def target_problems(type_: str, target: Target) -> Iterator[str]:
    """What a target of this type lacks, and what it cannot use."""
    required, allowed = _FIELDS[type_]
    given = {name for name in Target.model_fields if getattr(target, name) != _default(name)}
    lacking = sorted(required - given)
    if lacking:
        yield f"target of type {type_} needs {', '.join(f'`{name}`' for name in lacking)}"
    strange = sorted(given - required - allowed)
    if strange:
        yield f"target of type {type_} has no {', '.join(f'`{name}`' for name in strange)}"
    if type_ == "external" and bool(target.command) == bool(target.http):
        yield "target takes either `command` or `http`"
    if type_ == "database":
        yield from _database_problems(target)


def _database_problems(target: Target) -> Iterator[str]:
    if len(set(target.users)) < len(target.users):
        yield "target: a user is named twice"
    if "password" in target.dsn or "user=" in target.dsn or "@" in target.dsn:
        yield "target: `dsn` names host, port and database only; who logs in is for the secret and `admin` to say"


def _default(name: str) -> Any:
    return Target.model_fields[name].get_default(call_default_factory=True)
