"""rotate: new values for secrets, on their schedule, on demand, or at once because one leaked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.wiring.rotating import Wanted

LEAKED = ("current", "previous", "pending", "all")
output = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group(invoke_without_command=True)
@click.option("--secret-path", metavar="PATH", help="Rotate this secret now, due or not.")
@click.option("--all", "every", is_flag=True, help="Rotate those that are due, and go on with what is under way.")
@click.option("--force", is_flag=True, help="With --all: those that are not due, too.")
@click.option("--dry-run", is_flag=True, help="Only say what the next pass would do.")
@click.option("--once", is_flag=True, help="One pass: at most one mutation a secret.")
@click.option("--watch", is_flag=True, help="Wait for stages and overlaps instead of leaving them to the next run.")
@click.option("--emergency", is_flag=True, help="Something leaked: skip waits and stages, never validation; end the old value at once.")
@click.option("--leaked", type=click.Choice(LEAKED), help="With --emergency: what others know.")
@click.option("--metrics", type=click.Path(dir_okay=False, path_type=Path), help="Write a file for the node exporter's textfile collector.")
@output
@click.pass_context
def rotate(
    context: click.Context,
    secret_path: str | None,
    every: bool,
    force: bool,
    dry_run: bool,
    once: bool,
    watch: bool,
    emergency: bool,
    leaked: str | None,
    metrics: Path | None,
    output: str,
) -> None:
    """Give secrets new values, as their policies at HEAD say.

    It makes passes until nothing more can be done at this moment, says what it waits for, and exits 0; the next run goes
    on from there, wherever this one was stopped. Exits 5 when a rotation was rolled back, aborted or given up.

    \b
    reconcile rotate --all                         what cron and CI do
    reconcile rotate --secret-path db/orders       now
    reconcile rotate --secret-path db/orders --emergency --leaked current
    reconcile rotate status
    """
    if context.invoked_subcommand:
        return
    if bool(secret_path) == every:
        raise click.UsageError("give either --secret-path PATH or --all (or a command: status, hold, release, adopt)")
    if emergency != bool(leaked) or (emergency and every):
        raise click.UsageError("--emergency needs --secret-path PATH and --leaked WHAT")
    if force and not every:
        raise click.UsageError("--force belongs to --all (a single secret is rotated due or not)")
    from reconciler.wiring.rotating import Wanted

    sys.exit(_run(context.obj, Wanted(secret_path or "", force, once, watch, leaked or ""), dry_run, metrics, output))


def _run(settings: Settings, wanted: Wanted, dry_run: bool, metrics: Path | None, output: str) -> int:
    from reconciler.cli.output import say, say_json
    from reconciler.report.rotations import outlook_text, rotated_json, rotated_text
    from reconciler.wiring.rotating import outlook, rotated, save_metrics
    from reconciler.wiring.rotation import opened_for_rotation

    with opened_for_rotation(settings) as rotation:
        if dry_run:
            found = outlook(rotation, wanted)
            say_json([one._asdict() for one in found]) if output == "json" else say(outlook_text(found), settings)
            return 0
        done, stopped = rotated(rotation, wanted, lambda line: click.echo(line, err=True))
        say_json(rotated_json(done)) if output == "json" else say(rotated_text(done), settings)
        if metrics:
            save_metrics(rotation, done, metrics)
    if any(one.error for one in done):
        return 1
    if any(one.failed or (stopped and one.moves) for one in done):
        return 5
    return 130 if stopped else 0


@rotate.command()
@click.option("-o", "--output", type=click.Choice(["text", "json", "html"]), default="text", show_default=True)
@click.pass_obj
def status(settings: Settings, output: str) -> None:
    """Show how every secret stands: phase, last rotation, what is due, who is covered.

    `-o html` is one page that loads nothing: reconcile rotate status -o html > rotation.html
    """
    from reconciler.cli.output import say, say_json
    from reconciler.core.standing import standing_json
    from reconciler.report.rotation import status_html, status_text
    from reconciler.wiring.rotating import stands
    from reconciler.wiring.rotation import opened_for_rotation

    with opened_for_rotation(settings) as rotation:
        rows, now = stands(rotation)
    if output == "json":
        say_json([standing_json(one) for one in rows])
    elif output == "html":
        click.echo(status_html(rows, now, f"Rotation of {rotation.project}, {rotation.environment}"))
    else:
        say(status_text(rows, now), settings)


@rotate.command()
@click.argument("path")
@click.option("--reason", required=True, help="Why; it is shown to everybody who looks.")
@click.pass_obj
def hold(settings: Settings, path: str, reason: str) -> None:
    """Do nothing with PATH until it is released."""
    _say_of(settings, path, "hold", reason)


@rotate.command()
@click.argument("path")
@click.pass_obj
def release(settings: Settings, path: str) -> None:
    """Let a held or orphaned PATH go on; in a conflict, let the new value win."""
    _say_of(settings, path, "release")


@rotate.command()
@click.argument("path")
@click.pass_obj
def adopt(settings: Settings, path: str) -> None:
    """Take what stands in the store at PATH as right: it counts as rotated now."""
    _say_of(settings, path, "adopt")


def _say_of(settings: Settings, path: str, word: str, reason: str = "") -> None:
    from reconciler.cli.output import say
    from reconciler.wiring.rotating import told
    from reconciler.wiring.rotation import opened_for_rotation

    with opened_for_rotation(settings) as rotation:
        say(told(rotation, path, word, reason), settings)


COMMANDS = (rotate,)
