"""`Secret`: a write-only field of a spec. It holds where a value comes from, never the value.

Not to be confused with the kind `secret` (a declared secret with a rotation schedule) or the package `secrets`
(the stores that hold values).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import CoreSchema

Reveal = Callable[["Secret"], str]
"""Turns a secret into its value at the moment of writing. Raises ReconcilerError if the source has none."""

SHOWN = "(secret)"
CHANGED = "(secret changed)"
NOT_COMPARED = "(secret, not compared)"

# A pull request could otherwise print the credentials of the run that plans it.
FORBIDDEN_ENV = ("VAULT_", "BAO_", "AWS_", "GITHUB_", "ACTIONS_")


class Generate(BaseModel):
    """How a value is made where none exists yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    length: Annotated[int, Field(ge=16, le=1024)] = 32


class Secret(BaseModel):
    """Where a value comes from, and `mark`, by which two versions of it are told apart without reading it.

    `mark` is the source's version (`vault:`, `aws:`) or a keyed HMAC (`env:`, `file:`); empty means "not compared".
    Written in YAML as `{from: "vault:genesis/data/db#password"}` or `{generate: {length: 32}, to: "vault:..."}`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    source: str
    generate: Generate | None = None
    mark: str = ""

    @model_validator(mode="before")
    @classmethod
    def _from_yaml(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            raise ValueError('must be a reference such as {from: "vault:MOUNT/data/PATH#KEY"}, never a value')
        unknown = sorted(set(given) - {"from", "generate", "to"})
        if unknown or ("from" in given) == ("to" in given) or ("generate" in given) != ("to" in given):
            raise ValueError("takes either {from: SOURCE} or {generate: {length: N}, to: SOURCE}")
        source = given.get("from", given.get("to"))
        return {"source": check_source(source, writable="to" in given), "generate": given.get("generate")}

    @staticmethod
    def remembered(source: str, mark: str) -> Secret:
        """The secret that a ledger remembers. Not through validation, which takes only what YAML may say."""
        return Secret.model_construct(source=source, generate=None, mark=mark)

    @property
    def scheme(self) -> Literal["env", "file", "vault", "aws"]:
        return self.source.partition(":")[0]  # type: ignore[return-value]  # held by check_source

    @property
    def location(self) -> str:
        """The part of the source after the scheme and before `#KEY`."""
        return self.source.partition(":")[2].partition("#")[0]

    @property
    def key(self) -> str:
        """The key inside the source's map; empty where the source is a single value."""
        return self.source.partition("#")[2]

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _inner: Any) -> dict[str, Any]:
        pattern = "^(env:.+|file:.+|vault:.+#.+|aws:.+)$"
        return {
            "description": "where the value comes from; never the value itself",
            "oneOf": [
                {"type": "object", "properties": {"from": {"type": "string", "pattern": pattern}}, "required": ["from"],
                 "additionalProperties": False},
                {"type": "object", "required": ["generate", "to"], "additionalProperties": False,
                 "properties": {"generate": Generate.model_json_schema(), "to": {"type": "string", "pattern": "^(vault:.+#.+|aws:.+)$"}}},
            ],
        }  # fmt: skip


def check_source(source: object, *, writable: bool = False) -> str:
    """Return a well-formed source, or raise ValueError with what is wrong."""
    if not isinstance(source, str):
        raise ValueError("a source is a string such as 'vault:MOUNT/data/PATH#KEY'")
    scheme, colon, rest = source.partition(":")
    allowed = ("vault", "aws") if writable else ("env", "file", "vault", "aws")
    if not colon or scheme not in allowed or not rest:
        # Not shown: somebody may have written the value itself.
        raise ValueError(f"a source must start with one of: {', '.join(f'{name}:' for name in allowed)}")
    if scheme == "env" and rest.upper().startswith(FORBIDDEN_ENV):
        raise ValueError(f"{rest} is never readable from desired state ({', '.join(f'{p}*' for p in FORBIDDEN_ENV)})")
    if scheme == "vault" and not rest.partition("#")[2]:
        raise ValueError(f"source {source!r} names no key (write vault:MOUNT/data/PATH#KEY)")
    if scheme == "vault" and set(rest.partition("#")[0].split("/")) & {"", ".", ".."}:
        # The server would clean such a path, and answer from another one.
        raise ValueError(f"source {source!r} is no clean path (no / at its ends, no // and no . or .. in it)")
    if scheme == "vault" and "/data/" not in rest.partition("#")[0]:
        raise ValueError(f"source {source!r} is not a KV v2 data path (write vault:MOUNT/data/PATH#KEY)")
    if scheme == "file" and (rest.startswith("/") or ".." in rest.split("/")):
        raise ValueError(f"source {source!r} must stay inside the folder `secret_files` names")
    return source
