"""dev and demo: a real OpenBao and an AWS endpoint on loopback."""

from __future__ import annotations

import sys

import click

from reconciler.settings import Settings


@click.group()
def dev() -> None:
    """Run a real OpenBao and an AWS endpoint on loopback, kept under .reconcile/."""


@dev.command()
@click.pass_obj
def up(settings: Settings) -> None:
    """Start the servers, or say where they already run."""
    from reconciler.dev.up import up as start

    endpoints = start(settings.repo)
    click.echo(f'OpenBao at {endpoints.vault_address}, AWS at {endpoints.aws_endpoint}.\nNext: eval "$(reconcile dev env)"')


@dev.command()
@click.pass_obj
def env(settings: Settings) -> None:
    """Print the exports for a shell: eval "$(reconcile dev env)"."""
    from reconciler.dev.up import exports

    click.echo(exports(settings.repo))


@dev.command()
@click.pass_obj
def down(settings: Settings) -> None:
    """Stop the servers; what they hold is kept for the next `dev up`."""
    from reconciler.dev.up import down as stop

    click.echo("Stopped." if stop(settings.repo) else "Nothing runs here.")


@click.command()
@click.pass_obj
def demo(settings: Settings) -> None:
    """The whole story on throw-away servers: plan, apply, drift, a second commit, rollback."""
    from reconciler.dev.demo import demo as tell

    sys.exit(tell(settings.repo))


COMMANDS = (dev, demo)
