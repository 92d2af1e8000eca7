"""A restore that is killed at any request is finished by the next one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backup.lost import Lost, everything, phases, request, restored
from tests.backup.made import recorded
from tests.cli.site import Site

ROOT = Path(__file__).resolve().parents[2]
# Mounts and the ledger are written first, then states, values and metadata, then states again, and what was tried is released.
REQUESTS = 39
FEW = [(2, "after"), (17, "before"), (30, "after")]
KILLS = [(number, when) for number in range(1, REQUESTS + 1) for when in ("before", "after")] if "ALL_KILLS" in os.environ else FEW


@pytest.mark.parametrize(("number", "when"), KILLS)
def test_a_restore_that_was_killed_is_finished_by_the_next(survivor: Site, lost: Lost, number: int, when: str) -> None:
    words = ["restore", lost.backup["file"], "--identity", str(lost.keys[0]), "--yes"]
    command = [sys.executable, "-m", "tests.cli.killed", str(number), when, "--repo", str(survivor.repo), *words]
    killed = subprocess.run(command, env=survivor.environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stdout + killed.stderr
    restored(survivor, lost)
    assert everything(survivor) == lost.values
    assert request(survivor, "GET", "kv/metadata/hand/made")[1]["data"]["custom_metadata"]["owner"] == "platform"
    assert {**phases(survivor), "partners/held": ""} == {**dict.fromkeys(phases(survivor), "IDLE"), "partners/held": ""}
    survivor.apply()
    assert survivor.plan()["changes"] == []
    assert survivor.run("history", "-o", "json").json[-len(lost.runs) :] == lost.runs
    assert survivor.run("audit", "verify").code == 0
    assert {outcome for _, outcome in recorded(survivor, "restore*")} <= {"applied", "failed", "unknown"}
    found = survivor.run("audit", "complete", "-o", "json").json["findings"]
    assert {one["path"] for one in found} <= {"hand/made"}
