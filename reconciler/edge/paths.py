"""Paths of requests as documents name them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from ..core.values import StringSet

_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_TEMPLATE = re.compile(r"/|(/([A-Za-z0-9._~-]+|\{[a-z_]+(:path)?\}))+")
_GLOB = re.compile(r"/[A-Za-z0-9._~*/-]*")


def plain_path(given: str) -> str:
    """The path itself. Raises ValueError for one that has a second spelling, of which one would go unguarded."""
    if not _PATH.fullmatch(given) or _relative(given):
        raise ValueError(f"{given!r} is no plain path such as /webhooks/github")
    return given


def _template(given: str) -> str:
    if not _TEMPLATE.fullmatch(given) or _relative(given):
        raise ValueError(f"{given!r} is no path of a route such as /health or /runs/{{run}}")
    return given


def _globs(given: tuple[str, ...]) -> tuple[str, ...]:
    if not given:
        raise ValueError("names no route (write [/*] for all)")
    for glob in given:
        if not _GLOB.fullmatch(glob) or "//" in glob:
            raise ValueError(f"{glob!r} is no pattern such as /v1/*")
    return given


def _relative(path: str) -> bool:
    return any(part in (".", "..") for part in path.split("/"))


PlainPath = Annotated[str, AfterValidator(plain_path)]
"""The path of one route: no trailing slash, nothing encoded, nothing to be resolved."""

TemplatePath = Annotated[str, AfterValidator(_template)]
"""The same as a route has it, with `{name}` for what varies."""

Globs = Annotated[StringSet, AfterValidator(_globs)]
"""Patterns of paths; `*` stands for any text, slashes too."""
