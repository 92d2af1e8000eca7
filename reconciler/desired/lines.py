"""Which line of which file a policy's rule stands in. Looked up for a few objects, by reading their files once more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.address import Address
from reconciler.core.errors import Invalid
from reconciler.core.kind import Kinds
from reconciler.core.resource import Origin, Resource

from .documents import Envelope
from .ground import read_ground
from .reading import Care, Reading
from .source import Document
from .tree import Tree


@dataclass(slots=True)
class _Keeping(Reading):
    """A reading that keeps the documents of some addresses."""

    wanted: frozenset[Address] = frozenset()
    kept: dict[Address, Document] = field(default_factory=dict)

    def resource(self, envelope: Envelope, document: Document, care: Care) -> None:
        if envelope.address in self.wanted:
            self.kept[envelope.address] = document


def rule_lines(tree: Tree, environment: str, kinds: Kinds, resources: Iterable[Resource[Any]]) -> Callable[[Address, str], Origin | None]:
    """A function that finds the line of a policy's rule by its path; None where it is not written as a line of its own."""
    documents = _documents(tree, environment, kinds, {resource.address: resource for resource in resources})

    def line(policy: Address, path: str) -> Origin | None:
        document = documents.get(policy)
        return _line(document, path) if document is not None else None

    return line


def _documents(tree: Tree, environment: str, kinds: Kinds, resources: Mapping[Address, Resource[Any]]) -> Mapping[Address, Document]:
    try:
        ground = read_ground(tree, environment, kinds, None, [])
    except Invalid:
        return {}
    reading = _Keeping(ground, [], wanted=frozenset(resources))
    for file in sorted({_written_in(resource.origin) for resource in resources.values()}):
        if file in tree.files:
            reading.file(file)
    return reading.kept


def _written_in(origin: Origin) -> str:
    """The file that declares it: of a template the one that instantiates it."""
    return origin.via.rpartition(":")[0] if origin.via else origin.file


def _line(document: Document, path: str) -> Origin | None:
    spec = document.body.get("spec")
    if not isinstance(spec, dict):
        return None
    rules = spec.get("rules")
    for place, rule in enumerate(rules if isinstance(rules, list) else ()):
        if isinstance(rule, dict) and str(rule.get("path", "")).removeprefix("/") == path:
            return document.at(("spec", "rules", place))
    text = spec.get("hcl")
    return _in_text(document.at(("spec", "hcl")), text, path) if isinstance(text, str) else None


def _in_text(key: Origin, text: str, path: str) -> Origin | None:
    """The line inside a block of text, which begins below its key."""
    found = re.search(rf'path"?\s*:?\s*\{{?\s*"/?{re.escape(path)}"', text)
    if found is None:
        return None
    return key._replace(line=key.line + 1 + text.count("\n", 0, found.start())) if "\n" in text.strip() else key
