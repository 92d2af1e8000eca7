"""adopt: declarations of what lives on the servers already."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reconciler.cli.plans import output_json, progress
from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.wiring.adopting import Adoption


@click.command()
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only objects of this kind.")
@click.option("--match", metavar="GLOB", default="", help="Only objects whose name or address fits: 'svc-*', 'vault.policy/*'.")
@click.option("--write", "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path), help="Write files instead of printing.")
@click.option("--fold", is_flag=True, help="Turn what repeats into templates.")
@output_json
@click.pass_obj
def adopt(settings: Settings, kinds: tuple[str, ...], match: str, folder: Path | None, fold: bool, output: str) -> None:
    """Write YAML for what lives on the instances, in their namespaces and all below, and is not declared.

    The servers are only read. Commit what it writes: the next apply claims the objects and changes nothing. Exits 1
    when something could not be read or declared; the rest is written all the same.
    """
    from reconciler.wiring.adopting import adoption

    found = adoption(settings, kinds, match, folder, fold=fold, progress=progress())
    written = found.write()
    if output == "json":
        from reconciler.cli.output import say_json

        say_json(_json(found, written))
    else:
        _say(found, written)
    sys.exit(0 if found.found.complete else 1)


def _say(found: Adoption, written: list[Path]) -> None:
    """Results on standard output; what was printed is YAML there, and everything about it goes to standard error."""
    from reconciler.report.adopted import files_text, remarks_text

    if found.target.folder is not None:
        click.echo(files_text(found.counted(written)))
    else:
        click.echo("---\n".join(f"# {path}\n{text}" for path, text in found.printed().items()), nl=False)
    about = found.found
    blanks = [(str(blank.address), blank.field, blank.source) for blank in about.blanks]
    remarks = remarks_text(blanks, [(str(address), why) for address, why in about.left], about.unknown, found.notes)
    if remarks:
        click.echo(remarks, err=found.target.folder is None)


def _json(found: Adoption, written: list[Path]) -> dict[str, Any]:
    about = found.found
    return {
        "documents": list(found.documents.values()),
        "files": list(map(str, written)) if written else list(found.printed()),
        "fill_in": [{"address": str(one.address), "field": one.field, "source": one.source} for one in about.blanks],
        "left": [{"address": str(one.address), "why": one.why} for one in about.left],
        "unknown": [{**one._asdict(), "place": str(one.place)} for one in about.unknown],
        "notes": list(found.notes),
    }


COMMANDS = (adopt,)
