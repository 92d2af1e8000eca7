"""The verbs as child processes: `reconcile plan`, `apply`, ... of this very installation, told what to do by their options.

Why processes: a plan of a large repository takes hundreds of megabytes, which only the end of a process gives back; what
kills one (a bug, the memory killer) must not take the receiver with it; logins and secrets go with it too; and an apply
handles signals, which only a main thread can. A process costs about 0.4 s of starting.

Their output goes to files, not to pipes: if the server is killed, an apply goes on to its end and is recorded.
"""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from reconciler.core.errors import Unavailable
from reconciler.server.ports import Done, Planned
from reconciler.server.worker import Stopped
from reconciler.settings import Settings

from . import opened_for_ledger

MINUTE = 60.0
PLAN_SECONDS = 20 * MINUTE
APPLY_SECONDS = 60 * MINUTE
VALIDATE_SECONDS = 1 * MINUTE  # strangers may write what is validated: templates that never end, or fill the memory
VALIDATE_BYTES = 2 * 1024**3
LOCK_SECONDS = 60  # beyond that the look is put off, so that it does not hold up a stop
LOG_BYTES = 200_000
POLL_SECONDS = 0.02
CUT_OFF = (5, 130, -signal.SIGTERM)  # what a command that was told to stop may end with


class ChildCommands:
    """Runs commands, from many threads. `stop` ends those that only read; `hurry` tells those that write to finish what they are at."""

    def __init__(self, settings: Settings, lockdown: Callable[[], str], ran: Callable[[str, int, float], None]) -> None:
        self._settings = settings
        self._lockdown = lockdown
        self._ran = ran
        self._stopping = threading.Event()
        self._hurrying = threading.Event()

    def plan(self, commit: str, trusted: str) -> Planned:
        with tempfile.TemporaryDirectory(prefix="reconcile-plan-") as folder:
            file = Path(folder, "plan.json")
            arguments = ("--commit", commit, "--trust-ref", trusted, "--out", str(file), "--output", "markdown", "--exit-code")
            code, out, log = self._run("plan", *arguments)
            plan = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
        return Planned(code, out if plan else "", plan, log)

    def validate(self, commit: str) -> Done:
        code, _out, log = self._run("validate", "--commit", commit, seconds=VALIDATE_SECONDS, memory=VALIDATE_BYTES)
        return Done(code, None, log)

    def apply(self, commit: str, digest: str) -> Done:
        expected = ("--expect-digest", digest) if digest else ()
        wait = ("--lock-timeout", str(LOCK_SECONDS))
        return self._done("apply", "--yes", "--commit", commit, *expected, "--rollback-on-failure", *wait, "--output", "json", writes=True)

    def rollback(self, commit: str) -> Done:
        return self._done("rollback", "--yes", "--to", commit, "--lock-timeout", str(LOCK_SECONDS), "--output", "json", writes=True)

    def goal(self) -> str:
        done = self._done("rollback", "--plan", "--output", "json")
        if done.answer is None:
            return ""
        return str(done.answer["commit"])

    def drift(self) -> Done:
        return self._done("drift", "--output", "json")

    def standings(self) -> Done:
        return self._done("rotate", "status", "--output", "json")

    def verify(self, *, full: bool) -> Done:
        return self._done("audit", "verify", "--output", "json", *(() if full else ("--incremental",)))

    def last(self, action: str, since: float) -> Done:
        begin = ("--since", time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since))) if since else ()
        return self._done("audit", "search", "--action", action, "--outcome", "applied", *begin, "--limit", "1", "--output", "json")

    def compliance(self) -> Done:
        return self._done("report", "compliance", "--output", "json")

    def applied(self) -> tuple[str, ...]:
        with opened_for_ledger(self._settings, "plan") as session:
            return session.world.ledger.load()[0].applied

    def locked_down(self) -> str:
        return self._lockdown()

    def stop(self) -> None:
        self._stopping.set()

    def hurry(self) -> None:
        self._hurrying.set()

    def _done(self, *arguments: str, writes: bool = False) -> Done:
        code, out, log = self._run(*arguments, writes=writes)
        return Done(code, _json(out), log)

    def _run(self, *arguments: str, writes: bool = False, seconds: float = 0, memory: int = 0) -> tuple[int, str, str]:
        """The exit code, standard output and standard error of a command. Raises Stopped, Unavailable when it takes too long."""
        seconds = seconds or (APPLY_SECONDS if writes else PLAN_SECONDS)
        settings = self._settings
        where = ["--repo", str(settings.repo), *(["--env", settings.environment] if settings.environment else [])]
        command = [sys.executable, "-m", "reconciler.cli.main", "--no-color", *where, *arguments]
        began = time.monotonic()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            # A session of its own: Ctrl-C on the server's terminal is for the server, which decides who is told.
            child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=dict(settings.environ), start_new_session=True
            )
            try:
                if memory:
                    resource.prlimit(child.pid, resource.RLIMIT_AS, (memory, memory))
                code = self._wait(child, seconds, arguments[0], writes=writes)
            finally:
                if not writes:
                    child.kill()
                    child.wait()
            self._ran(arguments[0], code, time.monotonic() - began)
            return code, _text(out), _text(err, LOG_BYTES)

    def _wait(self, child: subprocess.Popen[bytes], seconds: float, name: str, *, writes: bool) -> int:
        told, end = False, time.monotonic() + seconds
        while True:
            try:
                code = child.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                late = time.monotonic() > end
            else:
                break
            if not writes and self._stopping.is_set():
                raise Stopped(f"{name} was cut off, since the server stops")
            if not writes and late:
                raise Unavailable(f"{name} did not end within {seconds:.0f} s")
            if not told and (late or self._hurrying.is_set()):
                child.send_signal(signal.SIGTERM)  # what is under way is finished and recorded
                told = True
        if told and code in CUT_OFF and self._hurrying.is_set():
            raise Stopped(f"{name} was cut off, since the server stops")
        return code


def _json(text: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else {"rows": found}


def _text(file: IO[bytes], most: int = -1) -> str:
    file.seek(0)
    return file.read(most).decode(errors="replace")
