"""From one document to one resource: its kind, name, place and spec are all checked here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from reconciler.core.address import Address
from reconciler.core.errors import Problem
from reconciler.core.kind import AnyKind, Kinds
from reconciler.core.order import ENGINE
from reconciler.core.resource import Resource, Spec
from reconciler.core.secret import Secret

from .documents import LIFTS, Envelope, problem
from .environments import Environment
from .source import Document
from .wording import Fault, faults, suggestion

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
# The server cleans such paths: the object would be another one, or another endpoint.
_UNCLEAN = re.compile(r"(?:^|/)\.{0,2}(?:/|$)")
_NO_LABELS: Mapping[str, str] = {}


def read_resource(
    envelope: Envelope, address: Address, document: Document, kinds: Kinds, environment: Environment
) -> Resource[Any] | list[Problem]:
    """Build the resource that a document declares, or say everything that is wrong with it."""
    kind = kinds.get(envelope.kind)
    if kind is None:
        near = suggestion(envelope.kind, (*kinds, *LIFTS))
        return [problem(document, str(address), Fault(("kind",), f"unknown kind `{envelope.kind}`", near))]
    spec, wrong = _spec(kind, envelope)
    wrong.extend(_name_faults(kind, envelope.name))
    wrong.extend(_place_faults(kind, envelope, environment))
    if envelope.lifecycle.ignore or envelope.lifecycle.moved_from:
        wrong.extend(_lifecycle_faults(kind, envelope))
    if spec is not None:
        wrong.extend(_check_faults(kind, envelope.name, spec))
        if kind.secrets:
            wrong.extend(_source_faults(kind, spec, environment))
    if not wrong:
        wrong.extend(_builtin_faults(kind, envelope, environment))
    if spec is None or wrong:
        return [problem(document, str(address), fault) for fault in wrong]
    return Resource(address, spec, document.origin, envelope.lifecycle, envelope.labels or _NO_LABELS)


def _spec(kind: AnyKind, envelope: Envelope) -> tuple[Spec | None, list[Fault]]:
    given = {} if envelope.spec is None else envelope.spec
    try:
        return kind.spec.model_validate(given), []
    except ValidationError as error:
        return None, [fault._replace(path=("spec", *fault.path)) for fault in faults(error, kind.spec, given)]


def _name_faults(kind: AnyKind, name: str) -> Iterator[Fault]:
    if _UNPRINTABLE.search(name):
        yield Fault(("name",), "the name holds control characters")
    elif kind.backend == "vault" and _UNCLEAN.search(name):
        yield Fault(("name",), f"`{name}` is no clean path", "no / at its ends, no // and no . or .. in it")
    else:
        folded = kind.fold(name)
        if folded != name:
            yield Fault(("name",), f"the server stores the name `{name}` as `{folded}`", f"write `{folded}`")


def _builtin_faults(kind: AnyKind, envelope: Envelope, environment: Environment) -> Iterator[Fault]:
    """What the server or the reconciler itself makes: it is never ours to create, change or delete."""
    ledger = environment.ledger
    in_vault = kind.name == ENGINE and not (ledger.s3 or ledger.file)
    if kind.is_builtin(envelope.name):
        yield Fault(("name",), f"`{envelope.name}` is made by the server itself, and is never managed", "give yours another name")
    elif in_vault and (envelope.name, envelope.instance, envelope.namespace) == (ledger.mount, ledger.vault, ""):
        yield Fault(("name",), f"`{ledger.mount}` holds the ledger, which is never managed", "give yours another path, or the ledger")


def gone_instance(envelope: Envelope, kinds: Kinds, environment: Environment) -> str:
    """The instance that a document names and the environment does not have, in words; empty where it has it."""
    kind = kinds.get(envelope.kind)
    if kind is None or envelope.instance in _instances(kind, environment):
        return ""
    return f"{kind.backend} instance `{envelope.instance}`"


def _instances(kind: AnyKind, environment: Environment) -> Mapping[str, object]:
    return {"vault": environment.vault, "aws": environment.aws}.get(kind.backend, {"primary": None})


def _place_faults(kind: AnyKind, envelope: Envelope, environment: Environment) -> Iterator[Fault]:
    known = _instances(kind, environment)
    if envelope.instance not in known:
        what = f"environment {environment.name} has no {kind.backend} instance `{envelope.instance}`"
        yield Fault(("instance",), what, suggestion(envelope.instance, known))
    if not envelope.namespace:
        return
    if kind.backend != "vault":
        yield Fault(("namespace",), f"{kind.name} has no namespaces", "use another instance")
    elif _UNPRINTABLE.search(envelope.namespace) or _UNCLEAN.search(envelope.namespace):
        yield Fault(("namespace",), f"`{envelope.namespace}` is no clean path")


def _lifecycle_faults(kind: AnyKind, envelope: Envelope) -> Iterator[Fault]:
    for field in envelope.lifecycle.ignore:
        name = re.split(r"[./]", field.lstrip("/"), maxsplit=1)[0]
        if name not in kind.spec.model_fields:
            yield Fault(("lifecycle", "ignore"), f"{kind.name} has no field `{name}` to ignore", suggestion(name, kind.spec.model_fields))
    moved = envelope.lifecycle.moved_from
    if moved and moved.kind != kind.name:
        yield Fault(("lifecycle", "moved_from"), f"an object cannot move from {moved.kind} to {kind.name}", "declare both changes")
    elif moved == envelope.address:
        yield Fault(("lifecycle", "moved_from"), "names the object itself", "remove it")


def _check_faults(kind: AnyKind, name: str, spec: Spec) -> Iterator[Fault]:
    for sentence in kind.check(name, spec):
        field = re.match(r"`?(\w+)", sentence)
        path = ("spec", field[1]) if field and field[1] in kind.spec.model_fields else ("spec",)
        yield Fault(path, sentence)


def _source_faults(kind: AnyKind, spec: Spec, environment: Environment) -> Iterator[Fault]:
    """A pull request must not read what the environment does not hand out."""
    for field in sorted(kind.secrets):
        for secret in _secrets(getattr(spec, field)):
            if secret.scheme == "env" and secret.location not in environment.secret_env:
                what = f"{secret.location} is not among the `secret_env` of environment {environment.name}"
                yield Fault(("spec", field), what, "add it there, or keep the value in a store")
            elif secret.scheme == "file" and not environment.secret_files:
                what = f"environment {environment.name} names no folder `secret_files`"
                yield Fault(("spec", field), what, "name it there, or keep the value in a store")


def _secrets(value: Any) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, dict):
        yield from _all_secrets(value.values())
    elif isinstance(value, tuple | list):
        yield from _all_secrets(value)


def _all_secrets(values: Iterable[Any]) -> Iterator[Secret]:
    for value in values:
        yield from _secrets(value)
