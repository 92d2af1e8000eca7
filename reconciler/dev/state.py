"""`.reconcile/`: the folder of a repository where local state lies, never in git."""

from __future__ import annotations

from pathlib import Path

STATE = ".reconcile"


def ensure_state_folder(repo: Path) -> Path:
    """Return the state folder of a repository, made if it is not there, with a `.gitignore` of its own."""
    folder = repo / STATE
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return folder
