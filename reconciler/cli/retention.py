"""retention: what is old enough to go, shown as a plan, and done with --yes."""

from __future__ import annotations

import sys

import click

from reconciler.settings import Settings


@click.command()
@click.option("--yes", is_flag=True, help="Do it: archive, then drop; destroy; delete.")
@click.option("--exit-code", is_flag=True, help="Exit 3 where something is due.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def retention(settings: Settings, yes: bool, exit_code: bool, output: str) -> None:
    """Show what is older than the `retention` document at HEAD keeps it, and what stays all the same.

    With --yes, segments of the audit log are copied to the archive, read back, and dropped, old versions of secrets are destroyed, and
    old backups are deleted. What readers get, what a rotation needs and what a legal hold keeps stays.
    """
    from reconciler.cli.output import say, say_json
    from reconciler.report.retention import retention_text
    from reconciler.wiring.retaining import opened_retention, retention_json

    with opened_retention(settings, writing=yes) as found:
        looked = found.look()
        done = found.carry_out(looked) if yes else None
        shown = retention_json(found, looked, done)
    say_json(shown) if output == "json" else say(retention_text(shown), settings)
    if any(one.error for one in done or ()):
        sys.exit(5)
    sys.exit(1 if looked.due.unread else 3 if exit_code and not yes and looked.due.going else 0)


COMMANDS = (retention,)
