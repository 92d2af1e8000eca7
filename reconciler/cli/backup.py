"""backup: one file of everything that a lost server takes away, for its recipients alone."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.settings import Settings

output = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
identity = click.option(
    "--identity", type=click.Path(dir_okay=False, path_type=Path), help="A key file that opens it; default: `backup: {identity: ...}`."
)


@click.group(invoke_without_command=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The new file; default: one in `backup: {path: ...}`.")
@click.option("--recipient", "recipients", multiple=True, metavar="AGE", help="Who can open it; two or more. Default: the declared ones.")
@click.option("--snapshot", is_flag=True, help="Also a raft snapshot of the Vault servers, which must be your own.")
@identity
@output
@click.pass_context
def backup(
    context: click.Context, out: Path | None, recipients: tuple[str, ...], snapshot: bool, identity: Path | None, output: str
) -> None:
    """Back up the ledger, the audit log, the state of rotations and every readable version in the stores.

    It is written under a temporary name, opened again and compared, and only then said to be a backup. With an identity
    at hand everything is decrypted for that; without one it says that it was not.

    \b
    reconcile backup key ops.key               an identity, to be kept off this machine, and its recipient
    reconcile backup
    reconcile backup verify FILE --identity ops.key
    """
    if context.invoked_subcommand:
        return
    from reconciler.cli.output import say, say_json
    from reconciler.report.backup import made_text
    from reconciler.wiring.backup import desk, make_backup

    settings: Settings = context.obj
    with desk(settings) as at:
        found = make_backup(at, out, recipients, snapshot=snapshot, identity=identity)
    say_json(found) if output == "json" else say(f"{made_text(found)}\n{found['file']}", settings)


@backup.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@identity
@output
@click.pass_obj
def verify(settings: Settings, file: Path, identity: Path | None, output: str) -> None:
    """Look at a whole backup: signature, sizes, digests; with an identity every line of it. Exits 1 and says why it is none."""
    from reconciler.cli.output import say, say_json
    from reconciler.report.backup import made_text
    from reconciler.wiring.backup import desk, verify_backup

    with desk(settings) as at:
        found = verify_backup(at, file, identity)
    say_json(found) if output == "json" else say(made_text(found), settings)


@backup.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def key(file: Path) -> None:
    """Make an identity in a new FILE, and print its recipient. Whoever has the file can open all backups for the recipient."""
    from reconciler.wiring.backup import make_key

    click.echo(make_key(file))


COMMANDS = (backup,)
