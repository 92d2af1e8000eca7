"""The three servers that tests, the demo and `reconcile dev` run on: OpenBao in memory, OpenBao on raft, AWS by moto."""

from __future__ import annotations

import base64
import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.core.errors import Unavailable

from .process import LOOPBACK, PortTaken, ask, await_line, await_status, binary, free_port, launch, stop

DEV_TOKEN = "root"  # of servers that live in memory and on loopback only
BAO_READY = "server started!"  # said after the listeners are bound
ATTEMPTS = 10  # ports tried; on a busy machine two or three are taken in between


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `token` is its root token, empty for AWS."""

    address: str
    token: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def start_bao_dev(folder: Path) -> Iterator[Server]:
    """Run OpenBao in memory, unsealed, with a known root token."""
    server = _on_free_port(lambda port: launch_bao_dev(folder, port))
    try:
        yield server
    finally:
        stop(server.process)


@contextmanager
def start_bao_raft(folder: Path) -> Iterator[Server]:
    """Run a lasting OpenBao: what is in `folder` stays, and a second start finds it again."""
    server = launch_bao_raft(folder)
    try:
        yield server
    finally:
        stop(server.process)


@contextmanager
def start_moto(folder: Path) -> Iterator[Server]:
    """Run an AWS endpoint, in memory."""
    server = launch_moto(folder)
    try:
        yield server
    finally:
        stop(server.process)


def launch_bao_dev(folder: Path, port: int) -> Server:
    """Start OpenBao in memory. Raises PortTaken."""
    log = _log(folder, "bao-dev")
    options = ["-dev", "-dev-no-store-token", f"-dev-root-token-id={DEV_TOKEN}", f"-dev-listen-address={LOOPBACK}:{port}"]
    process = launch([binary("bao"), "server", *options], log)
    return _ready(Server(f"http://{LOOPBACK}:{port}", DEV_TOKEN, process, log))


def launch_bao_raft(folder: Path, port: int | None = None) -> Server:
    """Start OpenBao on raft, first on `port` if one is given; initialise it if it is new."""
    log = _log(folder, "bao-raft")
    (folder / "raft").mkdir(exist_ok=True)

    def start(port: int) -> Server:
        configuration = folder / "bao.hcl"
        configuration.write_text(_raft_configuration(folder, port))
        process = launch([binary("bao"), "server", f"-config={configuration}"], log)
        await_line(process, log, BAO_READY)
        return Server(f"http://{LOOPBACK}:{port}", "", process, log)

    server = _on_free_port(start, port)
    try:
        return _ready(Server(server.address, _initialised(folder, server.address), server.process, log))
    except Unavailable:
        stop(server.process)
        raise


def launch_moto(folder: Path, port: int | None = None) -> Server:
    """Start an AWS endpoint, on `port` if one is given and free, else on one that the system chooses."""
    log = _log(folder, "moto")

    def start(port: int) -> Server:
        # Roles attach policies that AWS itself makes; without the setting they would not exist.
        process = launch([binary("moto_server"), "-H", LOOPBACK, "-p", str(port)], log, MOTO_IAM_LOAD_MANAGED_POLICIES="true")
        address = await_line(process, log, "Running on ").split()[-1]
        return Server(address, "", process, log)

    try:
        server = start(port or 0)
    except PortTaken:
        server = start(0)
    await_status(server.process, server.address, "/moto-api/", 200)
    return server


def _on_free_port(start: Callable[[int], Server], first: int | None = None) -> Server:
    for _ in range(ATTEMPTS):
        try:
            return start(first or free_port())
        except PortTaken:
            first = None
    raise Unavailable(f"none of {ATTEMPTS} ports stayed free until the server had bound it")


def _log(folder: Path, name: str) -> Path:
    logs = folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return logs / f"{name}.log"


def _ready(server: Server) -> Server:
    await_line(server.process, server.log, BAO_READY)
    # 200: initialised, unsealed and active. A raft node needs a moment to elect itself.
    await_status(server.process, server.address, "/v1/sys/health", 200)
    return server


def _raft_configuration(folder: Path, port: int) -> str:
    _private(folder / "seal.key", lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    # The multiplier keeps a lone node from waiting several seconds for peers before it elects itself.
    return f"""\
ui           = false
api_addr     = "http://{LOOPBACK}:{port}"
cluster_addr = "https://{LOOPBACK}:{free_port()}"
storage "raft" {{
  path                   = "{folder / "raft"}"
  node_id                = "reconciler"
  performance_multiplier = 1
}}
listener "tcp" {{
  address     = "{LOOPBACK}:{port}"
  tls_disable = true
}}
seal "static" {{
  current_key_id = "1"
  current_key    = "file://{folder / "seal.key"}"
}}
audit "file" "main" {{
  options {{ file_path = "{folder / "logs" / "audit.log"}" }}
}}
"""


def _initialised(folder: Path, address: str) -> str:
    """Initialise a new server once; return its root token."""

    def initialise() -> str:
        status, answer = ask(address, "POST", "/v1/sys/init", body={"recovery_shares": 1, "recovery_threshold": 1})
        if status != 200:
            raise Unavailable(f"{address} could not be initialised (status {status}; if its token is lost, delete {folder})")
        token: str = answer["root_token"]
        return token

    return _private(folder / "root.token", initialise)


def _private(file: Path, make: Callable[[], str]) -> str:
    """Read a file that only its owner may read; make its content first if it is not there."""
    if not file.exists():
        text = make()
        file.touch(mode=0o600)
        file.write_text(text)
    return file.read_text()
