"""`reconcile init`: a new repository that plans at once. Its files lie beside this one, in `starter/`."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from reconciler.core.errors import ReconcilerError, Usage

STARTER = Path(__file__).with_name("starter")
# Only used where git knows nobody: a first commit must not fail on a new machine.
NOBODY = ("-c", "user.name=reconcile init", "-c", "user.email=reconcile@localhost")


def scaffold(folder: Path) -> None:
    """Make a repository with an example and a first commit. Raises Usage where the folder holds something already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Usage(f"{folder} is not empty (init makes a new folder)")
    project = project_name(folder.resolve().name)
    try:
        shutil.copytree(STARTER, folder, dirs_exist_ok=True)
        (folder / "gitignore").rename(folder / ".gitignore")
        environment = folder / "desired-state" / "environments" / "dev.yaml"
        environment.write_text(environment.read_text().replace("${{ project }}", project))
    except OSError as error:
        raise ReconcilerError(f"{folder} cannot be written: {error.strerror}") from None
    first_commit(folder, "Declare the first services")


def first_commit(folder: Path, message: str) -> None:
    """Make a folder a git repository, and commit all that is in it."""
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _git(folder, "add", "--all")
    _git(folder, *_identity(folder), "commit", "--quiet", f"--message={message}")


def project_name(folder: str) -> str:
    """A project's name from a folder's: lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", folder.lower()).strip("-") or "project"


def _identity(folder: Path) -> tuple[str, ...]:
    # useConfigOnly: git must not make up an identity from the host's name.
    asked = subprocess.run(
        ["git", "-C", str(folder), "-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT"], capture_output=True, check=False
    )
    return () if asked.returncode == 0 else NOBODY


def _git(folder: Path, *arguments: str) -> None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ReconcilerError("git is not installed, and a desired state lives in a git repository") from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise ReconcilerError(f"{folder} was written, but git refused to commit it: {said}")
