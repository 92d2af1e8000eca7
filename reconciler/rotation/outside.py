"""How rotation asks programs and web services. Values go by standard input or in a body; what comes back is never repeated."""

from __future__ import annotations

import http.client
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from ..core.errors import Usage

_PASSING = frozenset({408, 425, 429})  # of the 4xx, those that say nothing about the value


class Surroundings(NamedTuple):
    """Where commands run, and what they are given of the environment: nothing of the run's own logins."""

    folder: Path
    environ: Mapping[str, str]


def run_command(command: tuple[str, ...], sent: bytes, timeout: float, around: Surroundings) -> int | None:
    """Run a program; return how it exited, None where it took too long. Raises Usage if it cannot be run."""
    try:
        done = subprocess.run(
            command,
            input=sent,
            cwd=around.folder,
            env=dict(around.environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    except OSError as error:
        raise Usage(f"{command[0]}: cannot be run: {error.strerror} (a path counts from the repository)") from None
    return done.returncode


def as_verdict(code: int | None) -> bool | None:
    """What an exit code says about a value: 0 yes, 1 no, anything else nothing."""
    return None if code is None else {0: True, 1: False}.get(code)


def status_of(url: str, method: str, headers: Mapping[str, str], sent: bytes | None, timeout: float) -> int | None:
    """The status of one request; None where there was no answer. Redirects are not followed: values would go elsewhere."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    try:
        connection = make(parts.hostname or "", parts.port, timeout=timeout)
        try:
            connection.request(method, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), sent, dict(headers))
            return connection.getresponse().status
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError):
        return None


def as_answer(status: int | None) -> bool | None:
    """What a status says about a value: nothing, where the other side is busy or broken."""
    if status is None or status >= 500 or status in _PASSING or 300 <= status < 400:
        return None
    return status < 300
