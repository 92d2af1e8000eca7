"""apply and rollback: what writes."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler.cli.plans import Digest, allow, commit, lock_timeout, output_json, plan_code, progress, show, targets, yes
from reconciler.cli.running import ask_or_yes, confirm, finish
from reconciler.settings import Settings


@click.command()
@click.argument("planfile", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@yes
@click.option("--rollback-on-failure", is_flag=True, help="Undo what was applied when something fails.")
@allow
@targets
@commit
@click.option("--expect-digest", type=Digest(), metavar="DIGEST", help="Refuse unless the whole plan is the one that was reviewed.")
@lock_timeout
@output_json
@click.pass_obj
def apply(
    settings: Settings,
    planfile: Path | None,
    yes: bool,
    rollback_on_failure: bool,
    allow: tuple[str, ...],
    target: tuple[str, ...],
    commit: str,
    expect_digest: str | None,
    lock_timeout: int,
    output: str,
) -> None:
    """Apply the commit at HEAD, or what PLANFILE expects of its commit.

    It plans again under the lock. With PLANFILE each change in the file must come out identical, else nothing is
    applied (exit 4). Exits 5 where something failed part-way; the next apply goes on from there.

    \b
    reconcile apply                            shows the plan and asks
    reconcile apply --yes plan.json            what `plan --out plan.json` saved
    reconcile apply --yes --expect-digest sha256:...     the whole plan as it was reviewed
    reconcile apply --allow irreversible       lifts one guard, this once
    """
    from reconciler import wiring

    ask_or_yes(yes)
    if planfile and commit:
        raise click.UsageError("a plan file names its commit itself")
    saved = wiring.saved_plan(planfile) if planfile else None
    with wiring.opened(settings, "apply", commit=saved.commit if saved else commit or "HEAD", progress=progress()) as session:
        orders = session.orders(
            confirm(settings, session, yes),
            allow=allow,
            targets=target,
            expect_digest=expect_digest or "",
            saved=saved,
            undo_on_failure=rollback_on_failure,
        )
        finish(settings, session, orders, output, lock_timeout)


@click.command()
@click.option("--to", "to", metavar="COMMIT", help="An applied commit; default: the one before the last.")
@click.option("--plan", is_flag=True, help="Only show what it would change.")
@yes
@allow
@lock_timeout
@output_json
@click.pass_obj
def rollback(settings: Settings, to: str | None, plan: bool, yes: bool, allow: tuple[str, ...], lock_timeout: int, output: str) -> None:
    """Go back to the previously applied commit; a second time, one further.

    The work tree is not touched. Objects and variables are those of the target commit; logins, ledger and guards are
    those of HEAD. What was undone is not applied again unasked (guard rolled_back).

    \b
    reconcile rollback --plan                  what it would change
    reconcile rollback --to 4f2c1ab            an applied commit of `reconcile history`
    """
    from reconciler import wiring

    if not plan:
        ask_or_yes(yes)
    with wiring.opened_for_rollback(settings, to, "plan" if plan else "apply", progress=progress()) as session:
        if plan:
            found = session.plan((), allow, rolling_back=True)
            show(found, session, settings, output)
            sys.exit(plan_code(found, False))
        orders = session.orders(confirm(settings, session, yes), sort="rollback", allow=allow)
        finish(settings, session, orders, output, lock_timeout)


COMMANDS = (apply, rollback)
