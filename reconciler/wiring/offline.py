"""What needs no server: validate, render, schema."""

from __future__ import annotations

from typing import Any, NamedTuple

from reconciler.core.errors import Invalid, Problem
from reconciler.core.findings import Report
from reconciler.desired.environments import choose_environment
from reconciler.desired.git import Repository
from reconciler.desired.tree import Tree
from reconciler.report.compliance_notes import finding_notes
from reconciler.settings import Settings


class Checked(NamedTuple):
    """One environment that loads. `refused`: the findings of its checks that its guards make errors."""

    environment: str
    objects: int
    notes: tuple[str, ...]
    report: Report
    refused: tuple[Problem, ...]


class Validated(NamedTuple):
    """The environments that load, and everything that is wrong with the others."""

    checked: tuple[Checked, ...]
    problems: tuple[Problem, ...]

    @property
    def wrong(self) -> tuple[Problem, ...]:
        return (*self.problems, *dict.fromkeys(problem for one in self.checked for problem in one.refused))


def validated(settings: Settings, commit: str = "") -> Validated:
    """Check the work tree or a commit, for one environment or, where none was named, for all."""
    repository = Repository(settings.repo)
    tree = repository.read(repository.resolve(commit)) if commit else repository.read_work_tree()
    names = [settings.environment] if settings.environment else sorted(tree.environments()) or [choose_environment(tree, None)]
    checked: list[Checked] = []
    problems: list[Problem] = []
    for name in names:
        try:
            checked.append(_checked(tree, name))
        except Invalid as invalid:
            problems.extend(invalid.problems)
    return Validated(tuple(checked), tuple(dict.fromkeys(problems)))  # what is wrong in every environment is said once


def _checked(tree: Tree, name: str) -> Checked:
    from reconciler.desired.load import load
    from reconciler.kinds import KINDS

    from .access import policy_lints
    from .complying import checked_offline, refused_findings

    desired = load(tree, name, KINDS)
    report = checked_offline(tree, desired)()
    notes = (*desired.notes, *desired.unresolved, *policy_lints(tree, desired), *finding_notes(report))
    return Checked(name, len(desired.resources), notes, report, tuple(refused_findings(desired, lambda: report)))


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


__all__ = ["Checked", "Validated", "rendered", "schema", "validated"]
