"""The example and what `init` writes: valid everywhere, applied whole, and a showcase of the kinds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.dev.process import clean_environment
from reconciler.dev.scaffold import first_commit, scaffold
from reconciler.dev.servers import start_bao_dev
from reconciler.dev.up import Endpoints, variables

ROOT = Path(__file__).resolve().parents[1]
RECONCILE = str(Path(sys.executable).with_name("reconcile"))

SERVICE = {"vault.policy", "vault.approle_role", "vault.kv_secret"}


class Site:
    """A copy of a desired state, and empty servers for it."""

    def __init__(self, repo: Path, environment: dict[str, str]) -> None:
        self.repo, self.environment = repo, environment

    def reconcile(self, *arguments: str, expect: int = 0) -> str:
        done = subprocess.run([RECONCILE, *arguments], cwd=self.repo, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout

    def plan(self) -> dict[str, Any]:
        return dict(json.loads(self.reconcile("plan", "-o", "json")))


@pytest.fixture
def site(tmp_path: Path, moto: str) -> Iterator[Site]:
    # A server of its own: rate limits stand in the root namespace only, where tests would meet each other.
    with start_bao_dev(tmp_path / "bao") as bao:
        settings = variables(Endpoints(bao.address, bao.token, moto)) | {"RECONCILE_ENV": "dev"}
        yield Site(tmp_path / "repo", clean_environment(tmp_path, **settings))


@pytest.fixture
def example(site: Site) -> Site:
    site.repo.mkdir()
    for part in ("desired-state", "templates"):
        subprocess.run(["cp", "-r", str(ROOT / part), str(site.repo / part)], check=True)
    first_commit(site.repo, "Declare GENESIS")
    return site


def test_example_is_valid_in_every_environment() -> None:
    done = subprocess.run([RECONCILE, "--repo", ROOT, "validate"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for environment in ("dev", "staging", "prod"):
        assert f"{environment}: " in done.stdout
    assert "note:" not in done.stdout


def test_example_is_applied_whole_and_then_nothing_is_left_to_do(example: Site) -> None:
    first = example.plan()
    assert (first["refusals"], first["unknown"], first["notes"]) == ([], [], [])
    assert {change["action"] for change in first["changes"]} == {"create"}
    example.reconcile("apply", "--yes")
    example.reconcile("plan", "--exit-code")


def test_services_of_the_example_come_from_one_template(example: Site) -> None:
    services = next(yaml.safe_load_all((ROOT / "desired-state" / "services.yaml").read_text()))["with"]
    made = [change for change in example.plan()["changes"] if change["origin"].startswith("templates/service.yaml.j2")]
    assert {change["address"].partition("/")[0] for change in made} >= SERVICE
    assert len([change for change in made if change["address"].startswith("vault.policy/")]) == len(services)


def test_new_repository_plans_at_once_and_applies(site: Site) -> None:
    scaffold(site.repo)
    assert site.plan()["summary"]["create"] == len(site.plan()["changes"]) > 0
    site.reconcile("apply", "--yes")
    site.reconcile("plan", "--exit-code")
