"""What documents are read against: the environment, its overlays and the templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.address import Address
from reconciler.core.errors import Invalid, Problem, Usage
from reconciler.core.kind import Kinds

from .environments import Environment, environment_document, merge_trusted, validate_environment
from .overlays import Overlay, environment_of, misplaced, read_overlay
from .parse import Parsed, parse
from .source import Document, Patch, Source
from .templates import Template, read_template
from .tree import Tree


@dataclass(frozen=True, slots=True)
class Ground:
    """All of it. A template that is broken is there as None, so that its uses are not called unknown too."""

    tree: Tree
    kinds: Kinds
    environment: Environment
    document: Document
    """The environment's own document."""
    patches: Mapping[Address, list[Patch]]
    templates: Mapping[str, Template | None]


def read_ground(tree: Tree, name: str, kinds: Kinds, trusted: Tree | None, problems: list[Problem]) -> Ground:
    """Read it all. Adds to `problems`; raises Invalid where the environment itself is wrong, since nothing holds without it."""
    document = environment_document(tree, name)
    environment = _trusted(validate_environment(name, document), trusted)
    problems.extend(misplaced(tree.overlays(), tree.environments()))
    patches: dict[Address, list[Patch]] = {}
    for overlay in _overlays(tree, name, problems):
        patches.setdefault(overlay.address, []).append(overlay.patch)
    return Ground(tree, kinds, environment, document, patches, _templates(tree, problems))


def read_file(tree: Tree, path: str, problems: list[Problem]) -> Parsed:
    """Parse a file; one that is not YAML adds a problem and holds nothing."""
    try:
        return parse(Source(path, tree.files[path]))
    except Invalid as error:
        problems.extend(error.problems)
        return Parsed((), frozenset())


def _trusted(environment: Environment, trusted: Tree | None) -> Environment:
    if trusted is None:
        return environment
    name = environment.name
    if name not in trusted.environments():
        raise Usage(f"environment {name} is not in the trusted commit, so nothing may be contacted for it (merge it first)")
    return merge_trusted(environment, validate_environment(name, environment_document(trusted, name)))


def _overlays(tree: Tree, name: str, problems: list[Problem]) -> Iterator[Overlay]:
    for path in tree.overlays():
        for document in read_file(tree, path, problems).documents if environment_of(path) == name else ():
            overlay = read_overlay(document)
            if isinstance(overlay, Overlay):
                yield overlay
            else:
                problems.extend(overlay)


def _templates(tree: Tree, problems: list[Problem]) -> dict[str, Template | None]:
    found: dict[str, Template | None] = {}
    for name, path in tree.templates().items():
        try:
            found[name] = read_template(name, path, tree.files[path])
        except Invalid as error:
            found[name] = None
            problems.extend(error.problems)
    return found
