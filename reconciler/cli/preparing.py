"""bootstrap: what an environment needs before its first plan in CI."""

from __future__ import annotations

import click

from reconciler.cli.plans import progress
from reconciler.cli.running import ask_or_yes, confirm, finish
from reconciler.settings import Settings


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be made.")
@click.option("--github", metavar="OWNER/NAME", default="", help="The repository whose workflows log in by OIDC.")
@click.option("--branch", default="main", show_default=True, help="The branch that is applied.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def bootstrap(settings: Settings, dry_run: bool, github: str, branch: str, yes: bool) -> None:
    """Prepare an environment: namespace, ledger, two logins with least privilege, first apply.

    Needs an administrator's token (VAULT_TOKEN). A second run finds nothing to do; run it again when kinds or
    namespaces are declared that were not before.
    """
    from reconciler import wiring
    from reconciler.wiring.bootstrap import bootstrapping

    ask_or_yes(yes or dry_run)
    with bootstrapping(settings, github or settings.environ.get("GITHUB_REPOSITORY", ""), branch) as found:
        click.echo("\n".join([*(f"  {step}" for step in found.steps), f"{len(found.steps)} to prepare."]))
        if not dry_run and found.steps:
            if not yes:
                click.confirm("Do this?", abort=True)
            found.carry_out()
        click.echo("".join(f"note: {note}\n" for note in found.notes), nl=False)
    if not dry_run:
        with wiring.opened(settings, "apply", commit="HEAD", administrator=True, progress=progress()) as session:
            finish(settings, session, session.orders(confirm(settings, session, yes)), "text")


COMMANDS = (bootstrap,)
