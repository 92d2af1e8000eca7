"""Templates, which escape all that they print, and the few words that they share."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from ...core.values import visible

FOLDER = Path(__file__).parents[1] / "templates"
FILES: Mapping[str, str] = {"style.css": "text/css", "icon.svg": "image/svg+xml"}
NAVIGATION = (
    ("/ui", "Overview"),
    ("/ui/resources", "Resources"),
    ("/ui/runs", "Runs"),
    ("/ui/secrets", "Rotation"),
    ("/ui/access", "Access"),
    ("/ui/blocked", "Blocked"),
)


def page(template: str, shown: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """A whole page as an answer."""
    return HTMLResponse(_environment().get_template(template).render(shown), status)


def static(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


@cache
def _environment() -> Environment:
    made = Environment(autoescape=True, undefined=StrictUndefined, loader=FileSystemLoader(FOLDER), finalize=_printed, trim_blocks=True)
    made.filters |= {"moment": moment, "short": lambda commit: commit[:7]}
    # What changes has another name, so that browsers may keep it.
    marks = {name: hashlib.sha256(static(name)).hexdigest()[:12] for name in FILES}
    made.globals |= {"navigation": NAVIGATION, "marks": marks}
    return made


def _printed(value: Any) -> Any:
    """Nothing that is printed can hide or reorder what stands beside it."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def moment(at: float | str | None) -> str:
    """A time as people read it, in UTC; ledgers write text, notes seconds."""
    if at is None or at == "":
        return "never"
    if isinstance(at, str):
        return at.replace("T", " ").replace("Z", " UTC")
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
