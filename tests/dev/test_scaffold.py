"""`init` makes a repository with a first commit, anywhere, and never over something."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.core.errors import Usage
from reconciler.dev.scaffold import project_name, scaffold


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True).stdout


def test_new_repository_is_committed_whole(tmp_path: Path) -> None:
    scaffold(tmp_path / "Secrets of ACME")
    folder = tmp_path / "Secrets of ACME"
    assert git(folder, "status", "--porcelain") == ""
    assert git(folder, "log", "--format=%s %an").strip() == "Declare the first services Tester"
    assert "project: secrets-of-acme\n" in (folder / "desired-state/environments/dev.yaml").read_text()


def test_first_commit_needs_no_git_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name)
    scaffold(tmp_path / "new")
    assert git(tmp_path / "new", "log", "--format=%an").strip() == "reconcile init"


def test_empty_folder_is_filled_and_full_one_refused(tmp_path: Path) -> None:
    scaffold(tmp_path)
    with pytest.raises(Usage, match="is not empty"):
        scaffold(tmp_path)


def test_local_state_and_keys_stay_out_of_git(tmp_path: Path) -> None:
    scaffold(tmp_path)
    for name in (".reconcile/x", ".env", "vault.key"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert git(tmp_path, "status", "--porcelain") == ""


@pytest.mark.parametrize(("folder", "project"), [("Genesis", "genesis"), ("a b_c", "a-b-c"), ("--", "project")])
def test_project_is_named_after_the_folder(folder: str, project: str) -> None:
    assert project_name(folder) == project
