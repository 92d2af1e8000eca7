"""audit alert: puts on record that an alert arrived where it should."""

from __future__ import annotations

import click

from reconciler.cli.audit import audit
from reconciler.settings import Settings


@audit.command()
@click.argument("name")
@click.option("--missing", is_flag=True, help="It was to arrive, and did not.")
@click.pass_obj
def alert(settings: Settings, name: str, missing: bool) -> None:
    """Put on record that an alert arrived: the evidence of `reconcile report compliance` that failures are told.

    Cause one, see it arrive, and record it: by hand, or from whatever your pager's receiver calls.
    """
    from reconciler.wiring.alerting import keep_alert

    keep_alert(settings, name, arrived=not missing)
    click.echo(f"{name}: it is on record that it {'did not arrive' if missing else 'arrived'}.")


COMMANDS = ()
