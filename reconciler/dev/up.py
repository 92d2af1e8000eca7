"""`reconcile dev`: a lasting OpenBao and an AWS endpoint for one repository, running on after the command ends.

What runs is written to `.reconcile/dev/servers.json`: pid and start time together, so that a pid that the system has
given to somebody else's process is never taken for ours, or killed. Ports are kept from one `up` to the next, so that
exports in open shells stay true.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from reconciler.core.errors import ReconcilerError, Unavailable, Usage

from .process import STOP_SECONDS, ask
from .servers import Server, launch_bao_raft, launch_moto
from .state import STATE, ensure_state_folder

REGION = "us-east-1"


class Endpoints(NamedTuple):
    """Where the two servers of a repository answer. The token is OpenBao's root token."""

    vault_address: str
    vault_token: str
    aws_endpoint: str


class Daemon(NamedTuple):
    """A server as it is written down. `pid` is 0 after `down`: then only its address is of use."""

    address: str
    token: str
    pid: int
    started: str

    @property
    def runs(self) -> bool:
        return self.pid > 0 and start_time(self.pid) == self.started


def up(repo: Path) -> Endpoints:
    """Start what does not run yet; a second `up` changes nothing."""
    with _locked(ensure_state_folder(repo) / "dev") as folder:
        known = _read(folder)
        running = {
            "bao": _running(known.get("bao"), lambda port: launch_bao_raft(folder, port)),
            "moto": _running(known.get("moto"), lambda port: launch_moto(folder, port)),
        }
        _write(folder, running)
        return _endpoints(running)


def down(repo: Path) -> bool:
    """Stop both servers; what OpenBao holds stays for the next `up`. False if nothing ran."""
    if not (repo / STATE / "dev").exists():
        return False
    with _locked(repo / STATE / "dev") as folder:
        known = _read(folder)
        ended = [_end(daemon) for daemon in known.values()]
        _write(folder, {name: daemon._replace(pid=0, started="") for name, daemon in known.items()})
        return any(ended)


def exports(repo: Path) -> str:
    """Shell lines that point the clients of both worlds at the servers of this repository."""
    known = _read(repo / STATE / "dev")
    if not known or not all(daemon.runs for daemon in known.values()):
        raise Usage("no servers run for this repository (start them with `reconcile dev up`)")
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables(_endpoints(known)).items())


def variables(endpoints: Endpoints) -> dict[str, str]:
    """The variables by which the clients of both worlds find these servers."""
    return {
        "VAULT_ADDR": endpoints.vault_address,
        "VAULT_TOKEN": endpoints.vault_token,
        "AWS_ENDPOINT_URL": endpoints.aws_endpoint,
        "AWS_ACCESS_KEY_ID": "testing",  # moto takes any
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
    }


def start_time(pid: int) -> str | None:
    """When a process began, as the system writes it; None if there is none, or only its zombie."""
    try:
        # After the name, which may hold blanks: state is the first field, the start time in ticks the 20th.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return None
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or None


def _running(known: Daemon | None, launch: Callable[[int | None], Server]) -> Daemon:
    if known and known.runs and _answers(known.address):
        return known
    if known:
        _end(known)  # one that runs but no longer answers would keep the port and the raft lock
    server = launch(urlsplit(known.address).port if known else None)
    daemon = Daemon(server.address, server.token, server.process.pid, start_time(server.process.pid) or "")
    server.process.returncode = 0  # it is meant to outlive us: without this Python warns that a child still runs
    return daemon


def _answers(address: str) -> bool:
    try:
        ask(address, "GET", "/")
    except Unavailable:
        return False
    return True


def _end(daemon: Daemon) -> bool:
    if not daemon.runs:
        return False
    deadline = time.monotonic() + STOP_SECONDS
    with contextlib.suppress(ProcessLookupError):  # it may end by itself between the look and the signal
        os.kill(daemon.pid, signal.SIGTERM)
        while daemon.runs and time.monotonic() < deadline:
            time.sleep(0.02)
        if daemon.runs:
            os.kill(daemon.pid, signal.SIGKILL)
    return True


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[Path]:
    """Two `up` at once would start two servers on one raft store."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _read(folder: Path) -> dict[str, Daemon]:
    file = folder / "servers.json"
    if not file.exists():
        return {}
    try:
        return {name: Daemon(**fields) for name, fields in json.loads(file.read_text()).items()}
    except (ValueError, TypeError, AttributeError):
        raise ReconcilerError(f"{file} cannot be read (stop its servers by hand and delete it)") from None


def _write(folder: Path, daemons: dict[str, Daemon]) -> None:
    file = folder / "servers.json"
    file.touch(mode=0o600)  # it holds the root token
    file.write_text(json.dumps({name: daemon._asdict() for name, daemon in daemons.items()}, indent=2))


def _endpoints(daemons: dict[str, Daemon]) -> Endpoints:
    return Endpoints(daemons["bao"].address, daemons["bao"].token, daemons["moto"].address)
