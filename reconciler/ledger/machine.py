"""Which process this is, so that another one of the same machine can tell whether it is still alive."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class Process(NamedTuple):
    """A process as its machine knows it. `world` is empty where that cannot be told (no /proc)."""

    host: str
    pid: int
    world: str = ""
    """Boot, pid and time namespace, host name. Equal: pids and ticks mean the same. The host name is for virtual machines
    that were resumed from one snapshot and share the rest."""
    started: str = ""
    """When it started, in ticks since boot: a pid alone is given out again."""


def this_process() -> Process:
    host, pid = socket.gethostname(), os.getpid()
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        spaces = [os.readlink(PROC / "self/ns" / name) for name in ("pid", "time")]
        return Process(host, pid, " ".join([boot, *spaces, host]), _start_of(pid))
    except (OSError, IndexError):
        return Process(host, pid)


def is_gone(process: Process, here: Process) -> bool:
    """Say whether a process of this very machine has ended. False where that cannot be known."""
    if not process.world or process.world != here.world or not process.started:
        return False
    try:
        os.kill(process.pid, 0)  # asked first: where /proc hides the processes of others, absence there proves nothing
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it lives, or its number was given to somebody else
    try:
        return _start_of(process.pid) != process.started or _is_remains(process.pid)
    except (OSError, IndexError):
        return False


def _stat(pid: int) -> list[str]:
    # The name, in parentheses, may hold blanks and parentheses itself.
    return (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].decode().split()


def _start_of(pid: int) -> str:
    return _stat(pid)[19]


def _is_remains(pid: int) -> bool:
    """A killed process that nobody has waited for yet. One whose main thread alone ended is not."""
    return _stat(pid)[0] in "ZX" and len(list((PROC / str(pid) / "task").iterdir())) < 2
