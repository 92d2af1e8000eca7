"""history: runs, and every applied version of an object."""

from __future__ import annotations

import click

from reconciler.settings import Settings


@click.command()
@click.option("--address", help="Every applied version of this object, newest first.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def history(settings: Settings, address: str | None, limit: int, output: str) -> None:
    """Show what was applied, when, by whom, and what became of it.

    `reconcile history --address vault.policy/readers` shows every applied version of one object.
    """
    from reconciler import wiring
    from reconciler.cli.output import say, say_json
    from reconciler.report import runs

    with wiring.opened_for_ledger(settings, "plan") as session:
        if address:
            found = session.versions(address, limit)
            say_json([runs.version_json(one) for one in found]) if output == "json" else say(runs.versions_text(address, found), settings)
        else:
            records = session.runs(limit)
            say_json([runs.run_json(one) for one in records]) if output == "json" else say(runs.runs_text(records), settings)


COMMANDS = (history,)
