"""plan and drift: what differs. Nothing here writes."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.plans import allow, commit, exit_code, output, output_plan, plan_code, progress, show, targets, trust_ref
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.core.plan import Plan


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan (the JSON of -o json) for `apply PLANFILE`.")
@output_plan
@exit_code
@targets
@allow
@commit
@trust_ref
@click.option("--changed-since", metavar="REV", help="Only what differs from this commit, and what depends on that: for pull requests.")
@click.option("--unmanaged", is_flag=True, help="Also name what exists beside the declared objects.")
@click.pass_obj
def plan(
    settings: Settings,
    out: Path | None,
    output: str,
    exit_code: bool,
    target: tuple[str, ...],
    allow: tuple[str, ...],
    commit: str,
    trust_ref: str | None,
    changed_since: str | None,
    unmanaged: bool,
) -> None:
    """Show what an apply would change. Writes nothing, anywhere.

    Uncommitted changes are planned too, and marked. A plan that a guard refuses is printed and exits 4; one that could
    not read everything exits 1. Notes name what the compliance checks find in what changes; `-o sarif` prints all that
    they find in the desired state, at its lines, instead of the plan.

    \b
    reconcile plan --exit-code                 for scripts: 3 where something would change
    reconcile plan --changed-since main        in a large repository: what this branch changes, no more
    reconcile plan --out plan.json             review it, then: reconcile apply plan.json
    reconcile plan -o markdown --trust-ref refs/remotes/origin/main   as a pull request's comment
    """
    from reconciler import wiring

    opening = wiring.opened(settings, "plan", commit=commit, trust_ref=trust_ref, changed_since=changed_since, progress=progress())
    with opening as session:
        found = session.plan(target, allow)
        show(found, session, settings, output, unmanaged=unmanaged)
        if out:
            _save(found, out)
    sys.exit(plan_code(found, exit_code))


def _save(found: Plan, out: Path) -> None:
    """Write the plan whole or not at all: a half-written plan must never be applied."""
    from reconciler.core.errors import ReconcilerError
    from reconciler.core.plan import plan_json

    temporary = ""
    try:
        with tempfile.NamedTemporaryFile("w", dir=out.parent, delete=False, encoding="utf-8") as file:
            temporary = file.name
            json.dump(plan_json(found), file, indent=2, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, out)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise ReconcilerError(f"{out}: the plan could not be saved: {error.strerror}") from None


@click.command()
@exit_code
@output
@click.pass_obj
def drift(settings: Settings, exit_code: bool, output: str) -> None:
    """Compare live with the last applied commit: what was changed behind its back.

    `reconcile drift --exit-code` ends with 3 where something was; `reconcile apply` puts it right.
    """
    from reconciler import wiring

    with wiring.opened_for_drift(settings, progress=progress()) as session:
        found = session.plan((), (), rolling_back=True)
        show(found, session, settings, output)
    sys.exit(plan_code(found, exit_code))


COMMANDS = (plan, drift)
