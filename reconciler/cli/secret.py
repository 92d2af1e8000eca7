"""secret: values in the stores, never on a command line unless somebody insists."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

from reconciler.cli import keyring
from reconciler.settings import Settings

output = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
store = click.option("--store", default="", metavar="STORE", help="vault, aws or files; default: as `stores` says.")
consumer = click.option("--consumer", default="", metavar="NAME", help="Who reads: a staged rollout reaches it in its turn.")


CORE = "reconciler.core"
"""Where the limit of cores waits that the process began with."""


class WithCommand(click.Command):
    """Takes what stands after `--` as it is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        command = args[at + 1 :]
        rest = super().parse_args(ctx, args[:at])
        if not command and not ctx.resilient_parsing:
            raise click.UsageError("what shall be run? (write it after --)", ctx)
        ctx.params["command"] = tuple(command)
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "-- COMMAND [ARGUMENT]..."]


@click.group()
@click.pass_context
def secret(context: click.Context) -> None:
    """Secrets in the stores of the environment.

    \b
    reconcile secret put db/orders username=app password=-     asks for it, or reads standard input
    reconcile secret get db/orders --key password
    reconcile secret exec db/orders -- ./migrate               as DB_ORDERS_PASSWORD, in its environment only
    """
    from reconciler.cli.secret_values import forbid_cores

    context.meta[CORE] = forbid_cores()


@secret.command()
@click.argument("path")
@click.option("--key", metavar="KEY", help="One key of the secret.")
@click.option("--version", default="", metavar="VERSION", help="An earlier version of --store, else of the first store.")
@click.option("--show", is_flag=True, help="Do not ask before a value is shown on a terminal.")
@store
@consumer
@output
@click.pass_obj
def get(settings: Settings, path: str, key: str | None, version: str, show: bool, store: str, consumer: str, output: str) -> None:
    """Print a secret: a single value as it is, a map with -o json. On a terminal it asks first."""
    from reconciler.cli.secret_values import print_secret
    from reconciler.wiring.stores import heeding_client

    with heeding_client(settings, path) as client:
        found = client.get(path, consumer=consumer, store=store, version=version)
    print_secret(path, found, key, show, output)


@secret.command()
@click.argument("path")
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE|KEY=@FILE|KEY=-...")
@click.option("--cas", metavar="VERSION", help="Only over this version; 0: only if there is none yet.")
@store
@output
@click.pass_obj
def put(settings: Settings, path: str, pairs: tuple[str, ...], cas: str | None, store: str, output: str) -> None:
    """Write a secret as a whole.

    KEY=@FILE reads a file, KEY=- standard input or asks; one newline at the end is not part of the value. `-` and `@FILE`
    alone are the key `value`. KEY=VALUE is seen by everybody on this machine while the command runs.
    """
    from reconciler.cli.output import say_json
    from reconciler.cli.secret_values import value_from
    from reconciler.wiring.secret_changes import changing_client

    value = value_from(pairs)
    with changing_client(settings, path) as client:
        version = client.put(path, value, "" if cas == "0" else cas, store=store)
        where = client.written(store)
    written = {"path": path, "version": version, "store": where[0]}
    say_json(written) if output == "json" else click.echo(f"{path}: version {version} in {', '.join(where)}")


@secret.command("list")
@click.argument("prefix", default="")
@store
@output
@click.pass_obj
def list_(settings: Settings, prefix: str, store: str, output: str) -> None:
    """List the paths of secrets, of all stores. Exits 1 where a store could not be read."""
    from reconciler.cli.output import say_json
    from reconciler.wiring.stores import secret_client

    with secret_client(settings) as client:
        found = client.survey(prefix, store=store)
    say_json(list(found.paths)) if output == "json" else _lines(found.paths)
    for name, why in found.unread.items():
        click.echo(f"error: {name} could not be listed: {why}", err=True)
    if found.unread:
        sys.exit(1)


@secret.command()
@click.argument("path")
@store
@output
@click.pass_obj
def versions(settings: Settings, path: str, store: str, output: str) -> None:
    """List the versions of a secret, newest first, in the first store that has it."""
    from reconciler.cli.output import say, say_json
    from reconciler.report.secrets import versions_text
    from reconciler.wiring.stores import heeding_client

    with heeding_client(settings, path) as client:
        found = client.versions(path, store=store)
    rows: list[dict[str, Any]] = [
        {"version": one.id, "made": one.made, "readable": one.readable, "labels": list(one.labels), "store": found.store}
        for one in found.versions
    ]
    say_json(rows) if output == "json" else say(versions_text(rows), settings)


@secret.command()
@click.argument("path")
@click.option("--version", metavar="VERSION", help="Destroy this version for good instead.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store
@click.pass_obj
def delete(settings: Settings, path: str, version: str | None, yes: bool, store: str) -> None:
    """Take a secret away from its readers. Vault and AWS can bring it back; with --version nothing can."""
    from reconciler.cli.running import ask_or_yes
    from reconciler.wiring.secret_changes import changing_client
    from reconciler.wiring.stores import removal

    ask_or_yes(yes)
    with changing_client(settings, path) as client:
        found = removal(client, path, version or "", store)
        if yes or click.confirm(found.question, default=False):
            found.carry_out()
            click.echo(found.done)


@secret.command()
@output
@click.pass_obj
def stores(settings: Settings, output: str) -> None:
    """Show the stores, in the order in which they are read, and ask each how it is. Exits 1 where one is not well."""
    from reconciler.cli.output import say, say_json
    from reconciler.report.secrets import stores_text
    from reconciler.wiring.stores import secret_client

    with secret_client(settings) as client:
        found = client.health()
        written = client.written()
    rows: list[dict[str, Any]] = [
        {"store": one.store, "read": place, "written": one.store in written, "problem": one.problem} for place, one in enumerate(found, 1)
    ]
    say_json(rows) if output == "json" else say(stores_text(rows), settings)
    if any(one.problem for one in found):
        sys.exit(1)


@secret.command("exec", cls=WithCommand)
@click.argument("secrets", nargs=-1, required=True, metavar="[NAME=]PATH[#KEY]...")
@store
@consumer
@click.pass_context
def exec_(context: click.Context, secrets: tuple[str, ...], command: Sequence[str], store: str, consumer: str) -> None:
    """Run COMMAND with secrets in its environment, and nowhere else.

    The keys of db/orders become DB_ORDERS_USERNAME and DB_ORDERS_PASSWORD, a single value API_KEYS_CLAUDE; NAME= says
    otherwise. COMMAND takes the place of this process: its exit code is the exit code.

    \b
    reconcile secret exec api_keys/claude db/orders -- ./serve
    reconcile secret exec PGPASSWORD=db/orders#password -- psql orders
    """
    from reconciler.cli.secret_values import run_with, variables_of, wanted
    from reconciler.wiring.stores import heeding_clients

    settings: Settings = context.obj
    asked = [wanted(one) for one in secrets]
    with heeding_clients(settings, [one.path for one in asked]) as client_for:
        found = {one.path: client_for(one.path).get(one.path, consumer=consumer, store=store) for one in asked}
    run_with(settings.environ, variables_of(asked, found), command, context.meta[CORE])


def _lines(paths: Sequence[str]) -> None:
    for path in paths:
        click.echo(path)


secret.add_command(keyring.keyring)
COMMANDS = (secret,)
