"""Compliance reports of an environment: with everything that can be reached, or from a desired state alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from reconciler.core.errors import Invalid, Problem
from reconciler.desired.environments import read_environment
from reconciler.desired.git import Repository
from reconciler.desired.tree import Tree
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.core.findings import Control, Report
    from reconciler.desired.load import Desired


def compliance_of(settings: Settings, framework: str | None, devices: Sequence[str]) -> tuple[Report, Mapping[str, Sequence[Control]]]:
    """What every check found, and the frameworks to show: the one that is asked for, those that are declared, or all."""
    from reconciler.compliance.frameworks import FRAMEWORKS
    from reconciler.report.compliance import covering

    from .compliance import report

    shown = [framework] if framework else _declared(settings) or FRAMEWORKS
    chosen = {name: FRAMEWORKS[name] for name in shown}
    found = report(settings, devices, chosen)
    return (covering(found, chosen) if framework else found), chosen


def _declared(settings: Settings) -> Sequence[str]:
    """The frameworks that HEAD declares."""
    repository = Repository(settings.repo)
    return read_environment(repository.read(repository.resolve("HEAD")), settings.environment or None).compliance.frameworks


def checked_offline(tree: Tree, desired: Desired) -> Callable[[], Report]:
    """What a desired state alone shows, once somebody asks: no plan waits for it. It keeps none of the tree's text."""
    slim = Tree(dict.fromkeys(tree.environments().values(), b""), tree.commit)

    def check() -> Report:
        from .compliance_desired import offline_report

        return offline_report(slim, desired)

    return check


def refused_findings(desired: Desired, check: Callable[[], Report]) -> list[Problem]:
    """The findings that are errors in this environment."""
    from reconciler.report.compliance_notes import finding_problems

    least = desired.environment.guards.findings
    return list(finding_problems(check(), least)) if least else []


def refuse_findings(desired: Desired, check: Callable[[], Report]) -> None:
    """Raises Invalid where a finding is an error."""
    if problems := refused_findings(desired, check):
        raise Invalid(problems)
