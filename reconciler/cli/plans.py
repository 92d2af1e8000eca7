"""What the commands that plan have in common: options, showing a plan, its exit code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from reconciler.settings import Settings

if TYPE_CHECKING:
    from reconciler.cli.output import ProgressBar
    from reconciler.core.plan import Plan
    from reconciler.wiring import Session

GUARDS = (
    "delete_share", "max_deletes", "empty", "irreversible", "replace", "takeover", "protected", "self_lockout", "dirty", "ancestry",
    "rolled_back", "incomplete", "instance_removed",
)  # fmt: skip  # spelled out, so that --help imports nothing; a test holds it equal to core.guard.Guard


class Duration(click.ParamType[int]):
    """Seconds, or as people write them."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> int:
        from reconciler.core.values import parse_duration

        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, context)


class Digest(click.ParamType[str]):
    """A plan's digest. An empty one is what a script lost: it must not mean that any plan will do."""

    name = "digest"

    def convert(self, value: object, param: click.Parameter | None, context: click.Context | None) -> str:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", str(value)):
            self.fail("a digest is written sha256: and 64 hexadecimal digits", param, context)
        return str(value)


output = click.option("-o", "--output", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
output_plan = click.option("-o", "--output", type=click.Choice(["text", "json", "markdown", "sarif"]), default="text", show_default=True)
output_json = click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
exit_code = click.option("--exit-code", is_flag=True, help="Exit 3 when something would change.")
trust_ref = click.option(
    "--trust-ref",
    metavar="REF",
    help="Take instances, logins, ledger, guards and readable secrets from REF: the base of a pull request.",
)
commit = click.option("--commit", metavar="REV", default="", help="This commit instead of the work tree or HEAD; nothing is checked out.")
allow = click.option("--allow", multiple=True, type=click.Choice(GUARDS), metavar="GUARD", help=f"Lift a guard: {', '.join(GUARDS)}.")
targets = click.option("--target", multiple=True, metavar="ADDRESS", help="Only this object and what it needs.")
yes = click.option("--yes", is_flag=True, help="Do not ask.")
lock_timeout = click.option("--lock-timeout", type=Duration(), default="0", help="Wait this long for a held lock: 90, 2m, 1h.")


def progress() -> ProgressBar:
    from reconciler.cli.output import ProgressBar

    bar = ProgressBar()
    click.get_current_context().call_on_close(bar.close)  # a bar that is not ended leaves a terminal without its cursor
    return bar


def show(found: Plan, session: Session, settings: Settings, output: str, *, unmanaged: bool = False) -> None:
    """Print a plan; with `unmanaged`, also the names of what is counted as such."""
    from reconciler.cli.output import Painter, say, say_json
    from reconciler.core.plan import plan_json

    if output == "json":
        names = [str(address) for address in found.unmanaged]
        say_json({**plan_json(found), "unmanaged": names} if unmanaged else plan_json(found))
    elif output == "sarif":
        from reconciler.report.sarif import compliance_sarif

        say_json(compliance_sarif([session.check()] if session.check else []))
    elif output == "markdown":
        from reconciler.report.markdown import plan_markdown

        say(plan_markdown(found, session.about()), settings)
    else:
        from reconciler.report.text import plan_text

        say(plan_text(found, session.about(), session.cost(), Painter(settings), unmanaged=unmanaged), settings)


def plan_code(found: Plan, exit_code: bool) -> int:
    if not found.complete:
        return 1
    if found.refusals:
        return 4
    return 3 if exit_code and found.changes else 0
