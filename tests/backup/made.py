"""What tests of backups ask of the command line."""

from __future__ import annotations

from typing import Any

from tests.cli.site import Ran, Site


def made(site: Site, *arguments: str) -> Any:
    ran = site.run("backup", "-o", "json", *arguments)
    assert ran.code == 0, ran.err
    return ran.json


def recorded(site: Site, action: str) -> list[tuple[str, str]]:
    """What the audit log says was done, and what became of it; without the beginnings of segments."""
    rows = site.run("audit", "search", "--action", action, "-o", "json").json
    return [(row["resource"], row["outcome"]) for row in rows if row["type"] != "segment"]


def refusal(ran: Ran, code: int) -> str:
    assert (ran.code, ran.out) == (code, "")
    return ran.err
