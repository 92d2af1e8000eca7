"""The envelope of every document, and the documents that lift a guard or a finding."""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from reconciler.core.address import Address, place_of
from reconciler.core.errors import Problem
from reconciler.core.guard import Approval, Guard
from reconciler.core.resource import ORDINARY, Lifecycle
from reconciler.core.values import StringMap, StringSet

from .source import Document, Path
from .wording import Fault, faults, suggestion

_FROZEN = ConfigDict(frozen=True, extra="forbid")


def _namespace(given: str) -> str:
    return given.strip("/")


class Envelope(BaseModel):
    """One declared object, around its spec."""

    model_config = _FROZEN
    kind: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    instance: Annotated[str, Field(min_length=1)] = "primary"
    namespace: Annotated[str, AfterValidator(_namespace)] = ""
    labels: StringMap | None = None  # not {}, which would be copied for each document
    environments: StringSet = ()
    lifecycle: Lifecycle = ORDINARY
    spec: Any = None

    @property
    def address(self) -> Address:
        return Address(self.kind, self.name, place_of(self.instance, self.namespace))


def _listed(given: object) -> object:
    return [given] if isinstance(given, dict) else given


class TemplateUse(BaseModel):
    """One or more instances of a template."""

    model_config = _FROZEN
    template: str
    arguments: Annotated[list[dict[str, Any]], BeforeValidator(_listed), Field(alias="with")] = [{}]
    environments: StringSet = ()


class _LiftSpec(BaseModel):
    """What approvals and exceptions have in common: for which addresses, why, who says so, and until when."""

    model_config = _FROZEN
    address: Annotated[str, Field(description="an address, or a glob of addresses")] = ""
    pattern: Annotated[str, Field(description="the same, by another name")] = ""
    reason: Annotated[str, Field(min_length=1)]
    approver: Annotated[str, Field(min_length=1)]
    expires: datetime.date

    @model_validator(mode="after")
    def _for_something(self) -> Self:
        if bool(self.address) == bool(self.pattern):
            raise ValueError("needs an `address` (or a `pattern`), and only one")
        return self

    @property
    def glob(self) -> str:
        return self.address or self.pattern


class ApprovalSpec(_LiftSpec):
    """The spec of an `approval`: lifts one guard until a day."""

    guard: Guard


class ExceptionSpec(_LiftSpec):
    """The spec of an `exception`: accepts one finding until a day."""

    check: Annotated[str, Field(pattern=r"^C\d\d$")]


class Exempt(NamedTuple):
    """An `exception` document: one finding that somebody accepted until a day."""

    name: str
    check: str
    pattern: str
    expires: datetime.date
    approver: str
    reason: str

    def covers(self, check: str, address: str, today: datetime.date) -> bool:
        return self.check == check and today <= self.expires and fnmatch.fnmatchcase(address, self.pattern)


LIFTS: dict[str, type[BaseModel]] = {"approval": ApprovalSpec, "exception": ExceptionSpec}


def read_lift(envelope: Envelope, document: Document) -> Approval | Exempt | list[Problem]:
    """Build the approval or exception that a document declares, or say what is wrong with it."""
    model = LIFTS[envelope.kind]
    try:
        spec = model.model_validate(envelope.spec if envelope.spec is not None else {})
    except ValidationError as error:
        given = envelope.spec
        return [problem(document, str(envelope.address), fault, ("spec",)) for fault in faults(error, model, given)]
    if isinstance(spec, ApprovalSpec):
        return Approval(envelope.name, str(spec.guard), spec.glob, spec.expires, spec.approver, spec.reason)
    if isinstance(spec, ExceptionSpec):
        return Exempt(envelope.name, spec.check, spec.glob, spec.expires, spec.approver, spec.reason)
    raise TypeError(f"{envelope.kind} lifts nothing")


def read_envelope(document: Document) -> Envelope | TemplateUse | list[Problem]:
    """Recognise a document, or say what is wrong with it."""
    body = document.body
    model: type[Envelope | TemplateUse] = TemplateUse if "template" in body else Envelope
    if model is Envelope and "kind" not in body:
        near = suggestion(next(iter(body), ""), ("kind", "template"))
        return [Problem(str(document.origin), "", "a document needs `kind` (an object) or `template` (instances of one)", near)]
    try:
        return model.model_validate(body)
    except ValidationError as error:
        return [problem(document, named(body), fault) for fault in faults(error, model, body)]


def named(body: dict[str, Any]) -> str:
    """What to call a document that may be broken: `KIND/NAME` as far as it says so."""
    kind, name = body.get("kind"), body.get("name")
    return "/".join(part for part in (kind, name) if part and isinstance(part, str))


SINGLE_FILE = "policies"
"""The key of the older form, in which one document holds all rotation policies by name."""


def policies(document: Document) -> Iterator[Document]:
    """The `rotation_policy` documents that one of the older form stands for."""
    rest = {key: value for key, value in document.body.items() if key != SINGLE_FILE}
    entries = document.body[SINGLE_FILE]
    for name, spec in entries.items() if isinstance(entries, dict) else [("", entries)]:
        body = {"kind": "rotation_policy", "name": name, "spec": spec, **rest}
        yield document._replace(line=document.at((SINGLE_FILE, name)).line, body=body)


def problem(document: Document, address: str, fault: Fault, below: Path = ()) -> Problem:
    """Turn a fault at a path below `below` into a problem at its line."""
    return Problem(str(document.at((*below, *fault.path))), address, fault.what, fault.remedy)
