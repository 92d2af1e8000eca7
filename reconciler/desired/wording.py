"""What is wrong, in plain words: near misses, and the validation errors of models without their inputs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .source import Path

_MUST_BE = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a map",
    "model_type": "must be a map",
    "model_attributes_type": "must be a map",
    "date_from_datetime_parsing": "must be a date such as 2027-01-31",
    "date_parsing": "must be a date such as 2027-01-31",
    "date_type": "must be a date such as 2027-01-31",
}
_FEW = 12  # so many choices are listed in full


class Fault(NamedTuple):
    """One thing wrong with a value, by its path inside what was validated."""

    path: Path
    what: str
    remedy: str = ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return "did you mean `x`?", or the choices if they are few, or nothing."""
    names = sorted(set(known))
    near = nearest(name, names)
    if near:
        return f"did you mean `{near}`?"
    return f"known: {', '.join(names)}" if 0 < len(names) <= _FEW else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the name that was probably meant; empty if none is near."""
    return next(iter(difflib.get_close_matches(name, known, n=1)), "")


def shown_path(path: Path) -> str:
    """Write a path as people do: `spec.rules[0].path`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def faults(error: ValidationError, model: type[BaseModel], given: object) -> list[Fault]:
    """Translate a model's errors. Inputs never show: they may be secrets."""
    merged: dict[Path, Fault] = {}
    for detail in error.errors(include_url=False):
        fault = _fault(detail, model, given)
        # A union reports each of its members; one line then says all of them.
        if fault.path in merged and fault.what not in merged[fault.path].what:
            fault = merged[fault.path]._replace(what=f"{merged[fault.path].what}, or {_rest(fault)}")
        merged[fault.path] = fault
    return list(merged.values())


def _rest(fault: Fault) -> str:
    name = shown_path(fault.path)
    return fault.what.removeprefix(f"`{name}` ") if name else fault.what


def _fault(detail: ErrorDetails, model: type[BaseModel], given: object) -> Fault:
    path = _real_path(detail["loc"], given, missing=detail["type"] == "missing")
    name = f"`{shown_path(path)}` " if path else ""
    if detail["type"] == "extra_forbidden":
        parent, field = path[:-1], str(path[-1])
        within = f" in `{shown_path(parent)}`" if parent else ""
        return Fault(path, f"unknown field `{field}`{within}", suggestion(field, _fields(model, parent)))
    if detail["type"] == "missing":
        return Fault(path, f"{name}is missing")
    if detail["type"] in ("literal_error", "enum"):
        written = detail["input"] if isinstance(detail["input"], str) else ""
        return Fault(path, f"{name}must be {detail.get('ctx', {})['expected']}", suggestion(written, _quoted(detail)) if written else "")
    remedy = "put it in quotes" if detail["type"] == "string_type" and isinstance(detail["input"], int | float) else ""
    reason = _reason(detail)
    return Fault(path, f"{name}{reason}" if reason.startswith("must") or not name else f"{name.rstrip()}: {reason}", remedy)


def _reason(detail: ErrorDetails) -> str:
    known = _MUST_BE.get(detail["type"])
    if known:
        return known
    if detail["type"] in ("value_error", "assertion_error"):
        return str(detail.get("ctx", {})["error"])
    return re.sub(r"^\w+ should", "must", detail["msg"])


def _quoted(detail: ErrorDetails) -> list[str]:
    return str(detail.get("ctx", {})["expected"]).replace(" or ", ", ").replace("'", "").split(", ")


def _real_path(location: Iterable[str | int], given: Any, *, missing: bool) -> Path:
    """Keep the steps that lead somewhere: unions and validators put their own names between."""
    path: list[str | int] = []
    parts = list(location)
    for position, part in enumerate(parts):
        if _leads(given, part):
            given = given[part]
        elif not (missing and position == len(parts) - 1):
            continue
        path.append(part)
    return tuple(path)


def _leads(given: object, part: str | int) -> bool:
    if isinstance(given, list | tuple):
        return isinstance(part, int) and part < len(given)
    return isinstance(given, Mapping) and part in given


def _fields(model: type[BaseModel], path: Path) -> list[str]:
    """The fields that the part of a model at `path` has; none where that cannot be told."""
    shapes: list[Any] = [model]
    for part in path:
        if isinstance(part, str):
            fields = [shape.model_fields[part] for shape in shapes if part in getattr(shape, "model_fields", ())]
            shapes = [inner for field in fields for inner in _shapes(field.annotation)]
    return [name for shape in shapes for name in _names(shape)]


def _shapes(annotation: Any) -> Iterator[Any]:
    """The models, named tuples and typed dictionaries inside an annotation."""
    if any(hasattr(annotation, sign) for sign in ("model_fields", "_fields", "__total__")):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _shapes(part)


def _names(shape: Any) -> list[str]:
    if hasattr(shape, "model_fields"):
        return [field.alias or name for name, field in shape.model_fields.items()]
    return list(shape.__annotations__)
