"""serve: the server that webhooks drive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler.cli.plans import Duration
from reconciler.settings import Settings

_OLD = "RECONCILE_WEBHOOK"  # the switches of the older system, with the same meaning
_TRIAL = "Off only in environment dev."
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8443, show_default=True, help="0: any that is free.")
@click.option("--tls-cert", type=_FILE, help="The server's certificate, with its chain.")
@click.option("--tls-key", type=_FILE, help="Its key.")
@click.option("--client-ca", type=_FILE, help="Who signs client certificates, and their revocation list.")
@click.option(
    "--database",
    default="",
    metavar="URL",
    help="sqlite:///FILE, or postgresql://... for several servers; default: .reconcile/serve.sqlite.",
)
@click.option("--redis", default="", metavar="URL", help="Where several servers count their limits together.")
@click.option("--branch", default="main", show_default=True, help="The branch of the origin that is applied.")
@click.option("--countries", type=_FILE, help="A database of countries in MaxMind's format, for network rules that name some.")
@click.option("--look-every", type=Duration(), default="60s", show_default=True, help="How often the branch is looked at unasked.")
@click.option("--drift-every", type=Duration(), default="15m", show_default=True, help="How often drift is looked for.")
@click.option(
    "--evidence-every",
    type=Duration(),
    default="1h",
    show_default=True,
    help="How often the audit log is verified, and backups and compliance are looked at; 0: never.",
)
@click.option("--webhook-hmac-enabled/--no-webhook-hmac-enabled", "proven", default=True, envvar=f"{_OLD}_HMAC_ENABLED", help=_TRIAL)
@click.option(
    "--webhook-replay-protection/--no-webhook-replay-protection", "once", default=True, envvar=f"{_OLD}_REPLAY_PROTECTION", help=_TRIAL
)
@click.option(
    "--webhook-max-timestamp-skew",
    "skew",
    type=Duration(),
    default="0",
    envvar=f"{_OLD}_MAX_TIMESTAMP_SKEW",
    help="The longest that a timestamp may be off, where webhooks declare more.",
)
@click.option(
    "--webhook-emergency-mode", "emergency", is_flag=True, envvar=f"{_OLD}_EMERGENCY_MODE", help="Take no webhooks, apply nothing."
)
@click.pass_obj
def serve(settings: Settings, /, **given: Any) -> None:  # as many as there are options, named as the fields of Wanted
    """Plan pull requests and apply merges, as webhooks of GitHub or GitLab announce them.

    It works on the clone at --repo, which should be its own: HEAD follows the branch. Webhooks, rate limits, routes and
    network rules are documents of the desired state, and in effect as soon as they are applied. SIGTERM ends it after the
    apply that is under way; a second one after the object that is at hand. Certificates are read again when their files
    change, and on SIGHUP.

    \b
    reconcile --repo clone --env prod serve --tls-cert tls.pem --tls-key tls.key --host 0.0.0.0
    """
    from reconciler.wiring.serving import serve as run
    from reconciler.wiring.wanted import Wanted

    run(settings, Wanted(**given), lambda address: click.echo(f"listening on {address}", err=True))


COMMANDS = (serve,)
