"""validate, render, schema, init: nothing here talks to a server."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.settings import Settings


@click.command()
@click.option("--commit", metavar="REV", default="", help="This commit instead of the work tree; nothing is checked out.")
@click.option("-o", "--output", type=click.Choice(["text", "sarif"]), default="text", show_default=True)
@click.pass_obj
def validate(settings: Settings, commit: str, output: str) -> None:
    """Check the desired state without a server: everything that is wrong, at once.

    With no --env, every environment of the repository is checked. What the compliance checks can know of it is said in
    notes, which change no exit code unless `guards: {findings: SEVERITY}` says so. `-o sarif` has all of it at its lines.
    """
    from reconciler.core.errors import Invalid
    from reconciler.core.values import visible
    from reconciler.wiring.offline import validated

    found = validated(settings, commit)
    if output == "sarif":
        from reconciler.cli.output import say_json
        from reconciler.report.sarif import compliance_sarif

        say_json(compliance_sarif([one.report for one in found.checked], found.problems))
    if found.wrong:
        raise Invalid(found.wrong)
    for one in found.checked if output == "text" else ():
        for note in one.notes:
            click.echo(visible(f"note: {one.environment}: {note}"))
        click.echo(f"{one.environment}: {one.objects:,} objects, valid.")


@click.command()
@click.pass_obj
def render(settings: Settings) -> None:
    """Print the desired state after templates, overlays, environments and expressions."""
    from reconciler.wiring.offline import rendered

    click.echo(rendered(settings), nl=False)


@click.command()
@click.argument("kind", required=False)
def schema(kind: str | None) -> None:
    """Print the JSON Schema of KIND, or of all documents, for editors.

    `reconcile schema vault.policy` also answers which fields a kind has.
    """
    from reconciler.cli.output import say_json
    from reconciler.wiring.offline import schema as schema_of

    say_json(schema_of(kind))


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def init(folder: Path) -> None:
    """Make a new repository in FOLDER that plans at once."""
    from reconciler.dev.scaffold import scaffold

    scaffold(folder)
    steps = (f"cd {folder}", 'reconcile dev up && eval "$(reconcile dev env)"  # or set VAULT_ADDR and VAULT_TOKEN', "reconcile plan")
    click.echo("\n  ".join([f"{folder}: a repository with an example, committed. Next:", *steps]))


COMMANDS = (init, validate, render, schema)
