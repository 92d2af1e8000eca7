"""audit complete: the stores, held against the audit log."""

from __future__ import annotations

import sys

import click

from reconciler.cli.audit import audit
from reconciler.settings import Settings


@audit.command()
@click.option("--device", "devices", multiple=True, metavar="FILE", help="Of the store's audit device ('audit.log*'): name who wrote.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def complete(settings: Settings, devices: tuple[str, ...], output: str) -> None:
    """Hold every version in every declared store against the log: one applied outcome each, and back.

    What no outcome names was written past the reconciler. Exits 1 where anything does not fit, or could not be read.
    That the log itself is what was recorded is for `reconcile audit verify` to say.
    """
    from reconciler.cli.output import say, say_json
    from reconciler.report.completeness import completeness_text
    from reconciler.wiring.completeness import completeness_json

    found = completeness_json(settings, devices)
    say_json(found) if output == "json" else say(completeness_text(found), settings)
    sys.exit(0 if found["ok"] else 1)


COMMANDS = ()
