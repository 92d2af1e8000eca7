"""`reconcile`: the group, its options, and how errors end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import click

from reconciler.cli import (
    access,
    adopting,
    alerting,
    applying,
    audit,
    backup,
    completeness,
    compliance,
    developing,
    health,
    history,
    ledger,
    lockdown,
    migrate,
    offline,
    planning,
    preparing,
    report,
    retention,
    rotating,
    secret,
    serve,
)

MODULES = (
    offline,
    planning,
    applying,
    adopting,
    history,
    ledger,
    lockdown,
    health,
    preparing,
    rotating,
    secret,
    migrate,
    access,
    audit,
    alerting,
    completeness,
    backup,
    retention,
    report,
    compliance,
    serve,
    developing,
)

EXIT_CODES = """\b
Exit codes, the first that fits:
  2 usage   1 error   5 failed part-way   4 refused (guard, lock, stale)
  3 changes pending (--exit-code)   0 done or in sync
  Ctrl-C: 5 where anything was written, else 130"""


@click.group(
    context_settings={"auto_envvar_prefix": "RECONCILE", "help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)
@click.option("--repo", type=click.Path(file_okay=False, path_type=Path), default=Path("."), help="The desired-state repository.")
@click.option("--env", "environment", envvar="RECONCILE_ENV", help="A name in desired-state/environments/.")
@click.option("--color/--no-color", default=None, help="Default: colour on a terminal, none in a pipe.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.version_option(package_name="reconciler", prog_name="reconcile")
@click.pass_context
def cli(context: click.Context, repo: Path, environment: str | None, color: bool | None, log_format: str) -> None:
    """GitOps for secrets infrastructure: Vault, OpenBao and AWS from git.

    \b
    reconcile init DIR      a new repository that plans at once
    reconcile plan          what would change, and who gains or loses access
    reconcile apply         make it so
    reconcile rollback      back to the previously applied commit
    """
    from reconciler.cli.output import set_up_logging
    from reconciler.settings import settings

    context.obj = settings(repo, environment, color, log_format)
    set_up_logging(log_format)


for command in (
    *offline.COMMANDS,
    *planning.COMMANDS,
    *applying.COMMANDS,
    *adopting.COMMANDS,
    *history.COMMANDS,
    *ledger.COMMANDS,
    *lockdown.COMMANDS,
    *health.COMMANDS,
    *preparing.COMMANDS,
    *rotating.COMMANDS,
    *secret.COMMANDS,
    *migrate.COMMANDS,
    *access.COMMANDS,
    *audit.COMMANDS,
    *completeness.COMMANDS,
    *backup.COMMANDS,
    *retention.COMMANDS,
    *report.COMMANDS,
    *compliance.COMMANDS,
    *serve.COMMANDS,
    *developing.COMMANDS,
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point. Ends the process; every error is said in words."""
    from reconciler.core.errors import ReconcilerError

    sys.excepthook = _internal_error
    try:
        code = cli.main(arguments, prog_name="reconcile", standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except click.ClickException as error:
        error.show()
        code = 2
    except ReconcilerError as error:
        click.echo(f"error: {error}", err=True)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        sys.stderr.close()
        code = 0  # the reader (`head`, a pager) has seen enough
    sys.exit(code if isinstance(code, int) else 0)


def _internal_error(_sort: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    """A bug: say where, without the values that a traceback or an exception's text may hold."""
    from reconciler.core.errors import bug

    click.echo(f"error: {bug(error)}", err=True)


if __name__ == "__main__":
    main()
