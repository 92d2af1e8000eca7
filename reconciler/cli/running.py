"""What the commands that write have in common: asking, reporting, exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import click

from reconciler.cli.plans import show
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.core.plan import Plan
    from reconciler.wiring import Applied, Orders, Session


def ask_or_yes(yes: bool) -> None:
    """Refuse to guess where nobody can be asked."""
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; give --yes to go ahead")


def confirm(settings: Settings, session: Session, yes: bool) -> Callable[[Plan], bool]:
    """Show the plan and ask, unless --yes was given."""

    def ask(found: Plan) -> bool:
        if yes:
            return True
        show(found, session, settings, "text")
        return click.confirm("Apply this?", default=False)

    return ask


def finish(settings: Settings, session: Session, orders: Orders, output: str, lock_timeout: int = 0) -> NoReturn:
    """Do a run, report it, and exit with what became of it."""
    from reconciler.cli.output import say, say_json
    from reconciler.report.runs import applied_json, applied_text
    from reconciler.wiring import Refusal, StalePlan

    try:
        done = session.apply(orders, lock_timeout)
    except (Refusal, StalePlan) as refused:
        if output == "json":
            say_json(applied_json(refused.plan))
        else:
            show(refused.plan, session, settings, "text")
        if isinstance(refused, StalePlan):
            raise  # the plan itself does not say why
        sys.exit(refused.exit_code)
    if output == "json":
        say_json(applied_json(done.planned.plan, done.run, done.records))
    else:
        say(applied_text(done.planned.plan, done.run, done.records, session.cost()), settings)
    if done.unrecorded:
        click.echo(f"error: the run could not be recorded: {done.unrecorded} (apply again: it finds what was done)", err=True)
    sys.exit(_first_values(session, done) or _applied_code(done, session))


def _first_values(session: Session, done: Applied) -> int:
    """Make the values that new secrets are declared to begin with. Returns 5 where one could not be made."""
    changed = {one.address for one in done.records if one.address.startswith("secret/") and one.outcome == "applied" and one.after}
    if not changed:
        return 0
    from reconciler.wiring.rotating import first_values

    failed = 0
    for one in first_values(session, changed):
        why = one.error or one.trouble
        words = f"could not be made: {why} (reconcile rotate --secret-path {one.path})" if why else "was made"
        click.echo(f"secret/{one.path}: its first value {words}", err=True)
        failed = 5 if why else failed
    return failed


def _applied_code(done: Applied, session: Session) -> int:
    if done.declined:
        return 0
    if session.interrupted and not done.wrote:
        return 130
    return 5 if done.failed else 0
