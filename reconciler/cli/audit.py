"""audit: the log of who changed what, and proof that it was not edited."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler.settings import Settings

output = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
anchors = click.option("--anchors", type=click.Path(file_okay=False, path_type=Path), help="Where `.audit/` is; default: the repository.")
since = click.option("--since", default="", metavar="WHEN", help="A moment (2027-01-15T08:00) or how long ago (7d).")
until = click.option("--until", default="", metavar="WHEN", help="The same for the end.")


@click.group()
def audit() -> None:
    """The audit log: who changed what, when, why, and what became of it.

    \b
    reconcile audit verify                     nobody edited it, and what this cannot see
    reconcile audit search --resource 'vault.policy/*' --since 7d
    reconcile audit prove 1234                 for somebody who has only the public key
    """


@audit.command()
@click.option("--incremental", is_flag=True, help="Read only what came since the last verification on this machine.")
@click.option("--max-age", default="", metavar="DURATION", help="Fail where nothing was recorded for so long.")
@click.option("--completeness", is_flag=True, help="Hold the stores against the log too, as `reconcile audit complete` does.")
@anchors
@output
@click.pass_obj
def verify(settings: Settings, incremental: bool, max_age: str, completeness: bool, anchors: Path | None, output: str) -> None:
    """Verify the log: lines, chain, tree, checkpoints, anchor. Exits 1 and names the first bad line where it is not what it was."""
    from reconciler.cli.output import say, say_json
    from reconciler.report.audit_log import verdict_text
    from reconciler.report.completeness import completeness_text
    from reconciler.wiring.completeness import completeness_json
    from reconciler.wiring.evidence import opened_book, verdict_json

    with opened_book(settings) as book:
        found = verdict_json(book.name, book.verified(incremental=incremental, anchors=anchors, max_age=max_age))
    if completeness:
        found["completeness"] = completeness_json(settings)
    text = "\n\n".join([verdict_text(found), *([completeness_text(found["completeness"])] if completeness else [])])
    say_json(found) if output == "json" else say(text, settings)
    sys.exit(0 if found["ok"] and found.get("completeness", found)["ok"] else 1)


@audit.command()
@click.option("--by", "person", default="", metavar="NAME", help="Who did it: a name, or a pseudonym of the log.")
@click.option("--action", default="", metavar="GLOB", help="What was done: apply.*, rotation.promote, secret.put, ...")
@click.option("--resource", default="", metavar="GLOB", help="To what: an address of an object, a path of a secret.")
@click.option("--outcome", default="", help="What became of it: applied, failed, unknown.")
@click.option("--run", default="", help="In this run.")
@since
@until
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="The latest so many.")
@click.option("--failed-logins", is_flag=True, help="Instead: who failed to log in to a server, by address, from its own audit log.")
@click.option("--device", "devices", multiple=True, metavar="FILE", help="With --failed-logins: files of its audit device ('audit.log*').")
@output
@click.pass_obj
def search(
    settings: Settings,
    person: str,
    action: str,
    resource: str,
    outcome: str,
    run: str,
    since: str,
    until: str,
    limit: int,
    failed_logins: bool,
    devices: tuple[str, ...],
    output: str,
) -> None:
    """Find what was done, decided and recovered, with what became of it."""
    from reconciler.cli.output import say, say_json
    from reconciler.report.audit_log import search_text
    from reconciler.wiring.evidence import Wanted, moment_of, opened_book

    if failed_logins != bool(devices):
        raise click.UsageError("--failed-logins needs the server's own audit log: --device FILE (and --device belongs to it)")
    if failed_logins:
        from reconciler.report.device_log import failed_logins_text
        from reconciler.wiring.devicelog import failed_logins_in

        found = failed_logins_in(devices, since, until)[:limit]
        say_json(found) if output == "json" else say(failed_logins_text(found), settings)
        return

    wanted = Wanted(action=action, resource=resource, outcome=outcome, rid=run, since=moment_of(since), until=moment_of(until))
    with opened_book(settings) as book:
        rows = book.search(wanted, person)[-limit:]
    say_json(rows) if output == "json" else say(search_text(rows), settings)


@audit.command()
@since
@until
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; default: standard output.")
@click.pass_obj
def export(settings: Settings, since: str, until: str, out: Path | None) -> None:
    """Print the lines as they were recorded and hashed, one JSON object a line."""
    from reconciler.wiring.evidence import moment_of, opened_book

    with opened_book(settings) as book, click.open_file(str(out) if out else "-", "w", encoding="utf-8") as stream:
        for line in book.lines(moment_of(since), moment_of(until)):
            stream.write(f"{line.decode()}\n")


@audit.command()
@click.argument("seq", type=click.IntRange(0))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write SEQ's line here, and the proof beside it.")
@click.pass_obj
def prove(settings: Settings, seq: int, out: Path | None) -> None:
    """Prove that an entry is in the log, by its number: as C2SP's tlog-proof, for who has the public key and not the log."""
    from reconciler.wiring.evidence import opened_book

    with opened_book(settings) as book:
        found = book.prove(seq)
    if out is None:
        click.echo(found.line.decode())
        click.echo(f"\n{found.text}", nl=False)
        return
    out.write_bytes(found.line)
    out.with_name(f"{out.name}.tlog-proof").write_text(found.text, encoding="utf-8")


@audit.command()
@click.option("--check", metavar="COMMIT", help="Only hold the work tree's anchors against those of COMMIT, without the log.")
@anchors
@click.pass_obj
def anchor(settings: Settings, check: str | None, anchors: Path | None) -> None:
    """Write the log's checkpoint to `.audit/` of the repository, to be committed: whoever has that sees a log that was rolled back.

    Refuses (exit 4) where the log does not begin with what is anchored there already.
    """
    from reconciler.wiring.evidence import check_anchors, opened_book

    if check is not None:
        click.echo("\n".join(check_anchors(settings, check)) or f"Nothing is anchored in {check}.")
        return
    with opened_book(settings) as book:
        new, old = book.anchor(anchors)
    before = f"; the {old.size:,} that were anchored are its beginning" if old else ""
    click.echo(f"{book.name}: {new.size:,} entries are anchored{before}. Commit .audit/{book.name}.*")


@audit.command()
@click.option("--older-than", required=True, metavar="DURATION", help="Segments that ended so long ago: 7y, 90d.")
@click.option("--to", "place", required=True, metavar="PLACE", help="The archive: s3:BUCKET/PREFIX, or a folder.")
@click.option("--keep", is_flag=True, help="Only copy; drop nothing here.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def archive(settings: Settings, older_than: str, place: str, keep: bool, yes: bool) -> None:
    """Copy old segments to an archive, then drop their lines here. Hashes and checkpoints stay: the log still verifies."""
    from reconciler.cli.running import ask_or_yes
    from reconciler.wiring.archives import archive_place
    from reconciler.wiring.evidence import opened_book

    ask_or_yes(yes or keep)
    to = archive_place(place)
    with opened_book(settings, "apply") as book:
        ripe = book.ripe(older_than)
        if ripe and not (yes or keep):
            click.confirm(f"Archive and drop {sum(one.lines for one in ripe):,} entries of {len(ripe):,} segments?", abort=True)
        book.archive(ripe, to, keep=keep)
    click.echo(f"{sum(one.lines for one in ripe):,} entries of {len(ripe):,} segments are in {place}{', and here too' if keep else ''}.")


@audit.command()
@click.pass_obj
def key(settings: Settings) -> None:
    """Print the public key that signs, as `audit: {trusted: [{public_key: ...}]}` takes it. It is made where there is none."""
    from reconciler.wiring.evidence import opened_book

    with opened_book(settings, "apply") as book:
        click.echo(book.vkey())


@audit.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(settings: Settings, name: str, yes: bool) -> None:
    """Forget who a person was: their pseudonym stays in the log, and nobody can tell any more whose it is."""
    from reconciler.cli.running import ask_or_yes
    from reconciler.wiring.evidence import opened_book

    ask_or_yes(yes)
    yes or click.confirm(f"Forget {name} for good?", abort=True)
    with opened_book(settings, "apply") as book:
        count = book.erase(name)
    click.echo(f"{count} pseudonym{'s' * (count != 1)} of {name} {'have' if count != 1 else 'has'} no name any more.")


COMMANDS = (audit,)
