"""A repository, a namespace of a real server and the real command line: what an engineer has in front of them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.dev.servers import Server

RECONCILE = (sys.executable, "-m", "reconciler.cli.main")


class Ran(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Site:
    """A git repository with desired state, and the environment in which commands run."""

    repo: Path
    environ: dict[str, str]
    namespace: str = ""

    def write(self, path: str, text: str) -> None:
        file = self.repo / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def remove(self, path: str) -> None:
        (self.repo / path).unlink()

    def commit(self, message: str = "change") -> str:
        """Commit the work tree; returns the commit id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(self.repo), *arguments], env=self.environ, check=True, capture_output=True, text=True)
        return done.stdout

    def run(self, *arguments: str, **environ: str) -> Ran:
        """Run a command in this process, which is quick; its streams are no terminal."""
        out, err = io.StringIO(), io.StringIO()
        with _environment({**self.environ, **environ}), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = _main(["--repo", str(self.repo), *arguments])
        return Ran(code, out.getvalue(), err.getvalue())

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start a command as a process of its own, to be signalled or killed."""
        command = [*RECONCILE, "--repo", str(self.repo), *arguments]
        return subprocess.Popen(command, env={**self.environ, **environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def plan(self, *arguments: str) -> Any:
        """The plan as JSON, whatever the exit code."""
        ran = self.run("plan", "-o", "json", *arguments)
        assert ran.out, ran.err
        return ran.json

    def apply(self, *arguments: str) -> Any:
        """Apply HEAD, which must succeed."""
        ran = self.run("apply", "--yes", "-o", "json", *arguments)
        assert ran.code == 0, ran.out + ran.err
        return ran.json


def _main(arguments: list[str]) -> int:
    from reconciler.cli.main import main

    try:
        main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    raise AssertionError("main() always ends the process")


@contextlib.contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    hook = sys.excepthook
    try:
        yield
    finally:
        sys.excepthook = hook
        os.environ.clear()
        os.environ.update(before)


def site_in(folder: Path, server: Server, namespace: str, environment: str) -> Site:
    """A git repository whose environment `dev` is a namespace of a server, with nothing committed yet."""
    environ = {**os.environ, "VAULT_ADDR": server.address, "VAULT_TOKEN": server.token, "VAULT_NAMESPACE": namespace}
    made = Site(folder / "repo", environ, namespace)
    made.write("desired-state/environments/dev.yaml", environment)
    made.git("init", "--quiet", "--initial-branch=main", ".")
    return made


def forked(site: Site, *arguments: str) -> int:
    """Fork a process that is `reconcile ...`, as its own command would be but for the interpreter's start; return its id."""
    from reconciler.cli.main import main

    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        silent = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silent, stream)
        os.environ.clear()
        os.environ.update(site.environ)
        main(["--repo", str(site.repo), *arguments])
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    finally:
        os._exit(70)


def another_second() -> None:
    """Let what follows fall into another second: logs, ages and reports count by those, by the clock of the machine."""
    time.sleep(1.1)
