"""`${{ }}` in any string, evaluated after the YAML is parsed: a value can never become YAML.

A scalar that is one expression keeps its type. Each expression is compiled once. A bare name, by far the most frequent
one, needs no Jinja2, which is therefore imported only where somebody writes more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from reconciler.core.address import parse_address
from reconciler.core.resource import ServerValue

from .source import Path
from .wording import Fault, suggestion

OPEN, CLOSE = "${{", "}}"
ATTRIBUTES = ("accessor", "arn", "id")
RESERVED = frozenset(("ref", "range", "namespace", "dict", "true", "false", "none", "True", "False", "None", "loop", "caller", "self"))

Variables = Mapping[str, Any]
Evaluate = Callable[[Variables], Any]

_NAME = re.compile(r"[A-Za-z_]\w*")
_OPERATORS = frozenset(("and", "or", "not", "in", "is", "if", "else"))
_REFERENCE = re.compile(r"ref\(\s*(?:'([^']+)'|\"([^\"]+)\")\s*\)\.(\w+)")
_KEPT = re.compile(r"\$\{\{ (?:ref\('[^']+'\)\.(?:accessor|arn|id)|value) \}\}")
_TRIED_WITH = frozenset(("validate", "target"))
_VALUE = {"value": "${{ value }}"}
"""Inside the request that tries a secret `value` is the secret, which is known only when it is tried."""


class Unresolved(ValueError):
    """An expression that cannot be evaluated: what is wrong, and what to do."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def substitute(value: Any, variables: Variables, wrong: list[Fault], path: Path = ()) -> Any:
    """Evaluate every expression in a value, and bring references to their one text form. Faults are added to `wrong`."""
    if isinstance(value, str):
        return _attempt(lambda: evaluate(value, variables), wrong, path) if OPEN in value else value
    if isinstance(value, list):
        return [substitute(entry, variables, wrong, (*path, index)) for index, entry in enumerate(value)]
    if not isinstance(value, dict):
        return value
    filled = {
        substitute(key, variables, wrong, (*path, key)) if OPEN in key else key: substitute(
            entry, {**_VALUE, **variables} if key in _TRIED_WITH else variables, wrong, (*path, key)
        )
        for key, entry in value.items()
    }
    if filled.keys() == {"ref", "attribute"}:
        return _attempt(lambda: reference(filled["ref"], filled["attribute"]), wrong, path)
    return filled


def evaluate(text: str, variables: Variables) -> Any:
    """Evaluate one string: the value itself if it is one expression, else text. Raises Unresolved."""
    parts = _parts(text)
    if len(parts) == 1 and not isinstance(parts[0], str):
        return whole(parts[0](variables))
    return whole("".join(part if isinstance(part, str) else as_text(part(variables)) for part in parts))


def whole(value: Any) -> Any:
    """Return a value, unless an expression cut a reference to a server value in pieces."""
    if isinstance(value, str) and OPEN in value and OPEN in _KEPT.sub("", value):
        raise Unresolved("a value known only after apply cannot be changed by a filter, and no value may hold ${{")
    return value


def as_text(value: Any) -> str:
    """Write a value inside a longer string. Raises Unresolved for what has no one text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    called = "null" if value is None else "a list" if isinstance(value, list | tuple) else "a map"
    raise Unresolved(f"{called} cannot stand inside text", "use `| join(', ')` or a value of its own")


def reference(address: object, attribute: object) -> str:
    """Return the one text form of a value that only the server knows. Raises Unresolved."""
    if attribute not in ATTRIBUTES:
        raise Unresolved(f"`{attribute}` is not known of other objects", suggestion(str(attribute), ATTRIBUTES))
    try:
        return str(ServerValue(parse_address(str(address)), str(attribute)))
    except ValueError as error:
        raise Unresolved(str(error)) from None


def unknown_name(name: str, known: Iterator[str] | Variables) -> Unresolved:
    """The error of a name that is neither a variable nor a parameter."""
    names = list(known)
    near = suggestion(name, names)
    return Unresolved(f"`{name}` is neither a variable nor a parameter", near or "declare it under `variables` of the environment")


@lru_cache(maxsize=8192)
def _parts(text: str) -> tuple[str | Evaluate, ...]:
    parts: list[str | Evaluate] = []
    position = 0
    while (start := text.find(OPEN, position)) >= 0:
        end = _end(text, start + len(OPEN))
        if start > position:
            parts.append(text[position:start])
        parts.append(_compile(text[start + len(OPEN) : end].strip()))
        position = end + len(CLOSE)
    if position < len(text):
        parts.append(text[position:])
    return tuple(parts)


def _end(text: str, position: int) -> int:
    """Find the `}}` that closes an expression: not one in quotes, nor one that closes a map."""
    quote, depth = "", 0
    while position < len(text):
        letter = text[position]
        if quote:
            position += letter == "\\"
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "{":
            depth += 1
        elif letter == "}" and depth:
            depth -= 1
        elif text.startswith(CLOSE, position):
            return position
        position += 1
    raise Unresolved("an expression is not closed", "end it with }}")


@lru_cache(maxsize=8192)
def _compile(expression: str) -> Evaluate:
    if _NAME.fullmatch(expression) and expression not in RESERVED | _OPERATORS:
        return lambda variables: _look_up(expression, variables)
    named = _REFERENCE.fullmatch(expression)
    if named:
        text = reference(named[1] or named[2], named[3])
        return lambda _variables: text
    from .render import compile_expression

    return compile_expression(expression)


def _look_up(name: str, variables: Variables) -> Any:
    try:
        return variables[name]
    except KeyError:
        raise unknown_name(name, variables) from None


def _attempt(evaluate_it: Callable[[], Any], wrong: list[Fault], path: Path) -> Any:
    try:
        return evaluate_it()
    except Unresolved as error:
        wrong.append(Fault(path, error.what, error.remedy))
        return None
