"""Resources: what the desired state declares, each with the place in git that says so."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from .address import Address, parse_address
from .secret import SHOWN, Secret
from .values import StringSet, hash_of


class Spec(BaseModel):
    """The canonical, frozen model of one resource: what is compared. A field left out has the server's default.

    `X | None = None` declares a field for which the server decides while it is left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    sparse: ClassVar[bool] = False
    """Shown without fields at their default: a union of settings, of which each object has only some."""

    live_names: ClassVar[Mapping[str, str]] = {}
    """Where the server calls a field otherwise: our name -> its name."""

    def model_post_init(self, _context: Any) -> None:
        """Share the set of fields that were given: up to 728 bytes an object, and thousands of objects give the same few."""
        object.__setattr__(self, "__pydantic_fields_set__", _given(frozenset(self.model_fields_set)))

    @classmethod
    def from_live(cls, body: Mapping[str, Any]) -> Self:
        """Build a spec from a server's answer: unknown fields are ignored, null means the default."""
        picked = {}
        for name, theirs, default in _shape(cls):
            given = body.get(theirs)
            # Most fields of most objects have their default: not validating it again halves the time of a large read.
            if given is not None and given != default and (given or default not in _EMPTY):
                picked[name] = given
        return cls.model_validate(picked)


@cache
def _given(names: frozenset[str]) -> set[str]:
    return set(names)


S = TypeVar("S", bound=Spec)
_EMPTY: tuple[Any, ...] = ((), {}, "")


@cache
def _shape(spec: type[Spec]) -> tuple[tuple[str, str, Any], ...]:
    """Each field's name, the server's name for it, and its default."""
    return tuple((name, spec.live_names.get(name, name), default_of(spec, name)) for name in spec.model_fields)


def default_of(spec: type[Spec], name: str) -> Any:
    """The default of a field; pydantic's mark for "none" where it is required."""
    return spec.model_fields[name].get_default(call_default_factory=True, validated_data={})


class Origin(NamedTuple):
    """The line that declares something; `via` is where a template was instantiated."""

    file: str
    line: int
    via: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} with {self.via}" if self.via else f"{self.file}:{self.line}"


def _moved_from(given: object) -> object:
    return given if isinstance(given, Address) or given is None else parse_address(str(given))


class Lifecycle(BaseModel):
    """How an object is to be treated. The value that was last applied decides, for what deletes or overwrites."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    protect: bool = False
    ignore: StringSet = ()
    on_remove: Literal["delete", "forget"] = "delete"
    moved_from: Annotated[Address | None, BeforeValidator(_moved_from)] = None


ORDINARY = Lifecycle()


class Resource(NamedTuple, Generic[S]):
    """One declared object."""

    address: Address
    spec: S
    origin: Origin
    lifecycle: Lifecycle = ORDINARY
    labels: Mapping[str, str] = {}


def dump(spec: Spec) -> dict[str, Any]:
    """The spec as plain JSON values, secrets as `(secret)`: what plans show and ledgers record."""
    return {name: plain(value) for name, value in shown_fields(spec).items()}


def shown_fields(spec: Spec) -> Mapping[str, Any]:
    """The fields of a spec that people are shown."""
    if not spec.sparse:
        return spec.__dict__
    return {name: value for name, value in spec.__dict__.items() if value != default_of(type(spec), name)}


def plain(value: Any) -> Any:
    """Any part of a spec as plain JSON values, secrets as `(secret)`."""
    if value is None or isinstance(value, str | int | float):
        return value  # most values: asked first, since ten thousand objects have some hundred thousand
    if isinstance(value, Secret):
        return SHOWN
    if isinstance(value, BaseModel):
        return {name: plain(entry) for name, entry in value.__dict__.items()}
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [plain(entry) for entry in value]
    return str(value)  # dates


def fingerprint(spec: Spec, without: Collection[str] = ()) -> str:
    """A short hash of a spec (16 bytes, hex), `without` some fields: by it a ledger recognises what it once declared."""
    return hash_of({name: plain(value) for name, value in spec.__dict__.items() if name not in without})[:32]


def dump_fingerprint(dumped: Mapping[str, Any] | None) -> str:
    """The same of a spec as a ledger records it; empty for the absence of one."""
    return hash_of(dumped)[:32] if dumped is not None else ""


# What `${{ ref('ADDRESS').attribute }}` and `{ref: ADDRESS, attribute: A}` are kept as inside specs.
_REFERENCE = re.compile(r"\$\{\{\s*ref\(\s*['\"]([^'\"]+)['\"]\s*\)\.(\w+)\s*\}\}")
KNOWN_AFTER_APPLY = "(known after apply)"


class ServerValue(NamedTuple):
    """A value that only the server knows: an accessor, ARN or id of another object."""

    address: Address
    attribute: str

    def __str__(self) -> str:
        return f"${{{{ ref('{self.address}').{self.attribute} }}}}"


def server_values(value: Any) -> Iterator[ServerValue]:
    """Every server value named anywhere in a spec."""
    if isinstance(value, str):
        for address, attribute in _REFERENCE.findall(value) if "${{" in value else ():
            yield ServerValue(parse_address(address), attribute)
    elif isinstance(value, BaseModel):
        for entry in value.__dict__.values():
            yield from server_values(entry)
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from server_values(entry)
    elif isinstance(value, tuple | list):
        for entry in value:
            yield from server_values(entry)


def fill_in(spec: S, known: Mapping[ServerValue, str]) -> S:
    """Replace the server values that are known; the others stay as they are written."""

    def text(match: re.Match[str]) -> str:
        return known.get(ServerValue(parse_address(match[1]), match[2]), match[0])

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return _REFERENCE.sub(text, value) if "${{" in value else value
        if isinstance(value, Mapping):
            return {key: walk(entry) for key, entry in value.items()}
        if isinstance(value, tuple | list):
            return [walk(entry) for entry in value]
        return fill_in(value, known) if isinstance(value, Spec) else value

    return type(spec).model_validate({name: walk(value) for name, value in spec.__dict__.items()})
