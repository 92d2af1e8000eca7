"""`reconcile demo` tells its story to the end, on this repository or on none, and leaves nothing behind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.core.errors import Unavailable
from reconciler.dev.process import ask, clean_environment

ROOT = Path(__file__).resolve().parents[2]
STORY = ("$ reconcile plan", "$ reconcile apply --yes", "$ reconcile drift", "$ reconcile rollback --yes", "nothing is left")


@pytest.mark.parametrize("repo", ["this repository", "an empty folder"])
def test_demo_tells_the_whole_story_and_leaves_nothing(repo: str, tmp_path: Path) -> None:
    folder = ROOT if repo == "this repository" else tmp_path / "empty"
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    (tmp_path / "empty").mkdir()
    before = status()
    command = [str(Path(sys.executable).with_name("reconcile")), "--repo", str(folder), "demo"]
    environment = clean_environment(tmp_path, TMPDIR=str(temporary))
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    told = [done.stdout.find(line) for line in STORY]
    assert -1 not in told
    assert told == sorted(told)
    assert list(temporary.iterdir()) == []
    assert status() == before
    addresses = re.findall(r"(http://127\.0\.0\.1:\d+)[,;]", done.stdout)
    assert len(addresses) == 2
    for address in addresses:
        with pytest.raises(Unavailable):
            ask(address, "GET", "/")


def status() -> tuple[str, bool]:
    shown = ["git", "-C", str(ROOT), "status", "--porcelain", "--", "desired-state", "templates"]
    return subprocess.run(shown, capture_output=True, text=True, check=True).stdout, (ROOT / ".reconcile").exists()
