"""access: who may do what, and which line of which file says so."""

from __future__ import annotations

import click

from reconciler.settings import Settings

output = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
live = click.option("--live", is_flag=True, help="Ask the servers instead of the repository.")
planned = click.option("--plan", is_flag=True, help="Ask what the servers would be after a plan of the repository.")


def _over(live: bool, plan: bool) -> str:
    if live and plan:
        raise click.UsageError("--live and --plan exclude each other")
    return "live" if live else "plan" if plan else "desired"


@click.group()
def access() -> None:
    """Who may do what, over the repository, the servers, or a plan."""


@access.command("who-can")
@click.argument("path")
@click.option("--capability", help="read, update, ...; for an ARN an action, such as s3:GetObject. Default: anything at all.")
@click.option("--instance", default="primary", show_default=True, help="The Vault or AWS instance of the path.")
@live
@planned
@output
@click.pass_obj
def who_can(settings: Settings, path: str, capability: str | None, instance: str, live: bool, plan: bool, output: str) -> None:
    """List everybody who may do something on PATH, or on an ARN.

    A path in a namespace begins with it: team-a/secret/data/x.
    """
    from reconciler.cli.output import say, say_json
    from reconciler.report.answers import able_text
    from reconciler.wiring.access import able

    found = able(settings, path, capability, _over(live, plan), instance)
    say_json(found) if output == "json" else say(able_text(found, path, capability), settings)


@access.command()
@click.argument("subject")
@click.argument("path")
@live
@planned
@output
@click.pass_obj
def explain(settings: Settings, subject: str, path: str, live: bool, plan: bool, output: str) -> None:
    """Say what SUBJECT may do on PATH, and which line grants or denies it.

    SUBJECT is the address of a role, group, entity, policy or IAM role; PATH is as seen from its namespace, or an ARN.
    """
    from reconciler.cli.output import say, say_json
    from reconciler.report.answers import explanation_text
    from reconciler.wiring.access import explained

    found = explained(settings, subject, path, _over(live, plan))
    say_json(found) if output == "json" else say(explanation_text(found), settings)


@access.command()
@click.argument("subject")
@live
@planned
@output
@click.pass_obj
def audit(settings: Settings, subject: str, live: bool, plan: bool, output: str) -> None:
    """List everything that SUBJECT may do."""
    from reconciler.cli.output import say, say_json
    from reconciler.report.answers import audit_text
    from reconciler.wiring.access import audited

    found = audited(settings, subject, _over(live, plan))
    say_json(found) if output == "json" else say(audit_text(found), settings)


COMMANDS = (access,)
