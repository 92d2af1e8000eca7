"""`env.example` names every setting that the command line reads, and none that it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from reconciler.cli.main import cli

FILE = Path(__file__).resolve().parents[2] / "env.example"


def settings(command: click.Command, context: click.Context) -> Iterator[str]:
    for option in command.params:
        if isinstance(option, click.Option) and option.expose_value and option.allow_from_autoenv:
            given = option.envvar if isinstance(option.envvar, str) else None
            yield given or f"{context.auto_envvar_prefix}_{str(option.name).upper()}"
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from settings(below, click.Context(below, parent=context, info_name=name))


def test_every_setting_is_listed_once_and_no_other() -> None:
    known = list(settings(cli, click.Context(cli, info_name="reconcile", auto_envvar_prefix="RECONCILE")))
    listed = re.findall(r"^#?\s*(RECONCILE_[A-Z_]+)=", FILE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(known)
