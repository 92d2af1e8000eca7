"""plan, apply, rollback, drift."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconciler.cli.output import ProgressBar
    from reconciler.core.plan import Plan
    from reconciler.engine.apply import Applied
    from reconciler.wiring import SavedPlan, Session

GUARDS = (
    "delete_share", "max_deletes", "empty", "irreversible", "replace", "takeover", "protected", "self_lockout", "dirty", "ancestry",
    "rolled_back", "incomplete", "instance_removed",
)  # fmt: skip  # spelled out, so that --help imports nothing; a test holds it equal to core.guard.Guard

output = click.option("-o", "--output", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
output_json = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
exit_code = click.option("--exit-code", is_flag=True, help="Exit 3 when something would change.")
trust_ref = click.option(
    "--trust-ref",
    metavar="REF",
    help="Take instances, logins, ledger, guards and readable secrets from REF: the base of a pull request.",
)
allow = click.option("--allow", multiple=True, type=click.Choice(GUARDS), metavar="GUARD", help=f"Lift a guard: {', '.join(GUARDS)}.")
targets = click.option("--target", "targets", multiple=True, metavar="ADDRESS", help="Only this object and what it needs.")
yes = click.option("--yes", is_flag=True, help="Do not ask.")
lock_timeout = click.option("--lock-timeout", type=float, default=0, metavar="SECONDS", help="Wait this long for a held lock.")


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan (the JSON of -o json) for `apply PLANFILE`.")
@output
@exit_code
@targets
@allow
@trust_ref
@click.pass_obj
def plan(
    settings: Settings,
    out: Path | None,
    output: str,
    exit_code: bool,
    targets: tuple[str, ...],
    allow: tuple[str, ...],
    trust_ref: str | None,
) -> None:
    """Show what an apply would change. Writes nothing, anywhere.

    Uncommitted changes are planned too, and marked. A plan that a guard refuses is printed and exits 4; one that could
    not read everything exits 1.
    """
    from reconciler import wiring

    with wiring.opened(settings, "plan", trust_ref=trust_ref, progress=_progress()) as session:
        found = session.plan(targets, allow)
        _show(found, session, settings, output)
        if out:
            _save(found, out)
    sys.exit(_plan_code(found, exit_code))


def _progress() -> ProgressBar:
    from reconciler.cli.output import ProgressBar

    return ProgressBar()


def _show(found: Plan, session: Session, settings: Settings, output: str) -> None:
    from reconciler.cli.output import Painter, say, say_json
    from reconciler.core.plan import plan_json

    if output == "json":
        say_json(plan_json(found))
    elif output == "markdown":
        from reconciler.report.markdown import plan_markdown

        click.echo(plan_markdown(found, session.about()))
    else:
        from reconciler.report.text import plan_text

        say(plan_text(found, session.about(), session.cost(), Painter(settings)), settings)


def _save(found: Plan, out: Path) -> None:
    """Write the plan whole or not at all: a half-written plan must never be applied."""
    import os
    import tempfile

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


def _plan_code(found: Plan, exit_code: bool) -> int:
    if not found.complete:
        return 1
    if found.refusals:
        return 4
    return 3 if exit_code and found.changes else 0


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
    saved = _read_plan(planfile) if planfile else None
    with wiring.opened(settings, "apply", commit=saved.commit if saved else "HEAD", progress=_progress()) as session:
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
    with wiring.opened_for_rollback(settings, to or "", "plan" if plan_only else "apply", progress=_progress()) as session:
        if plan_only:
            found = session.plan((), allow, rolling_back=True)
            _show(found, session, settings, output)
            sys.exit(_plan_code(found, False))
        orders = session.orders(allow, (), "", None, False, _confirm(settings, session, yes), sort="rollback")
        _finish(settings, session, lambda: session.apply(orders, lock_timeout), output)


@click.command()
@exit_code
@output
@click.pass_obj
def drift(settings: Settings, exit_code: bool, output: str) -> None:
    """Compare live with the last applied commit: what was changed behind its back."""
    from reconciler import wiring

    with wiring.opened_for_drift(settings, progress=_progress()) as session:
        found = session.plan((), (), rolling_back=True)
        _show(found, session, settings, output)
    sys.exit(_plan_code(found, exit_code))


def _ask_or_yes(yes: bool) -> None:
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; give --yes to go ahead")


def _confirm(settings: Settings, session: Session, yes: bool) -> Callable[[Plan], bool]:
    """Show the plan and ask, unless --yes was given."""

    def ask(found: Plan) -> bool:
        if yes:
            return True
        _show(found, session, settings, "text")
        return click.confirm("Apply this?", default=False)

    return ask


def _read_plan(planfile: Path) -> SavedPlan:
    """Read a saved plan. Raises Usage for a file that is none."""
    from reconciler.wiring import saved_plan

    return saved_plan(planfile)


def _finish(settings: Settings, session: Session, run: Callable[[], Applied], output: str) -> None:
    """Do a run, report it, and exit with what became of it."""
    from reconciler.cli.output import say, say_json
    from reconciler.engine.apply import Refusal
    from reconciler.report.runs import applied_json, applied_text

    try:
        done = run()
    except Refusal as refusal:
        if output == "json":
            say_json(applied_json(refusal.plan))
        else:
            _show(refusal.plan, session, settings, "text")
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


COMMANDS = (plan, apply, rollback, drift)
