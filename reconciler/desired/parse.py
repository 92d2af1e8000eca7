"""YAML 1.2 text -> values and lines, from a parser's nodes.

Why not `yaml.safe_load`: it takes the last of two equal keys, reads `no` and `1:20` as something else, expands anchor
bombs, forgets every line number, and is three times slower.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn, cast

import yaml
from yaml.composer import ComposerError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from reconciler.core.errors import Invalid, Problem

from .compose import FASTEST, compose
from .source import Document, Source
from .tree import MAX_FILE_BYTES, too_large

MAX_EXPANDED = 100_000  # nodes of one document after its aliases are expanded: an anchor bomb stops here

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMERIC = frozenset("-+.0123456789")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,40})")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_UNREADABLE = re.compile(r"[-+]?(?:0[0-9]+|[0-9]{42,}|\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))")
_TAGS = {"map": MappingNode, "seq": SequenceNode, "str": ScalarNode}


class Parsed(NamedTuple):
    """The documents of one text, and every key in them (so that a scan knows whether to look at all)."""

    documents: tuple[Document, ...]
    keys: frozenset[str]


def parse(source: Source, composer: type[Any] = FASTEST) -> Parsed:
    """Read all documents of a text. Raises Invalid with the one thing that stops reading it."""
    text = decoded(source)
    reading = _Reading()
    documents = []
    try:
        for index, node in enumerate(compose(source.text, composer)):
            if b"&" in source.text:
                _within_budget(node)
            if node.__class__ is not MappingNode:
                if node.__class__ is ScalarNode and not node.value and not node.style:
                    continue  # nothing between two "---"
                _fail(node, f"a document must be a map with `kind` or `template`, not {_called(node)}")
            documents.append(Document(source, index, node.start_mark.line + 1, _build(node, reading)))
    except yaml.YAMLError as error:
        raise Invalid([_problem(source, text, error)]) from None
    return Parsed(tuple(documents), frozenset(reading.keys))


def core_word(text: str) -> str | int | float | bool | None:
    """Resolve a plain scalar as YAML 1.2's core schema does. Raises ValueError for numbers that would lose digits."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _UNREADABLE.fullmatch(text):
        raise ValueError(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text, 16)
    return float(text) if _FLOAT.fullmatch(text) else text


@dataclass(slots=True)
class _Reading:
    """What is remembered while one text is read: words already resolved, and keys seen."""

    words: dict[str, Any] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)


def _build(node: Node, reading: _Reading) -> Any:
    cls = node.__class__
    if node.tag:
        _check_tag(node)
        if cls is ScalarNode:
            return node.value
    if isinstance(node, ScalarNode):
        text: str = node.value
        if node.style:
            return text
        if text not in reading.words:
            reading.words[text] = _word(node)
        return reading.words[text]
    if cls is MappingNode:
        pairs = node.value
        built = {key.value if key.__class__ is ScalarNode else _fail_key(key): _build(value, reading) for key, value in pairs}
        if len(built) != len(pairs):
            _fail_repeated(pairs)
        if "<<" in built:
            _fail(node, "merge keys (<<) are not YAML 1.2", "use a template, or an alias for the whole value")
        reading.keys.update(built)
        return built
    return [_build(value, reading) for value in node.value]


def _word(node: Node) -> str | int | float | bool | None:
    try:
        return core_word(node.value)
    except ValueError:
        # Not shown: it may be a PIN.
        _fail(node, "a number with leading zeros, or beyond all measure, is read differently by every program", "quote it if it is text")


def _check_tag(node: Node) -> None:
    wanted = _TAGS.get(node.tag.removeprefix("tag:yaml.org,2002:"))
    if wanted is not node.__class__:
        _fail(node, f"the tag {node.tag} is not allowed", "write the value without a tag")


def _within_budget(root: Node) -> None:
    """Refuse a document that is huge, or endless, once its aliases are expanded. Linear in what is written."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: Node) -> int:
        here = id(node)
        if here in open_nodes:
            _fail(node, "an alias stands inside the value that it names")
        if here not in sizes:
            open_nodes.add(here)
            sizes[here] = 1 + sum(map(size, _children(node)))
            open_nodes.discard(here)
            if sizes[here] > MAX_EXPANDED:
                _fail(node, f"its aliases expand to more than {MAX_EXPANDED:,} values", "write less, or use a template")
        return sizes[here]

    size(root)


def _children(node: Node) -> Iterator[Node]:
    if node.__class__ is MappingNode:
        for key, value in node.value:
            yield key
            yield value
    elif node.__class__ is SequenceNode:
        yield from node.value


def decoded(source: Source) -> str:
    """Return the text, if it is text. Raises Invalid."""
    if len(source.text) > MAX_FILE_BYTES:
        raise Invalid([too_large(source.file, len(source.text))])
    try:
        text = source.text.decode()
    except UnicodeDecodeError as error:
        line = source.text.count(b"\n", 0, error.start) + 1
        raise Invalid([Problem(str(source.origin(line)), "", "is not UTF-8", "save the file as UTF-8")]) from None
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        code = f"U+{ord(control[0]):04X}"
        raise Invalid([Problem(str(source.origin(line)), "", f"holds the control character {code}", "remove it")])
    return text


def _problem(source: Source, text: str, error: yaml.YAMLError) -> Problem:
    """Say in words what the parser found, at the line where it found it."""
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Problem(str(source.origin(line)), "", f"holds the character U+{error.character:04X}, which YAML forbids", "remove it")
    marked = cast("yaml.MarkedYAMLError", error)
    mark = marked.problem_mark or marked.context_mark
    line = mark.line if mark else 0
    written = text.split("\n")[line : line + 1] or [""]
    where = str(source.origin(line + 1))
    if "\t" in written[0][: len(written[0]) - len(written[0].lstrip())]:
        return Problem(where, "", "a tab indents this line", "YAML is indented with spaces")
    if isinstance(error, _Wrong):
        return Problem(where, "", str(marked.problem), error.remedy)
    if marked.problem == "second occurrence":
        return Problem(where, "", "an anchor is defined twice", "give each its own name")
    since = f" {marked.context}" if marked.context else ""
    begun = f" that begins at line {source.origin(marked.context_mark.line + 1).line}" if marked.context_mark and since else ""
    hint = "quote a value that holds ${{ }} inside [ ] or { }" if "${{" in written[0] else "see this line and the one before"
    return Problem(where, "", f"is not YAML: {marked.problem}{since}{begun}", hint)


class _Wrong(ComposerError):
    """YAML that parses, but must not be taken."""

    remedy = ""


def _fail(node: Node, what: str, remedy: str = "") -> NoReturn:
    error = _Wrong(None, None, what, node.start_mark)
    error.remedy = remedy
    raise error


def _fail_key(key: Node) -> NoReturn:
    _fail(key, f"a key must be text, not {_called(key)}", "an expression is written ${{ }}; text with {{ }} needs quotes")


def _fail_repeated(pairs: list[tuple[Node, Node]]) -> NoReturn:
    first: dict[str, Node] = {}
    for key, _value in pairs:
        if key.value in first:
            _fail(key, f"the key `{key.value}` stands here twice; first on line {first[key.value].start_mark.line + 1}", "remove one")
        first[key.value] = key
    raise AssertionError("no key is repeated")


def _called(node: Node) -> str:
    return "a map" if isinstance(node, MappingNode) else "a list" if isinstance(node, SequenceNode) else "a single value"
