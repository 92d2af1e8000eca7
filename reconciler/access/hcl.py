"""Read policy texts, HCL or JSON, as the server's own parser (hashicorp/hcl 1) does: same texts accepted, same meaning.

A parser of our own because thousands of policies are read for one plan: the general HCL parsers for Python take a
millisecond a policy, this one some 20 microseconds. One regular expression finds the tokens; positions are worked out
only when something is wrong.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple


class PolicyError(ValueError):
    """A policy text or rule that the server would refuse, or that cannot be read: one sentence."""


class Entry(NamedTuple):
    """`KEY KEY { ... }` or `KEY = value`. The value is a str, int, float, bool, list of those, or a Body."""

    keys: tuple[str, ...]
    value: Any


Body = tuple[Entry, ...]
"""An object. Repeated keys are kept, in order: HCL allows them, and the server gives them a meaning."""

# The escapes that the server's scanner knows; any other backslash is an error there.
_ESCAPE = r'\\(?:[abfnrtv\\"]|[0-7]{3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})'
# Inside `${ }` quotes are ordinary characters. One nested pair of braces is more than any policy was seen to use.
_INTERPOLATION = r"\$\{(?:[^{}]|\{[^{}]*\})*+\}"
_STRING = rf'"(?:[^"\\\n$]++|{_ESCAPE}|\$(?!\{{)|{_INTERPOLATION})*+"'
_HEREDOC = r"<<-?(?P<anchor>\w+)\n(?:.*\n)*?[ \t\v\f\r]*(?P=anchor)\r*(?=\n)"
_NUMBER = r"-?(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d*)?)|\.\d+(?:[eE][+-]?\d*)?"
_WORD = r"[^\W\d][\w.\-]*"
_BLANK = r"(?:[ \t\r\n]++|(?:\#|//)[^\n]*+|/\*[\s\S]*?\*/)*+"

_TOKEN = re.compile(rf"{_BLANK}({_STRING}|[{{}}\[\],=]|{_WORD}|{_NUMBER}|\Z|[\s\S])")
# Heredocs are rare, and their second group makes every match dearer.
_TOKEN_OR_HEREDOC = re.compile(rf"{_BLANK}({_STRING}|[{{}}\[\],=]|{_WORD}|{_NUMBER}|{_HEREDOC}|\Z|[\s\S])")
_SPECIAL = re.compile(rf"{_INTERPOLATION}|{_ESCAPE}")
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_MUST_ESCAPE = re.compile(r'["\\\x00-\x1f\x7f\ue123]|\$(?=\{)')
# A policy is a few levels deep; a text that nests further is an attack on the stack.
_DEEPEST = 32


def parse(text: str) -> Body:
    """Return the entries of a policy text. Raises PolicyError that names the line."""
    if "\0" in text:
        raise PolicyError(f"line {text.count(chr(10), 0, text.index(chr(0))) + 1}: holds a NUL character")
    return _json(text) if text.lstrip().startswith("{") else _Reader(text.replace("\r\n", "\n")).body("")


def quote(text: str) -> str:
    """Write a string so that the server reads it back unchanged."""
    # "${" would begin an interpolation, in which the server looks for no closing quote.
    escaped = _MUST_ESCAPE.sub(lambda match: "\\" + match[0] if match[0] in '"\\' else f"\\u{ord(match[0]):04x}", text)
    return f'"{escaped}"'


class _Reader:
    """One pass over the pieces of one text."""

    __slots__ = ("at", "depth", "pattern", "pieces", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = self.depth = 0
        self.pattern = _TOKEN_OR_HEREDOC if "<<" in text else _TOKEN
        self.pieces: list[str] = (
            self.pattern.findall(text) if self.pattern is _TOKEN else [match[1] for match in self.pattern.finditer(text)]
        )

    def body(self, closing: str) -> Body:
        """Read entries up to `closing`, which is "}" or, for the whole text, the empty piece at its end."""
        self.enter()
        entries = []
        pieces = self.pieces
        while pieces[self.at] != closing:
            entries.append(self.entry())
            if pieces[self.at] == ",":
                self.at += 1
        self.at += 1
        self.depth -= 1
        return tuple(entries)

    def entry(self) -> Entry:
        keys: list[str] = []
        while True:
            piece = self.pieces[self.at]
            self.at += 1
            if piece == "{" and keys:
                return Entry(tuple(keys), self.body("}"))
            if piece == "=" and len(keys) == 1:
                return Entry(tuple(keys), self.value())
            if piece[:1] == '"' and len(piece) > 1:
                keys.append(_unquote(piece))
            elif (piece[:1].isalpha() or piece[:1] == "_") and piece not in ("true", "false"):
                keys.append(piece)
            else:
                raise self.wrong(f"{keys[-1]!r} must be followed by '{{' or '='" if keys else "a name is expected")

    def value(self) -> Any:
        piece = self.pieces[self.at]
        self.at += 1
        if piece[:1] == '"' and len(piece) > 1:
            return _unquote(piece)
        if piece == "[":
            return self.list()
        if piece == "{":
            return self.body("}")
        if piece in ("true", "false"):
            return piece == "true"
        if piece[:2] == "<<":
            return _heredoc(piece)
        if piece[-1:].isdigit() or piece[:1].isdigit():
            try:
                return _number(piece)
            except ValueError:
                raise self.wrong("this is not a number") from None
        raise self.wrong("a value is expected")

    def list(self) -> list[Any]:
        self.enter()
        values: list[Any] = []
        while (piece := self.pieces[self.at]) != "]":
            if piece == ",":
                self.at += 1
                continue
            values.append(self.value())
            if self.pieces[self.at] not in (",", "]"):
                self.at += 1
                raise self.wrong("a list needs ',' or ']' here")
        self.at += 1
        self.depth -= 1
        return values

    def enter(self) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.wrong(f"nested more than {_DEEPEST} levels deep")

    def wrong(self, what: str) -> PolicyError:
        """The error at the piece that was taken last; its line is found by walking the text once more."""
        line = 1
        for number, match in enumerate(self.pattern.finditer(self.text), 1):
            line = self.text.count("\n", 0, match.start(1)) + 1
            if number >= self.at:
                break
        piece = self.pieces[max(self.at - 1, 0)]
        seen = {"": "the end", '"': "a string that does not end", "<": "a heredoc that does not end"}.get(piece, repr(piece))
        return PolicyError(f"line {line}: {what}, found {seen}")


def _unquote(piece: str) -> str:
    return _SPECIAL.sub(_unescape, piece[1:-1]) if "\\" in piece else piece[1:-1]


def _unescape(match: re.Match[str]) -> str:
    text = match[0]
    if text[0] == "$":
        return text
    if text[1] in _ESCAPED:
        return _ESCAPED[text[1]]
    code = int(text[2:], 16) if text[1] in "xuU" else int(text[1:], 8)
    # Octal and \x name bytes, not characters, and surrogates are no characters: the server's reading of them is not text.
    if (code > 0x7F and text[1] not in "uU") or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise PolicyError(f"the escape {text} is not a character")
    return chr(code)


def _number(piece: str) -> int | float:
    sign, digits = (-1, piece[1:]) if piece[0] == "-" else (1, piece)
    if digits[:2] in ("0x", "0X"):
        return sign * int(digits, 16)
    if digits.isdigit():
        return sign * (int(digits, 8) if digits[0] == "0" and digits != "0" else int(digits))
    return float(piece)


def _heredoc(piece: str) -> str:
    """The text between the anchors; `<<-` takes the closing line's indentation from every line, if all have it."""
    first, _, rest = piece.partition("\n")
    body, _, last = rest.rpartition("\n")
    text = body + "\n" if _ else ""
    indent = last[: len(last) - len(last.lstrip())]
    if first.startswith("<<-") and indent and all(line.startswith(indent) for line in text.splitlines()):
        return "".join(line[len(indent) :] for line in text.splitlines(keepends=True))
    return text


def _json(text: str) -> Body:
    try:
        read = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise PolicyError(f"line {error.lineno}: {error.msg}") from None
    except RecursionError:
        raise PolicyError("line 1: nested too deeply") from None
    return _blocks(read)


class _Pairs(list[tuple[str, Any]]):
    """A JSON object whose repeated keys are kept, and which no list is taken for."""


def _blocks(pairs: _Pairs) -> Body:
    """The top of a JSON policy: {"path": {"a/b": {...}}} is `path "a/b" {...}`, and so is a list of such objects."""
    entries = []
    for key, value in pairs:
        for named in value if isinstance(value, list) and not isinstance(value, _Pairs) else [value]:
            if not isinstance(named, _Pairs):
                entries.append(Entry((key,), named))
                continue
            entries.extend(Entry((key, name), _plain(body)) for name, body in named)
    return tuple(entries)


def _plain(value: Any) -> Any:
    if isinstance(value, _Pairs):
        return tuple(Entry((key,), _plain(inner)) for key, inner in value)
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
