"""migrate: from one store of secrets to another, while they are in use."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.output import ProgressBar

    Verb = Callable[[Settings, Callable[[str], bool], ProgressBar], dict[str, Any] | None]

output = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
source = click.option("--from", "source", required=True, metavar="STORE", help="vault, aws or files: where the secrets are.")
destination = click.option("--to", "destination", required=True, metavar="STORE", help="Where they go.")
match = click.option("--match", default="*", show_default=True, metavar="GLOB", help="Only these paths; * is any text, with / too.")
keep = click.option(
    "--versions", "keep", type=click.IntRange(1), metavar="N", help="Only the newest N of each; default: all that can be read."
)
yes = click.option("--yes", is_flag=True, help="Do not ask.")


def way(command: Callable[..., None]) -> Callable[..., None]:
    """Which secrets move from where to where."""
    return source(destination(match(keep(command))))


@click.group()
def migrate() -> None:
    """Move secrets from one store to another, with their history and metadata, while they are read and written.

    \b
    reconcile migrate assess --from files --to vault    what would move, and what cannot and why
    reconcile migrate start  --from files --to vault    copies everything; from here on writes go to both
    reconcile migrate verify                            holds both against each other, version by version
    reconcile migrate cutover                           vault decides, files is read-only
    reconcile migrate abort                             the way back, with what was written since

    Every step can be stopped, killed and done again: it goes on from where it was. Nothing is deleted from the store that
    is left. One migration is in force at a time; it is kept in the ledger, so every machine knows of it.
    """


@migrate.command()
@way
@output
@click.pass_obj
def assess(settings: Settings, source: str, destination: str, match: str, keep: int | None, output: str) -> None:
    """Say what would be moved, and what cannot be and why. Writes nothing. Exits 1 where something cannot be moved.

    Every version is read: sizes, names, numbers of versions and metadata are held against what the destination takes.
    """
    from reconciler.cli.plans import progress
    from reconciler.report.migration import assessed_text
    from reconciler.wiring.migrating import Asked
    from reconciler.wiring.migration import assessment

    found = assessment(settings, Asked(source, destination, match, keep or 0), progress())
    _show(found, assessed_text(found), settings, output)
    sys.exit(0 if found["movable"] else 1)


@migrate.command()
@way
@output
@click.pass_obj
def start(settings: Settings, source: str, destination: str, match: str, keep: int | None, output: str) -> None:
    """Begin, or go on: copy everything, oldest version first. From here on, what is written to the source is copied at once.

    Refuses (exit 4) where `assess` finds anything that cannot be moved: nothing is written then. Exits 5 where a secret
    could not be copied; the same command goes on from there.
    """
    from reconciler.cli.plans import progress
    from reconciler.report.migration import copied_text
    from reconciler.wiring.migrating import Asked
    from reconciler.wiring.migration import started

    found = started(settings, Asked(source, destination, match, keep or 0), progress())
    _show(found, copied_text(found), settings, output)
    sys.exit(5 if found["failed"] else 0)


@migrate.command()
@output
@click.pass_obj
def status(settings: Settings, output: str) -> None:
    """Say in which phase the migration is, what is not copied yet, and what comes next. Reads no value."""
    from reconciler.cli.plans import progress
    from reconciler.report.migration import status_text
    from reconciler.wiring.migration import standing

    found = standing(settings, progress())
    _show(found, status_text(found), settings, output)


@migrate.command()
@output
@click.pass_obj
def verify(settings: Settings, output: str) -> None:
    """Hold both stores against each other, version by version, by keyed fingerprints. Exits 1 where they differ. Shows no value."""
    from reconciler.cli.plans import progress
    from reconciler.report.migration import compared_text
    from reconciler.wiring.migration import verification

    found = verification(settings, progress())
    _show(found, compared_text(found), settings, output)
    sys.exit(0 if found["ok"] else 1)


@migrate.command()
@yes
@output
@click.pass_obj
def cutover(settings: Settings, yes: bool, output: str) -> None:
    """Let the destination decide. It verifies first, and refuses (exit 4) where anything differs or a rotation is under way.

    While the last writes are copied, what is moved cannot be written: seconds. Afterwards the source takes no writes by
    `reconcile`; nothing is deleted there. Merge the new `order` of `stores` first: services read by it.
    """
    from reconciler.wiring.migration import cut_over

    _ask(settings, cut_over, yes, output)


@migrate.command()
@yes
@output
@click.pass_obj
def abort(settings: Settings, yes: bool, output: str) -> None:
    """End the migration: the source counts again. After a cutover, what was written since is taken back there first.

    What cannot be taken back is said with its reason, and nothing is done. What was copied stays in the destination.
    """
    from reconciler.wiring.migration import aborted

    _ask(settings, aborted, yes, output)


def _ask(settings: Settings, verb: Verb, yes: bool, output: str) -> None:
    from reconciler.cli.plans import progress
    from reconciler.cli.running import ask_or_yes
    from reconciler.report.migration import copied_text

    ask_or_yes(yes)
    found = verb(settings, lambda question: yes or click.confirm(question, default=False, err=True), progress())
    if found is None:
        return
    for note in found["notes"]:
        click.echo(f"note: {note}", err=True)
    _show(found, copied_text(found), settings, output)
    sys.exit(5 if found["failed"] else 0)


def _show(found: dict[str, Any], text: str, settings: Settings, output: str) -> None:
    from reconciler.cli.output import say, say_json

    say_json(found) if output == "json" else say(text, settings)


COMMANDS = (migrate,)
