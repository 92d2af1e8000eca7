"""apply and rollback: what writes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.cli.plans import allow, lock_timeout, output_json, plan_code, progress, show, targets, yes
from reconciler.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.core.plan import Plan
    from reconciler.wiring import Applied, Session


@click.command()
@click.argument("planfile", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@yes
@click.option("--rollback-on-failure", is_flag=True, help="Undo what was applied when something fails.")
@allow
@targets
@click.option("--expect-digest", metavar="DIGEST", help="Refuse unless the whole plan is the one that was reviewed.")
@lock_timeout
@output_json
@click.pass_obj
def apply(
    settings: Settings,
    planfile: Path | None,
    yes: bool,
    rollback_on_failure: bool,
    allow: tuple[str, ...],
    targets: tuple[str, ...],
    expect_digest: str | None,
    lock_timeout: float,
    output: str,
) -> None:
    """Apply the commit at HEAD, or what PLANFILE expects of its commit.

    It plans again under the lock. With PLANFILE each change in the file must come out identical, else nothing is
    applied (exit 4).
    """
    from reconciler import wiring

    _ask_or_yes(yes)
    saved = wiring.saved_plan(planfile) if planfile else None
    with wiring.opened(settings, "apply", commit=saved.commit if saved else "HEAD", progress=progress()) as session:
        orders = session.orders(allow, targets, expect_digest or "", saved, rollback_on_failure, _confirm(settings, session, yes))
        _finish(settings, session, lambda: session.apply(orders, lock_timeout), output)


@click.command()
@click.option("--to", "to", metavar="COMMIT", help="An applied commit; default: the one before the last.")
@click.option("--plan", "plan_only", is_flag=True, help="Only show what it would change.")
@yes
@allow
@lock_timeout
@output_json
@click.pass_obj
def rollback(
    settings: Settings, to: str | None, plan_only: bool, yes: bool, allow: tuple[str, ...], lock_timeout: float, output: str
) -> None:
    """Go back to the previously applied commit; a second time, one further.

    The work tree is not touched. Objects and variables are those of the target commit; logins, ledger and guards are
    those of HEAD.
    """
    from reconciler import wiring

    if not plan_only:
        _ask_or_yes(yes)
    with wiring.opened_for_rollback(settings, to or "", "plan" if plan_only else "apply", progress=progress()) as session:
        if plan_only:
            found = session.plan((), allow, rolling_back=True)
            show(found, session, settings, output)
            sys.exit(plan_code(found, False))
        orders = session.orders(allow, (), "", None, False, _confirm(settings, session, yes), sort="rollback")
        _finish(settings, session, lambda: session.apply(orders, lock_timeout), output)


def _ask_or_yes(yes: bool) -> None:
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; give --yes to go ahead")


def _confirm(settings: Settings, session: Session, yes: bool) -> Callable[[Plan], bool]:
    """Show the plan and ask, unless --yes was given."""

    def ask(found: Plan) -> bool:
        if yes:
            return True
        show(found, session, settings, "text")
        return click.confirm("Apply this?", default=False)

    return ask


def _finish(settings: Settings, session: Session, run: Callable[[], Applied], output: str) -> None:
    """Do a run, report it, and exit with what became of it."""
    from reconciler.cli.output import say, say_json
    from reconciler.report.runs import applied_json, applied_text
    from reconciler.wiring import Refusal

    try:
        done = run()
    except Refusal as refusal:
        if output == "json":
            say_json(applied_json(refusal.plan))
        else:
            show(refusal.plan, session, settings, "text")
        sys.exit(4)
    if output == "json":
        say_json(applied_json(done.planned.plan, done.run, done.records))
    else:
        say(applied_text(done.planned.plan, done.run, done.records, session.cost()), settings)
    if done.unrecorded:
        click.echo(f"error: the run could not be recorded: {done.unrecorded} (apply again: it finds what was done)", err=True)
    sys.exit(_applied_code(done, session))


def _applied_code(done: Applied, session: Session) -> int:
    if done.declined:
        return 0
    if session.interrupted and not done.wrote:
        return 130
    return 5 if done.failed else 0


COMMANDS = (apply, rollback)
