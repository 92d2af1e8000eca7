"""lockdown: the emergency brake."""

from __future__ import annotations

import click

from reconciler.settings import Settings

output = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group(invoke_without_command=True)
@click.pass_context
def lockdown(context: click.Context) -> None:
    """Stop all applies and webhooks of an environment, wherever they run; or let them go on.

    What leaked is rotated all the same (reconcile rotate --emergency), and everything can still be planned and read.
    What is under way when it is switched on ends.
    """
    if context.invoked_subcommand is None:
        context.invoke(status)


@lockdown.command()
@output
@click.pass_obj
def status(settings: Settings, output: str) -> None:
    """Say whether it is on, since when, by whom and why."""
    from reconciler.wiring.lockdown import lockdown as ask

    _show(ask(settings)._asdict(), settings, output)


@lockdown.command()
@click.option("--reason", required=True, help="Why; it is shown to everybody who is refused.")
@output
@click.pass_obj
def on(settings: Settings, reason: str, output: str) -> None:
    """Apply nothing and take no webhook until `reconcile lockdown off`."""
    from reconciler.wiring.lockdown import switch_lockdown

    _show(switch_lockdown(settings, on=True, reason=reason)._asdict(), settings, output)


@lockdown.command()
@click.option("--reason", default="", help="Why it is over; for the audit log.")
@output
@click.pass_obj
def off(settings: Settings, reason: str, output: str) -> None:
    """Let applies and webhooks go on."""
    from reconciler.wiring.lockdown import switch_lockdown

    _show(switch_lockdown(settings, on=False, reason=reason)._asdict(), settings, output)


def _show(found: dict[str, object], settings: Settings, output: str) -> None:
    from reconciler.cli.output import say, say_json
    from reconciler.core.values import visible

    if output == "json":
        say_json({name: value for name, value in found.items() if name != "serial"})
    elif found["on"]:
        say(visible(f"Locked down since {found['since']} by {found['by']}: {found['reason']}"), settings)
    else:
        since = f" since {found['since']}, by {found['by']}" if found["since"] else ""
        say(visible(f"Not locked down{since}."), settings)


COMMANDS = (lockdown,)
