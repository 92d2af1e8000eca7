"""backup and restore: one file of everything that a lost server takes away, for its recipients alone, and the way back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import click

from reconciler.cli.running import ask_or_yes
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
    from reconciler.cli.secret_values import forbid_cores

    forbid_cores()
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
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--instance", default="primary", show_default=True, help="The Vault instance that it is of.")
@identity
@click.pass_obj
def snapshot(settings: Settings, file: Path, out: Path, instance: str, identity: Path | None) -> None:
    """Write the raft snapshot in FILE to OUT, for `bao operator raft snapshot restore`. OUT holds all that the server held."""
    from reconciler.wiring.backup import desk, extract_snapshot

    with desk(settings) as at:
        size = extract_snapshot(at, file, out, instance, identity)
    click.echo(f"{out}: {size:,} bytes")


@backup.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def key(file: Path) -> None:
    """Make an identity in a new FILE, and print its recipient. Whoever has the file can open all backups for the recipient."""
    from reconciler.wiring.backup import make_key

    click.echo(make_key(file))


@click.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--plan", is_flag=True, help="Only show what would be written.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--keep-newer", is_flag=True, help="Leave what is newer than the backup as it is, and restore the rest.")
@click.option("--drill", is_flag=True, help="Only try it: into a throw-away folder. The audit log keeps the evidence.")
@click.option("--probe", is_flag=True, help="Without FILE: try the credentials that a restore still holds.")
@identity
@output
@click.pass_obj
def restore(
    settings: Settings,
    file: Path | None,
    plan: bool,
    yes: bool,
    keep_newer: bool,
    drill: bool,
    probe: bool,
    identity: Path | None,
    output: str,
) -> None:
    """Bring a backup back, with the token at hand. It shows a plan first, and writes over nothing that is newer.

    Every rotation is held until its credential was tried: one that works is released, one that its target refuses is
    rotated anew. Killed, it goes on when called again. Exits 5 where something could not be restored or made good.

    \b
    reconcile restore FILE --identity ops.key --plan
    reconcile restore FILE --identity ops.key
    reconcile apply                            policies, roles and mounts come from git
    reconcile restore --probe                  what could not be tried before
    """
    if bool(file) == probe or (probe and (plan or drill or keep_newer)) or (plan and drill):
        raise click.UsageError("give FILE, with --plan or --drill or neither, or --probe alone")
    from reconciler.cli.secret_values import forbid_cores

    forbid_cores()
    if not (plan or drill or probe):
        ask_or_yes(yes)
    if file is None:
        sys.exit(_probe(settings, output))
    if drill:
        _drill(settings, file, identity, output)
        return
    sys.exit(_restore(settings, file, identity, Way(plan, yes, keep_newer), output))


class Way(NamedTuple):
    """How a restore goes about it."""

    plan: bool
    yes: bool
    keep_newer: bool


def _restore(settings: Settings, file: Path, identity: Path | None, way: Way, output: str) -> int:
    from reconciler.cli.output import say, say_json
    from reconciler.report.restore import plan_text
    from reconciler.wiring.restoring import opened_restore, refuse_newer, step_rows

    with opened_restore(settings, file, identity) as restoring:
        planned = restoring.plan()
        id, rows = restoring.backup.manifest.id, step_rows(planned)
        if output == "text":
            say(plan_text(id, rows), settings)
        elif way.plan:
            say_json({"id": id, "steps": rows})
        if not way.keep_newer:
            refuse_newer(planned)
        if way.plan or not (way.yes or click.confirm("Restore this?", default=False)):
            return 0
        failed = [done for done in restoring.carry_out(planned) if done.error]
    for done in failed:
        click.echo(f"error: {done.step.part} {done.step.id}: {done.error}", err=True)
    return _probe(settings, output, {"id": id, "steps": rows, "failed": [done.step.id for done in failed]}) or (5 if failed else 0)


def _probe(settings: Settings, output: str, restored: dict[str, object] | None = None) -> int:
    from reconciler.cli.output import say, say_json
    from reconciler.report.restore import tried_text
    from reconciler.wiring.probing import tried

    found = list(tried(settings))
    if output == "json":
        say_json({**(restored or {}), "tried": [one._asdict() for one in found]})
    else:
        say(tried_text(found) or "No rotation is held by a restore.", settings)
    return 5 if any(one.failed for one in found) else 0


def _drill(settings: Settings, file: Path, identity: Path | None, output: str) -> None:
    from reconciler.cli.output import say_json
    from reconciler.wiring.restoring import drilled

    id, done = drilled(settings, file, identity)
    if output == "json":
        say_json({"id": id, **done._asdict()})
        return
    click.echo(f"{id}: {done.versions:,} versions, a ledger of {done.objects:,} objects and {done.entries:,} entries of the audit log")
    click.echo("ok: all of it was restored into a throw-away folder and is what was backed up; the audit log has the evidence")


COMMANDS = (backup, restore)
