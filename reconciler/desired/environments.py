"""Environments: `desired-state/environments/NAME.yaml`, one file each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, ValidationInfo, field_validator, model_validator

from reconciler.core.auditing import Auditing
from reconciler.core.auth import Auth
from reconciler.core.backups import Backups
from reconciler.core.complying import Complying
from reconciler.core.errors import Invalid, Problem, Usage
from reconciler.core.findings import Severity
from reconciler.core.guard import Limits
from reconciler.core.secret import FORBIDDEN_ENV, Secret
from reconciler.core.stores import Stores
from reconciler.core.values import StringSet

from .documents import problem
from .expressions import RESERVED
from .parse import parse
from .source import Document, Source
from .tree import ENVIRONMENTS, Tree
from .wording import faults, suggestion

_FROZEN = ConfigDict(frozen=True, extra="forbid")
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
Name = Annotated[str, Field(pattern=f"^{_FILE_NAME.pattern}$")]


class Logins(BaseModel):
    """The login that plans with, and the one that applies. Plan's should be able to read only."""

    model_config = _FROZEN
    plan: Auth = Auth()
    apply: Auth = Auth()


class VaultInstance(BaseModel):
    """One Vault or OpenBao. What is left out comes from VAULT_* and BAO_*."""

    model_config = _FROZEN
    address: Annotated[str, Field(pattern=r"^(https?://[^\s@]+)?$", description="https://HOST:PORT; default: VAULT_ADDR")] = ""
    namespace: Annotated[str, Field(description="what namespaces of documents are relative to; default: VAULT_NAMESPACE")] = ""
    auth: Logins = Logins()


class AwsInstance(BaseModel):
    """One AWS account and region. What is left out comes from AWS_*."""

    model_config = _FROZEN
    region: str = ""
    role_arn: Annotated[str, Field(pattern=r"^(arn:[\w-]+:iam::\d{12}:role/.+)?$", description="a role to assume")] = ""
    endpoint: Annotated[str, Field(pattern=r"^(https?://[^\s@]+)?$", description="another server than Amazon's")] = ""


class LedgerPlace(BaseModel):
    """Where the ledger is kept: a KV v2 mount of a Vault instance, an S3 bucket, or a folder."""

    model_config = _FROZEN
    vault: Name = "primary"
    mount: str = "reconciler"
    s3: Annotated[str, Field(pattern=r"^([a-z0-9.-]+(/.*)?)?$", description="BUCKET/PREFIX")] = ""
    aws: Annotated[Name, Field(description="the AWS instance of the bucket")] = "primary"
    file: Annotated[str, Field(description="a folder, relative to the repository")] = ""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        given = self.model_fields_set
        vault = bool(given & {"vault", "mount"})
        if vault + bool(self.s3) + bool(self.file) > 1:
            raise ValueError("takes one of {vault, mount}, {s3} and {file}")
        if "aws" in given and not self.s3:
            raise ValueError("`aws` belongs to `s3`")
        return self


class Guards(BaseModel):
    """How much a plan may do before a person has to say yes."""

    model_config = _FROZEN
    delete_share: Annotated[float, Field(ge=0, le=1, description="of a kind's objects, from 10 on")] = Limits().delete_share
    max_deletes: Annotated[int, Field(ge=0)] = Limits().max_deletes
    strict_references: Annotated[bool, Field(description="a reference to nothing is an error where the server would take it")] = False
    findings: Annotated[Severity | None, Field(description="from which severity on findings of checks are errors")] = None

    @property
    def limits(self) -> Limits:
        return Limits(delete_share=self.delete_share, max_deletes=self.max_deletes)


class Forge(BaseModel):
    """The code host, for `serve`."""

    model_config = _FROZEN
    type: Literal["github", "gitlab"]
    api: Annotated[str, Field(pattern=r"^(https?://[^\s@]+)?$", description="default: https://api.github.com, https://gitlab.com")] = ""
    token: Secret | None = None
    repository: Annotated[str, Field(pattern=r"^([\w.-]+(/[\w.-]+)+)?$", description="OWNER/NAME; default: as the clone's origin says")] = (
        ""
    )
    people: Annotated[
        StringSet,
        Field(description="who may write `/reconcile` in comments; default: who may push, and who maintains for apply and rollback"),
    ] = ()


class RotationCaps(BaseModel):
    """How many rotations may be active at once. After an outage everything is overdue."""

    model_config = _FROZEN
    target: Annotated[int, Field(ge=1)] = 1
    store: Annotated[int, Field(ge=1)] = 20
    overall: Annotated[int, Field(ge=1)] = 20


class RotationSettings(BaseModel):
    """Whether and how secrets are rotated. VAULT_ROTATION_ENABLED, VAULT_AUTO_ROTATE and VAULT_DEFAULT_TTL (seconds) mean the same."""

    model_config = _FROZEN
    enabled: bool = True
    auto: Annotated[bool, Field(description="begin what is due; otherwise only what somebody asks for")] = True
    default_interval_days: Annotated[float, Field(gt=0, description="of policies that name none")] = 30
    caps: RotationCaps = RotationCaps()


class Environment(BaseModel):
    """Where desired state goes, and what it may use on the way."""

    model_config = _FROZEN
    name: str
    project: Annotated[Name, Field(description="part of the ledger's place: two projects may share a Vault")]
    vault: Mapping[Name, VaultInstance] = {"primary": VaultInstance()}
    aws: Mapping[Name, AwsInstance] = {"primary": AwsInstance()}
    ledger: LedgerPlace = LedgerPlace()
    variables: Mapping[str, JsonValue] = {}
    guards: Guards = Guards()
    secret_env: Annotated[StringSet, Field(description="names that `from: env:` may read")] = ()
    secret_files: Annotated[str, Field(description="the one folder that `from: file:` may read")] = ""
    forge: Forge | None = None
    audit: Auditing = Auditing()
    stores: Stores = Stores()
    backup: Backups = Backups()
    rotation: RotationSettings = RotationSettings()
    compliance: Complying = Complying()

    @field_validator("vault", "aws", mode="before")
    @classmethod
    def _empty_is_default(cls, given: object) -> object:
        """`primary:` with nothing behind it is `primary: {}`."""
        return {name: {} if entry is None else entry for name, entry in given.items()} if isinstance(given, dict) else given

    @field_validator("variables")
    @classmethod
    def _usable_names(cls, given: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        for name in given:
            if not _IDENTIFIER.fullmatch(name) or name in RESERVED:
                raise ValueError(f"`{name}` cannot be the name of a variable (write letters, digits and _; not a word of the language)")
        return given

    @field_validator("stores")
    @classmethod
    def _declared_instances(cls, given: Stores, others: ValidationInfo) -> Stores:
        for backend, name in given.instances():
            if name not in others.data.get(backend, (name,)):
                raise ValueError(f"names the {backend} instance {name}, which is not declared")
        return given

    @field_validator("secret_env")
    @classmethod
    def _harmless_names(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for name in given:
            if name.upper().startswith(FORBIDDEN_ENV):
                raise ValueError(f"{name} is never readable from desired state")
        return given

    def instances(self) -> frozenset[tuple[str, str]]:
        """(backend, instance) of all that is declared."""
        return frozenset([("vault", name) for name in self.vault] + [("aws", name) for name in self.aws])


# What decides where credentials and requests go. `project` and `audit` too: they name where runs are recorded;
# `backup`: who else can open what is kept secret.
_WHERE = ("project", "vault", "aws", "ledger", "stores", "forge", "audit", "backup", "secret_env", "secret_files")
_TRUSTED = (*_WHERE, "guards", "compliance")  # nor may a request lower what the base branch holds it to


def merge_trusted(head: Environment, trusted: Environment) -> Environment:
    """Take from `trusted` all that a pull request could send credentials elsewhere with; variables stay those of `head`."""
    return head.model_copy(update={name: getattr(trusted, name) for name in _TRUSTED})


def choose_environment(tree: Tree, name: str | None) -> str:
    """Return the environment to use: the named one, else the only one, else `dev`. Raises Usage."""
    names = tree.environments()
    if not names:
        raise Usage("the repository declares no environment (write desired-state/environments/dev.yaml with `project: NAME`)")
    if name is None:
        if len(names) > 1 and "dev" not in names:
            raise Usage(f"which environment? (--env {' or --env '.join(names)})")
        return next(iter(names)) if len(names) == 1 else "dev"
    if name not in names:
        raise Usage(f"there is no environment {name!r} ({suggestion(name, names)})")
    return name


def read_environment(tree: Tree, name: str | None = None) -> Environment:
    """Read one environment of a tree. Raises Usage if there is none of that name, Invalid if it is wrong."""
    chosen = choose_environment(tree, name)
    return validate_environment(chosen, environment_document(tree, chosen))


def environment_document(tree: Tree, name: str) -> Document:
    """Parse an environment's file. Raises Invalid."""
    path = tree.environments()[name]
    if not _FILE_NAME.fullmatch(name):
        raise Invalid([Problem(path, "", f"`{name}` is no name for an environment", "letters, digits, ., _ and -, in one folder")])
    documents = parse(Source(path, tree.files[path])).documents
    if len(documents) != 1:
        what = "is empty" if not documents else f"holds {len(documents)} documents"
        raise Invalid([Problem(path, "", what, "an environment is one map with at least `project: NAME`")])
    return documents[0]


def validate_environment(name: str, document: Document) -> Environment:
    """Build an environment from its document. Raises Invalid with everything wrong in it."""
    if "name" in document.body:
        where = str(document.at(("name",)))
        raise Invalid([Problem(where, "", "unknown field `name`", f"the file's name names the environment: {ENVIRONMENTS}NAME.yaml")])
    body = {"name": name, **document.body}
    try:
        return Environment.model_validate(body)
    except ValidationError as error:
        raise Invalid(problem(document, "", fault) for fault in faults(error, Environment, body)) from None
