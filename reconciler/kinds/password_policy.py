"""`vault.password_policy`: how generated passwords look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator

from reconciler.access.hcl import PolicyError, parse
from reconciler.core.kind import Kind, Live
from reconciler.core.resource import Spec

from .listed import Body, Folder


def _text(given: object) -> object:
    """Blanks around the text mean nothing, and editors and YAML disagree on the last line's end."""
    return given.strip() + "\n" if isinstance(given, str) else given


class PasswordPolicySpec(Spec):
    """The text is kept as the server keeps it: byte for byte."""

    policy: Annotated[str, BeforeValidator(_text)]


def _live(body: Body) -> Live[PasswordPolicySpec]:
    return Live(PasswordPolicySpec.from_live(body))


def _check(_name: str, spec: PasswordPolicySpec) -> Iterator[str]:
    try:
        keys = [entry.keys[0] for entry in parse(spec.policy)]
    except PolicyError as error:
        yield f"policy: {error}"
        return
    if "length" not in keys or "rule" not in keys:
        yield 'policy needs a length and at least one rule (length = 20, rule "charset" { charset = "abc" })'


_FOLDER = Folder("sys/policies/password", _live)

PASSWORD_POLICY = Kind(
    name="vault.password_policy",
    paths=("sys/policies/password/*",),
    backend="vault",
    spec=PasswordPolicySpec,
    read=_FOLDER.read,
    write=_FOLDER.write,
    check=_check,
)
