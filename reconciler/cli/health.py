"""health: whether everything that an environment needs is there."""

from __future__ import annotations

import sys

import click

from reconciler.settings import Settings


@click.command()
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def health(settings: Settings, output: str) -> None:
    """Ask every instance, the ledger and every store. Exits 1 where anything is down, sealed or refused."""
    from reconciler.cli.output import say, say_json
    from reconciler.report.health import health_json, health_text
    from reconciler.wiring.health import health as ask

    checks = ask(settings)
    say_json(health_json(checks)) if output == "json" else say(health_text(checks), settings)
    if not all(one.healthy for one in checks):
        sys.exit(1)


COMMANDS = (health,)
