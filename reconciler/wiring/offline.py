"""What needs no server: validate, render, schema."""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler.core.errors import Invalid, Problem
from reconciler.desired.environments import choose_environment
from reconciler.desired.git import Repository
from reconciler.settings import Settings


class Checked(NamedTuple):
    """One environment that was found valid."""

    environment: str
    objects: int
    notes: tuple[str, ...]


def validated(settings: Settings, commit: str = "") -> list[Checked]:
    """Check the work tree or a commit, for one environment or, where none was named, for all. Raises Invalid with every problem."""
    from reconciler.desired.load import load
    from reconciler.kinds import KINDS

    from .access import policy_lints

    repository = Repository(settings.repo)
    tree = repository.read(repository.resolve(commit)) if commit else repository.read_work_tree()
    names = [settings.environment] if settings.environment else sorted(tree.environments()) or [choose_environment(tree, None)]
    checked: list[Checked] = []
    problems: list[Problem] = []
    for name in names:
        try:
            desired = load(tree, name, KINDS)
        except Invalid as invalid:
            problems.extend(invalid.problems)
        else:
            lints = policy_lints(tree, desired)
            checked.append(Checked(name, len(desired.resources), (*desired.notes, *desired.unresolved, *lints)))
    if problems:
        raise Invalid(dict.fromkeys(problems))  # what is wrong in every environment is said once
    return checked


def rendered(settings: Settings) -> str:
    """The desired state of one environment as YAML."""
    from reconciler.desired.load import load
    from reconciler.desired.output import to_yaml
    from reconciler.kinds import KINDS

    tree = Repository(settings.repo).read_work_tree()
    return to_yaml(load(tree, settings.environment or None, KINDS))


def schema(kind: str | None) -> dict[str, Any]:
    """The JSON Schema of one kind's document, or of all."""
    from reconciler.desired.schema import document_schema
    from reconciler.kinds import KINDS

    return document_schema(kind, KINDS)


__all__ = ["Checked", "rendered", "schema", "validated"]
