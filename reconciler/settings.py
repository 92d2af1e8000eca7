"""What the command line and the environment say, frozen. The only reader of `os.environ`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Settings:
    """One call's settings. `environ` is a snapshot: nothing that runs later can change what was asked."""

    repo: Path
    environment: str
    color: bool
    log_format: str
    environ: Mapping[str, str]

    @property
    def state_folder(self) -> Path:
        return self.repo / ".reconcile"


def settings(repo: Path, environment: str | None, color: bool | None, log_format: str) -> Settings:
    """Gather the settings. Colour follows the terminal unless it is asked for or NO_COLOR is set."""
    environ = MappingProxyType(dict(os.environ))
    wanted = color if color is not None else sys.stdout.isatty() and not environ.get("NO_COLOR")
    return Settings(repo.resolve(), environment or "", bool(wanted), log_format, environ)
