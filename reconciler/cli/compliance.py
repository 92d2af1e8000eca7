"""report compliance: what there is evidence for, in words or for the tools of auditors."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler.cli.report import report
from reconciler.settings import Settings

FORMS = ("text", "json", "markdown", "html", "oscal", "sarif")


@report.command()
@click.option(
    "--framework", type=click.Choice(["soc2", "pci", "hipaa", "gdpr"]), help="Its controls alone; default: those declared, or all."
)
@click.option("--device", "devices", multiple=True, metavar="FILE", help="A Vault's own audit log, or a pattern of its files.")
@click.option("-o", "--output", type=click.Choice(FORMS), default="text", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A file; default: standard output.")
@click.option("--exit-code", is_flag=True, help="Exit 3 when a check fails.")
@click.pass_obj
def compliance(settings: Settings, framework: str | None, devices: tuple[str, ...], output: str, out: Path | None, exit_code: bool) -> None:
    """Which checks fail, which could not be made, and for which controls there is evidence.

    It reads everything that the checks look at and changes nothing. Exits 0 whatever it finds, or 3 with --exit-code when
    a check fails that no exception lifts. `-o html` is one page that loads nothing and prints well; `-o oscal` are
    assessment results, and `-o sarif` the findings at their lines.

    \b
    reconcile report compliance --framework pci -o html --out pci.html
    reconcile report compliance --exit-code          for scripts
    """
    from reconciler.cli.output import Painter, say
    from reconciler.core.findings import Status
    from reconciler.report.compliance import counted
    from reconciler.report.compliance_forms import compliance_in
    from reconciler.report.text import plain
    from reconciler.wiring.complying import compliance_of

    found, frameworks = compliance_of(settings, framework, devices)
    shown = compliance_in(output, found, frameworks, plain if out else Painter(settings))
    if out:
        _save(shown, out)
        shown = f"{out}: {counted(found)}"
    say(shown, settings)
    sys.exit(3 if exit_code and found.counts[Status.FAIL] else 0)


def _save(text: str, out: Path) -> None:
    from reconciler.core.errors import ReconcilerError

    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReconcilerError(f"{out}: the report could not be saved: {error.strerror}") from None


COMMANDS = ()
