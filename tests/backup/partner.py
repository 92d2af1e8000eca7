"""A partner who issues keys by a command, and whose list of good ones is a file that survives any server."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.site import Site

SCRIPT = """#!/usr/bin/env python3
import json, pathlib, sys
asked = json.load(sys.stdin)
file = pathlib.Path(__file__).with_name("good.json")
good = json.loads(file.read_text()) if file.exists() else []
value = asked["value"]["value"]
if sys.argv[1] == "probe":
    sys.exit(0 if value in good else 1)
good = [one for one in good if one != value] + [value] * (sys.argv[1] == "apply")
file.write_text(json.dumps(good))
"""


def install(site: Site) -> None:
    site.write("partner-key", SCRIPT)
    (site.repo / "partner-key").chmod(0o755)


def good(site: Site) -> list[str]:
    """The keys that the partner takes."""
    found: list[str] = json.loads(file_of(site).read_text())
    return found


def forget(site: Site, value: str) -> None:
    """What a partner does who was told later than the backup: it takes another key now."""
    file_of(site).write_text(json.dumps([one for one in good(site) if one != value] + ["a-newer-key"]))


def file_of(site: Site) -> Path:
    return site.repo / "good.json"
