"""A process measured from outside: wall time, peak memory, exit code."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Measured(NamedTuple):
    seconds: float
    cpu: float  # seconds, of the process itself
    megabytes: float
    code: int
    output: str


def measure(command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> Measured:
    """Run a command to its end; memory is the peak of the process itself."""
    began = time.perf_counter()
    with subprocess.Popen(command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        output = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    kilobytes = usage.ru_maxrss / 1024 if sys.platform == "darwin" else usage.ru_maxrss
    return Measured(seconds, usage.ru_utime + usage.ru_stime, kilobytes / 1024, process.returncode, output)


def median_seconds(command: Sequence[str], environment: Mapping[str, str], cwd: Path, runs: int = 7) -> float:
    """The median of several runs, each of which must end well."""
    measured = [measure(command, environment, cwd) for _ in range(runs)]
    assert all(one.code == 0 for one in measured), measured[-1].output
    return statistics.median(one.seconds for one in measured)
