"""lock: who may write."""

from __future__ import annotations

import sys

import click

from reconciler.settings import Settings


@click.group(invoke_without_command=True)
@click.pass_context
def lock(context: click.Context) -> None:
    """Show or break the lock that keeps two applies apart."""
    if context.invoked_subcommand is None:
        context.invoke(status)


@lock.command()
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def status(settings: Settings, output: str) -> None:
    """Say who holds the lock, since when and until when."""
    from reconciler import wiring
    from reconciler.cli.output import say, say_json
    from reconciler.report.runs import lock_text

    with wiring.opened_for_ledger(settings, "plan") as session:
        held = session.lock_status()
        say_json({"held": held is not None, **(held or {})}) if output == "json" else say(lock_text(held), settings)


@lock.command("break")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def break_(settings: Settings, yes: bool) -> None:
    """Take the lock from its holder. One that still runs notices within 20 seconds, and sends nothing more then."""
    from reconciler import wiring

    if not yes and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on; give --yes to go ahead")
    if not yes:
        click.confirm("Break the lock? Make sure that its holder no longer runs.", abort=True)
    with wiring.opened_for_ledger(settings, "apply") as session:
        click.echo("The lock was broken." if session.break_lock() else "Nobody holds the lock.")


COMMANDS = (lock,)
