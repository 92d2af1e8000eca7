"""The workflows about anchors, as they stand: plan.yml holds them against the base branch, anchor.yml proposes them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.dev.servers import Server
from tests.audit.desk import Desk
from tests.cli.site import Site
from tests.test_workflows import Done, Forge, git


class Anchored(Forge):
    """A repository whose environment's log is anchored; its log is beside it."""

    def __init__(self, folder: Path, bao: Server, namespace: str) -> None:
        super().__init__(folder, bao, namespace)
        self.desk = Desk(folder / "audit")
        self.desk.run(4)
        environment = self.main / "desired-state" / "environments" / "staging.yaml"
        environment.write_text(
            f"project: demo\nvault: {{primary: {{}}}}\naudit: {{trusted: [{{public_key: {self.desk.pen.verifier.vkey}}}]}}\n"
        )
        self.anchor(self.main)
        git(self.main, "add", "-A")
        git(self.main, "commit", "-qm", "Anchor")

    def anchor(self, repo: Path) -> None:
        """Write an anchor of the log, as `audit anchor` does."""
        from reconciler.audit.merkle import EMPTY_ROOT
        from reconciler.audit.note import Checkpoint, read_checkpoint, read_note
        from reconciler.audit.proof import prove_growth

        file = repo / ".audit" / "staging.checkpoint"
        file.parent.mkdir(exist_ok=True)
        old = read_checkpoint(read_note(file.read_text()).text) if file.exists() else Checkpoint(self.desk.book.origin, 0, EMPTY_ROOT)
        proof = prove_growth(self.desk.book, old)
        file.write_text(proof.partition("\n\n")[2])
        file.with_suffix(".growth").write_text(proof)

    def proposed(self, name: str) -> Path:
        workspace = self.folder / name
        git(self.folder, "clone", "-q", str(self.main), str(workspace / "proposed"))
        return workspace

    def validate(self, workspace: Path) -> Done:
        return self.job("plan", "validate", {}, workspace)


@pytest.fixture
def forge(tmp_path: Path, bao: Server, namespace: str) -> Anchored:
    return Anchored(tmp_path, bao, namespace)


def test_an_anchor_that_grows_passes_and_a_smaller_or_another_tree_does_not(forge: Anchored) -> None:
    workspace = forge.proposed("unchanged")
    done = forge.validate(workspace)
    assert done.code == 0, done.output
    forge.desk.run(2)
    forge.anchor(workspace / "proposed")
    done = forge.validate(workspace)
    assert done.code == 0, done.output
    assert "9 entries are the beginning of 14" in done.output

    smaller = forge.proposed("smaller")
    forge.anchor(forge.main)
    git(forge.main, "commit", "-qam", "Anchor again")
    git(smaller / "proposed", "fetch", "-q")
    done = forge.validate(smaller)
    assert done.code == 4, done.output
    assert "became smaller" in done.output

    shutil.rmtree(forge.desk.folder)
    for _ in range(4):
        forge.desk.run(4)
    replaced = forge.proposed("replaced")
    (replaced / "proposed/.audit/staging.checkpoint").unlink()
    forge.anchor(replaced / "proposed")
    done = forge.validate(replaced)
    assert done.code == 4, done.output


# The schedule that proposes anchors.

# The calls of the workflow, on the repository itself.
GH = f"""#!{sys.executable}
import json, os, pathlib, subprocess, sys, tempfile
store, main = pathlib.Path(os.environ["GH_STORE"]), pathlib.Path(os.environ["GH_STORE"]).with_name("main")
state = json.loads(store.read_text())

def git(*words, given=None, **more):
    return subprocess.run(["git", "-C", str(main), "-c", "user.name=gh", "-c", "user.email=gh@example.com", *words], input=given, check=True, capture_output=True, text=True,
                          env={{**os.environ, **more}}).stdout.strip()

words, method, fields = [], "GET", {{}}
rest = iter(sys.argv[1:])
for word in rest:
    if word == "--method":
        method = next(rest)
    elif word == "--input":
        assert next(rest) == "-"
        fields = json.load(sys.stdin)
    elif word in ("--field", "--raw-field"):
        key, _, value = next(rest).partition("=")
        fields[key] = value
    elif not word.startswith("--"):
        words.append(word)
assert os.environ["GH_TOKEN"] and words[0] == "api", sys.argv
path = words[1].partition("?")[0].removeprefix("repos/genesis/state/")
known = subprocess.run(["git", "-C", str(main), "rev-parse", "-q", "--verify", "refs/heads/audit-anchors"], capture_output=True).returncode == 0
if (method, path) == ("POST", "git/trees"):
    with tempfile.TemporaryDirectory() as folder:
        index = {{"GIT_INDEX_FILE": folder + "/index"}}
        git("read-tree", fields["base_tree"], **index)
        for entry in fields["tree"]:
            blob = git("hash-object", "-w", "--stdin", given=entry["content"])
            git("update-index", "--add", "--cacheinfo", entry["mode"] + "," + blob + "," + entry["path"], **index)
        print(json.dumps({{"sha": git("write-tree", **index)}}))
elif (method, path) == ("POST", "git/commits"):
    print(json.dumps({{"sha": git("commit-tree", fields["tree"], "-p", fields["parents"][0], "-m", fields["message"])}}))
elif (method, path) == ("PATCH", "git/refs/heads/audit-anchors"):
    if not known:
        sys.exit("gh: Reference does not exist (HTTP 422)")
    git("update-ref", "refs/heads/audit-anchors", fields["sha"])
elif (method, path) == ("POST", "git/refs"):
    git("update-ref", fields["ref"], fields["sha"], "")
elif (method, path) == ("GET", "pulls"):
    print(json.dumps(state["issues"]))
elif (method, path) == ("POST", "pulls"):
    state["issues"].append(fields)
else:
    sys.exit("gh: no such call: " + method + " " + path)
store.write_text(json.dumps(state))
"""


class Witnessed(Forge):
    """A repository whose environment's log is kept in its ledger."""

    def __init__(self, folder: Path, bao: Server, namespace: str) -> None:
        super().__init__(folder, bao, namespace)
        (folder / "bin" / "gh").write_text(GH)
        self.site = Site(self.main, {**os.environ, "VAULT_ADDR": bao.address, "VAULT_TOKEN": bao.token, "VAULT_NAMESPACE": namespace})
        self.environment = self.main / "desired-state" / "environments" / "staging.yaml"
        self.environment.write_text("project: demo\nvault: {primary: {}}\naudit: {ship: ledger, anchor: git, key: {file: ../audit.key}}\n")
        key = self.site.run("audit", "key").out.strip()
        text = self.environment.read_text()
        self.environment.write_text(text.replace("ship: ledger", f"ship: ledger, trusted: [{{public_key: {key}}}]"))
        git(self.main, "commit", "-qam", "Ship the log")
        self.site.apply()

    def scheduled(self, name: str) -> Done:
        """What the schedule does, on a machine that has the repository and no key."""
        workspace = self.folder / name
        git(self.folder, "clone", "-q", str(self.main), str(workspace))
        context = {
            "vars.RECONCILE_ANCHORED": '["staging"]',
            "vars.AWS_PLAN_ROLE": "",
            "vars.AWS_PLAN_ROLE && format('{0}/aws-token', runner.temp) || ''": "",
        }
        return self.job("anchor", "anchor", context, workspace)

    def proposed(self) -> str:
        return git(self.main, "rev-parse", "audit-anchors").strip()

    def verdict(self) -> dict[str, Any]:
        return dict(self.site.run("audit", "verify", "-o", "json").json)


@pytest.fixture
def witnessed(tmp_path: Path, bao: Server, namespace: str) -> Witnessed:
    return Witnessed(tmp_path, bao, namespace)


def test_the_schedule_proposes_anchors_that_grow_and_none_of_a_log_that_was_rolled_back(witnessed: Witnessed, vault: VaultClient) -> None:
    assert [one["sort"] for one in witnessed.verdict()["findings"]] == ["no anchor"]
    done = witnessed.scheduled("first")
    assert done.code == 0, done.output
    assert [pull["head"] for pull in witnessed.state["issues"]] == ["audit-anchors"]
    git(witnessed.main, "merge", "-q", "audit-anchors")
    assert witnessed.verdict()["ok"]

    before = vault.read("reconciler/data/demo/staging/audit/head")
    witnessed.declare("others", "list")
    witnessed.site.apply()
    done = witnessed.scheduled("second")
    assert done.code == 0, done.output
    assert "entries are the beginning of" in done.output
    assert len(witnessed.state["issues"]) == 1, "the same pull request"
    git(witnessed.main, "merge", "-q", "audit-anchors")
    assert witnessed.verdict()["ok"]

    merged = witnessed.proposed()
    done = witnessed.scheduled("nothing new")
    assert done.code == 0, done.output
    assert witnessed.proposed() == merged

    assert before is not None
    vault.write("reconciler/data/demo/staging/audit/head", {"data": before["data"]})
    done = witnessed.scheduled("rolled back")
    assert done.code == 4, done.output
    assert "rolled back or replaced" in done.output
    assert witnessed.proposed() == merged, "nothing was proposed"
