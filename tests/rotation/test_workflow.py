"""The scheduled workflow, its `run:` steps as they stand, against a real server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from reconciler.dev.process import ask
from reconciler.dev.servers import Server
from tests.test_workflows import Done, Forge, git

HOOK = """
kind: secret
name: webhooks/github
spec: {type: webhook_secret, generate: {length: 48}, rotation: hooks}
---
kind: rotation_policy
name: hooks
spec: {interval_days: 90, overlap_hours: 1}
"""


@pytest.fixture
def forge(tmp_path: Path, bao: Server, namespace: str) -> Forge:
    made = Forge(tmp_path, bao, namespace)
    ask(bao.address, "POST", f"/v1/{namespace}/sys/mounts/kv", token=bao.token, body={"type": "kv", "options": {"version": "2"}})
    environment = made.main / "desired-state" / "environments" / "staging.yaml"
    environment.write_text("project: demo\nstores: {vault: {mount: kv}}\n")
    (made.main / "desired-state" / "hooks.yaml").write_text(HOOK)
    git(made.main, "add", "-A")
    git(made.main, "commit", "-qm", "Declare a webhook secret")
    return made


def rotate(forge: Forge, secret: str = "", leaked: str = "") -> Done:
    context = {
        "matrix.environment": "staging",
        "inputs.secret": secret,
        "inputs.leaked": leaked,
        "vars.AWS_APPLY_ROLE": "",
        "vars.AWS_APPLY_ROLE && format('{0}/aws-token', runner.temp) || ''": "",
    }
    return forge.job("rotate", "rotate", context, forge.main)


def value(forge: Forge) -> str | None:
    status, answer = ask(forge.bao.address, "GET", f"/v1/{forge.namespace}/kv/data/webhooks/github", token=forge.bao.token)
    return str(answer["data"]["data"]["value"]) if status == 200 else None


def test_the_schedule_rotates_what_is_due_and_says_how_all_stand(forge: Forge) -> None:
    done = rotate(forge)
    assert done.code == 0, done.output
    first = value(forge)
    assert first
    assert "webhooks/github" in (forge.folder / "summary").read_text()
    assert rotate(forge).code == 0
    assert value(forge) == first, "it is not due again"


def test_one_secret_is_rotated_by_hand_and_at_once_when_it_leaked(forge: Forge) -> None:
    rotate(forge)
    first = value(forge)
    assert rotate(forge, "webhooks/github").code == 0
    second = value(forge)
    assert second != first
    assert rotate(forge, "webhooks/github", "current").code == 0
    assert value(forge) not in (first, second)


def test_a_rotation_that_is_taken_back_fails_the_job(forge: Forge) -> None:
    rotate(forge)
    text = HOOK.replace("rotation: hooks}", "rotation: hooks, validate: {command: [/bin/false]}}", 1)
    (forge.main / "desired-state" / "hooks.yaml").write_text(text)
    git(forge.main, "commit", "-qam", "Demand what never succeeds")
    done = rotate(forge, "webhooks/github")
    assert done.code == 5, done.output
    assert "rolled back, aborted or given up" in done.output


def test_the_summary_holds_no_value(forge: Forge) -> None:
    rotate(forge)
    rotate(forge, "webhooks/github", "current")
    held = value(forge)
    assert held
    assert held not in (forge.folder / "summary").read_text()
    assert json.dumps(held) not in subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout
