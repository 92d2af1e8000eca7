"""report: what a person who is responsible wants to read."""

from __future__ import annotations

import click

from reconciler.settings import Settings

output = click.option("-o", "--output", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
since = click.option("--since", default="", metavar="WHEN", help="A moment (2027-01-15) or how long ago (90d).")


@click.group()
def report() -> None:
    """Reports for people, and for their tools as JSON."""


@report.command()
@since
@output
@click.pass_obj
def rotation(settings: Settings, since: str, output: str) -> None:
    """How secrets stand with their rotation: due, overdue, held, given up, and how many rotations came to their end.

    \b
    reconcile report rotation --since 90d -o markdown
    """
    from reconciler.cli.output import say, say_json
    from reconciler.report.rotation_report import report_json, report_markdown, report_text
    from reconciler.wiring.reporting import rotation_standing

    found = rotation_standing(settings, since)
    if output == "json":
        say_json(report_json(found))
    else:
        say(report_markdown(found) if output == "markdown" else report_text(found), settings)


@report.command()
@since
@output
@click.pass_obj
def runs(settings: Settings, since: str, output: str) -> None:
    """Who applied and rolled back what, when, from which commit, and what became of it."""
    from reconciler.cli.output import say, say_json
    from reconciler.report.runs import run_json, runs_markdown, runs_text
    from reconciler.wiring.reporting import runs_since

    found = runs_since(settings, since)
    if output == "json":
        say_json([run_json(one) for one in found])
    else:
        say(runs_markdown(found) if output == "markdown" else runs_text(found), settings)


@report.command()
@click.option("--device", "devices", multiple=True, required=True, metavar="FILE", help="Of the audit device; or a pattern: 'audit.log*'.")
@click.option("--instance", default="primary", show_default=True, help="The Vault instance whose device it is.")
@since
@click.option("--until", default="", metavar="WHEN", help="The same for the end.")
@output
@click.pass_obj
def access(settings: Settings, devices: tuple[str, ...], instance: str, since: str, until: str, output: str) -> None:
    """Who used which path when, by the server's own audit log; what was denied; who never came; who could and did not.

    Values in that log are hashes, and stay so. Requests of our own runs are told apart.

    \b
    reconcile report access --device '/var/log/openbao/audit.log*' --since 30d
    """
    from reconciler.cli.output import say, say_json
    from reconciler.report.device_log import access_markdown, access_text
    from reconciler.wiring.devicelog import access_report

    found = access_report(settings, devices, instance, since, until)
    if output == "json":
        say_json(found)
    else:
        say(access_markdown(found) if output == "markdown" else access_text(found), settings)


COMMANDS = (report,)
