"""A restore that is killed at any request is finished by the next one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backup.test_commands import recorded
from tests.backup.test_restore import Lost, everything, lost, phases, request, restored, site
from tests.cli.site import Site

__all__ = ["lost", "site"]

ROOT = Path(__file__).resolve().parents[2]
# Mounts and the ledger are written first, then states, values and metadata, then states again, and what was tried is released.
REQUESTS = 39
FEW = [(2, "after"), (9, "before"), (17, "after"), (30, "before")]
KILLS = [(number, when) for number in range(1, REQUESTS + 1) for when in ("before", "after")] if "ALL_KILLS" in os.environ else FEW


@pytest.mark.parametrize(("number", "when"), KILLS)
def test_a_restore_that_was_killed_is_finished_by_the_next(site: Site, lost: Lost, number: int, when: str) -> None:
    words = ["restore", lost.backup["file"], "--identity", str(lost.keys[0]), "--yes"]
    command = [sys.executable, "-m", "tests.cli.killed", str(number), when, "--repo", str(site.repo), *words]
    killed = subprocess.run(command, env=site.environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stdout + killed.stderr
    restored(site, lost)
    assert everything(site) == lost.values
    assert request(site, "GET", "kv/metadata/hand/made")[1]["data"]["custom_metadata"]["owner"] == "platform"
    assert {**phases(site), "partners/held": ""} == {**dict.fromkeys(phases(site), "IDLE"), "partners/held": ""}
    site.apply()
    assert site.plan()["changes"] == []
    assert site.run("history", "-o", "json").json[-len(lost.runs) :] == lost.runs
    assert site.run("audit", "verify").code == 0
    assert {outcome for _, outcome in recorded(site, "restore*")} <= {"applied", "failed", "unknown"}
    found = site.run("audit", "complete", "-o", "json").json["findings"]
    assert {one["path"] for one in found} <= {"hand/made"}
