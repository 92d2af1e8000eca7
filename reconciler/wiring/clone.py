"""The clone that the server works on: what it fetches, and where its HEAD is. Everything else reads commits from its objects.

HEAD follows the branch, detached, since `rollback` and `drift` take logins and guards from HEAD. Nothing of a pull request
is ever checked out.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from reconciler.core.errors import ReconcilerError, Unavailable, Usage

FETCH_SECONDS = 120
MOST_BETWEEN = 20  # merges that are made up for one by one; beyond that, people look at them as one
OURS = "refs/reconciler/"  # what is fetched stands below this, so that it clashes with nothing of anybody's
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


class GitClone:
    """One work tree with a remote called `origin`. Raises Unavailable where that cannot be reached."""

    def __init__(self, folder: Path, branch: str, environ: Mapping[str, str]) -> None:
        if not _BRANCH.fullmatch(branch):
            raise Usage(f"{branch!r} is no name of a branch")
        self._folder = folder
        self._branch = branch
        # Nobody is there to be asked for a password.
        self._environ = {**environ, "GIT_TERMINAL_PROMPT": "0"}

    def prepare(self) -> None:
        """Find out whether this is a clone that may be moved. Raises Usage."""
        self.origin()
        if self._git("status", "--porcelain", "--untracked-files=no").strip():
            raise Usage(f"{self._folder} has uncommitted changes; give the server a clone of its own (git clone URL DIR)")

    def origin(self) -> str:
        """The URL of the origin."""
        try:
            return self._git("remote", "get-url", "origin").strip()
        except ReconcilerError:
            raise Usage(f"{self._folder} is no git clone with a remote called origin (git clone URL DIR)") from None

    def fetch_branch(self) -> str:
        return self.fetch(f"refs/heads/{self._branch}")

    def fetch(self, ref: str) -> str:
        place = f"{OURS}{ref.removeprefix('refs/')}"
        self._git("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "origin", f"+{ref}:{place}")
        return self._git("rev-parse", "--verify", f"{place}^{{commit}}").strip()

    def move(self, commit: str) -> None:
        if self._git("rev-parse", "HEAD").strip() != commit:
            self._git("checkout", "--quiet", "--detach", commit)

    def between(self, earlier: str, later: str) -> tuple[str, ...]:
        found = self._git("rev-list", "--first-parent", f"--max-count={MOST_BETWEEN + 2}", later).split()
        return tuple(reversed(found[1 : found.index(earlier)])) if earlier in found[1:] else ()

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self._folder), *arguments]
        try:
            done = subprocess.run(
                command, env=self._environ, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=FETCH_SECONDS
            )
        except FileNotFoundError:
            raise ReconcilerError("git is not installed or not on the PATH") from None
        except subprocess.TimeoutExpired:
            raise Unavailable(f"git {arguments[0]} did not end within {FETCH_SECONDS} s", path="origin") from None
        if done.returncode:
            raise Unavailable(f"git {arguments[0]}: {_last_line(done.stderr)}", path="origin")
        return done.stdout.decode(errors="replace")


def _last_line(stderr: bytes) -> str:
    """What git complains of, without the credentials that may stand in a URL."""
    lines = [line for line in stderr.decode(errors="replace").splitlines() if line.startswith(("fatal:", "error:"))]
    return re.sub(r"//[^/@\s]*@", "//", lines[0]) if lines else "no reason given"


def repository_of(url: str) -> str:
    """`OWNER/NAME` of a clone's origin, as forges name it; empty where it is none's."""
    found = re.fullmatch(r"(?:\w+://(?:[^/@]*@)?[^/]+/|[^/@\s]+@[^:/\s]+:)(.+?)(?:\.git)?/?", url)
    return found[1] if found and "/" in found[1] else ""
