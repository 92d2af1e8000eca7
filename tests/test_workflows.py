"""The GitHub workflows: audited, and their `run:` steps run as they stand, against a real server and a small `gh`."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from reconciler.dev.process import ask
from reconciler.dev.servers import Server

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = ROOT / ".github" / "workflows"
BOT = "github-actions[bot]"
WIDE = "kind: vault.policy\nname: readers\nspec: {rules: [{path: '*', capabilities: [read]}]}\n"

# Keeps comments, issues and pull requests in one JSON file and answers the calls that the workflows make.
GH = f"""#!{sys.executable}
import json, os, pathlib, re, sys
store = pathlib.Path(os.environ["GH_STORE"])
state = json.loads(store.read_text())
words, method, fields = [], "GET", {{}}
rest = iter(sys.argv[1:])
for word in rest:
    if word == "--method":
        method = next(rest)
    elif word == "--field":
        key, _, value = next(rest).partition("=")
        fields[key] = pathlib.Path(value[1:]).read_text() if value.startswith("@") else value
    elif not word.startswith("--"):
        words.append(word)
assert os.environ["GH_TOKEN"] and words[0] == "api", sys.argv
path = words[1].partition("?")[0].removeprefix("repos/genesis/state/")
sort, number = ("comments" if "comments" in path else "issues"), path.split("/")[-1]
if path == "code-scanning/sarifs":
    if not state["scanning"]:
        sys.exit("gh: code scanning is not enabled (HTTP 403)")
    state["uploads"].append(fields)
elif method == "GET":
    print(json.dumps(state["pulls"].get(path.split("/")[1], []) if path.endswith("/pulls") else
                     [one for one in state[sort] if one.get("state", "open") == "open"]))
elif method == "POST":
    id = len(state["comments"]) + len(state["issues"]) + 1
    state[sort].append({{"id": id, "number": id, "user": {{"login": "{BOT}"}}, **fields}})
else:
    next(one for one in state[sort] if str(one["id"]) == number).update(fields)
state["calls"].append(method + " " + path)
store.write_text(json.dumps(state))
"""


class Done(NamedTuple):
    code: int
    output: str


class Forge:
    """A repository on a pretended GitHub, with a real server behind its environment `staging`."""

    def __init__(self, folder: Path, bao: Server, namespace: str) -> None:
        self.folder, self.bao, self.namespace = folder, bao, namespace
        self.main = folder / "main"
        self.store = folder / "gh.json"
        self.store.write_text(json.dumps({"comments": [], "issues": [], "pulls": {}, "calls": [], "uploads": [], "scanning": True}))
        tools = folder / "bin"
        tools.mkdir()
        (tools / "gh").write_text(GH)
        (tools / "gh").chmod(0o755)
        self.path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        environments = self.main / "desired-state" / "environments"
        environments.mkdir(parents=True)
        (environments / "staging.yaml").write_text("project: demo\nvault: {primary: {}}\nguards: {strict_references: true}\n")
        git(self.main, "init", "-q", "-b", "main")
        self.declare("readers", "read")

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads(self.store.read_text()))

    def change(self, **changes: Any) -> None:
        self.store.write_text(json.dumps(self.state | changes))

    def declare(self, name: str, capability: str) -> str:
        """Commit a policy on whatever branch is checked out; return the commit."""
        rule = f"spec: {{rules: [{{path: a/*, capabilities: [{capability}]}}]}}"
        (self.main / "desired-state" / f"{name}.yaml").write_text(f"kind: vault.policy\nname: {name}\n{rule}\n")
        git(self.main, "add", "-A")
        git(self.main, "commit", "-qm", f"Let {name} {capability}")
        return git(self.main, "rev-parse", "HEAD").strip()

    def policy(self, name: str) -> str | None:
        status, answer = ask(self.bao.address, "GET", f"/v1/{self.namespace}/sys/policies/acl/{name}", token=self.bao.token)
        return str(answer["data"]["policy"]) if status == 200 else None

    def job(self, workflow: str, name: str, context: Mapping[str, str], cwd: Path) -> Done:
        """Run the `run:` steps of a job as GitHub does: one after the other, until one fails."""
        job = yaml.safe_load((WORKFLOWS / f"{workflow}.yml").read_text())["jobs"][name]
        outputs: dict[str, str] = {}
        said = ""
        for step in job["steps"]:
            if "run" not in step or "pip install" in step["run"] or step.get("if"):
                continue
            known = {"github.token": "token", "runner.temp": str(self.folder), **context, **outputs}
            done = self.step(step, known, cwd)
            said += done.output
            if done.code:
                return Done(done.code, said)
            written = (self.folder / "output").read_text().splitlines()
            outputs |= {f"steps.{step.get('id')}.outputs.{key}": value for key, _, value in (line.partition("=") for line in written)}
        return Done(0, said)

    def step(self, step: Mapping[str, Any], known: Mapping[str, str], cwd: Path) -> Done:
        assert "${{" not in step["run"], "an expression in a script is how attackers get into it"
        values = {key: re.sub(r"\$\{\{ *(.+?) *\}\}", lambda found: known[found[1]], text) for key, text in step.get("env", {}).items()}
        (self.folder / "output").write_text("")
        environment = {
            "PATH": self.path, "HOME": os.environ["HOME"], "GH_STORE": str(self.store), "GITHUB_REPOSITORY": "genesis/state",
            "GITHUB_OUTPUT": str(self.folder / "output"), "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "RUNNER_TEMP": str(self.folder), "GITHUB_BASE_REF": "main", "GITHUB_SHA": known.get("github.sha", ""),
            "VAULT_ADDR": self.bao.address, "VAULT_TOKEN": self.bao.token, "VAULT_NAMESPACE": self.namespace, **values,
        }  # fmt: skip
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(shell, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return Done(done.returncode, done.stdout)

    def plan(self) -> Done:
        """What opening or pushing to a pull request does."""
        workspace = self.folder / f"plan-{len(list(self.folder.iterdir()))}"
        git(self.folder, "clone", "-q", str(self.main), str(workspace / "proposed"))
        context = {
            "github.event.pull_request.number": "7",
            "matrix.environment": "staging",
            "vars.AWS_PLAN_ROLE": "",
            "vars.AWS_PLAN_ROLE && format('{0}/aws-token', runner.temp) || ''": "",
        }
        return self.job("plan", "plan", context, workspace)

    def find(self) -> Done:
        """What the same shows at the lines of the pull request."""
        workspace = self.folder / f"find-{len(list(self.folder.iterdir()))}"
        git(self.folder, "clone", "-q", str(self.main), str(workspace / "proposed"))
        return self.job("findings", "findings", {"github.sha": "a" * 40, "github.ref": "refs/pull/7/merge"}, workspace)

    def merge(self, *, digest: str = "") -> Done:
        """What a push of `main` does, as the merge of pull request 7."""
        sha = git(self.main, "rev-parse", "HEAD").strip()
        self.change(pulls={sha: [{"number": 7, "merged_at": "2026-01-01", "merge_commit_sha": sha}]})
        context = {
            "github.sha": sha,
            "matrix.environment": "staging",
            "inputs.digest": digest,
            "vars.AWS_APPLY_ROLE": "",
            "vars.AWS_APPLY_ROLE && format('{0}/aws-token', runner.temp) || ''": "",
        }
        return self.job("apply", "apply", context, self.main)

    def drift(self) -> Done:
        """What the schedule does."""
        context = {
            'vars.RECONCILE_ENVIRONMENTS || \'["staging", "prod"]\'': '["staging"]',
            "vars.AWS_PLAN_ROLE": "",
            "vars.AWS_PLAN_ROLE && format('{0}/aws-token', runner.temp) || ''": "",
        }
        return self.job("drift", "drift", context, self.main)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def forge(tmp_path: Path, bao: Server, namespace: str) -> Forge:
    return Forge(tmp_path, bao, namespace)


def test_workflows_pass_the_audit() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    done = subprocess.run([zizmor, "--offline", "--pedantic", "--quiet", ROOT / ".github"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("workflow", sorted(file.stem for file in WORKFLOWS.glob("*.yml")))
def test_checkouts_leave_no_credentials_behind(workflow: str) -> None:
    jobs = yaml.safe_load((WORKFLOWS / f"{workflow}.yml").read_text())["jobs"]
    checkouts = [step["with"] for job in jobs.values() for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert checkouts
    assert all(one["persist-credentials"] is False for one in checkouts)
    assert all(one.get("fetch-depth") == 0 for one in checkouts if one.get("path") != "trusted"), "the ledger's commits are looked up"


@pytest.mark.parametrize("workflow", ["apply", "rotate"])
def test_what_may_write_runs_for_the_main_branch_alone(workflow: str) -> None:
    (job,) = yaml.safe_load((WORKFLOWS / f"{workflow}.yml").read_text())["jobs"].values()
    assert job["if"] == "github.ref == 'refs/heads/main'"
    assert job["permissions"]["id-token"] == "write"


@pytest.mark.parametrize("workflow", sorted(file.stem for file in WORKFLOWS.glob("*.yml")))
def test_no_credential_is_an_argument_of_a_process(workflow: str) -> None:
    uses = [line for line in (WORKFLOWS / f"{workflow}.yml").read_text().splitlines() if "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" in line]
    assert all(line.lstrip().startswith("<<< ") for line in uses), uses


def test_forks_only_validate_and_nothing_of_a_pull_request_is_installed() -> None:
    plan = yaml.safe_load((WORKFLOWS / "plan.yml").read_text())
    assert plan["permissions"] == {}
    assert plan["jobs"]["validate"]["permissions"] == {"contents": "read"}
    assert plan["jobs"]["plan"]["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    assert "pull_request_target" not in (WORKFLOWS / "plan.yml").read_text()
    installs = [step["run"] for job in plan["jobs"].values() for step in job["steps"] if "pip" in step.get("run", "")]
    assert installs == ["python -m pip install --quiet ./trusted"] * 2


def test_findings_take_no_login_and_nothing_of_a_pull_request_is_installed() -> None:
    workflow = yaml.safe_load((WORKFLOWS / "findings.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert job["permissions"] == {"contents": "read", "security-events": "write"}
    assert job["if"].endswith("github.event.pull_request.head.repo.full_name == github.repository")
    assert "pull_request_target" not in (WORKFLOWS / "findings.yml").read_text()
    assert [step["run"] for step in job["steps"] if "pip" in step.get("run", "")] == ["python -m pip install --quiet ./trusted"]


def test_pull_request_gets_one_comment_that_follows_it(forge: Forge) -> None:
    first = forge.plan()
    assert first.code == 0, first.output
    forge.declare("writers", "update")
    assert forge.plan().code == 0
    comments = forge.state["comments"]
    assert len(comments) == 1
    assert "vault.policy/writers" in comments[0]["body"]
    assert "vault.policy/writers" in (forge.folder / "summary").read_text()
    assert forge.policy("readers") is None, "a plan writes nothing"


def test_findings_are_uploaded_for_the_merge_of_the_pull_request_what_is_invalid_among_them(forge: Forge) -> None:
    for text, rule in ((WIDE, "C10"), ("kind: vault.polizy\nname: readers\n", "invalid")):
        (forge.main / "desired-state" / "readers.yaml").write_text(text)
        git(forge.main, "commit", "-qam", "Change it")
        done = forge.find()
        assert done.code == 0, done.output
        upload = forge.state["uploads"][-1]
        assert (upload["commit_sha"], upload["ref"]) == ("a" * 40, "refs/pull/7/merge")
        document = json.loads(gzip.decompress(base64.b64decode(upload["sarif"])))
        found = {one["ruleId"]: one["locations"][0]["physicalLocation"] for one in document["runs"][0]["results"]}
        assert found[rule]["artifactLocation"]["uri"] == "desired-state/readers.yaml"


def test_findings_hold_up_nobody_where_code_scanning_is_off_and_are_not_lost_in_silence(forge: Forge) -> None:
    forge.change(scanning=False)
    done = forge.find()
    assert done.code == 0
    assert "::warning::The findings were not taken" in done.output


def test_merge_applies_the_reviewed_plan(forge: Forge) -> None:
    forge.plan()
    done = forge.merge()
    assert done.code == 0, done.output
    assert "read" in (forge.policy("readers") or "")


def test_merge_of_something_else_than_was_reviewed_is_refused(forge: Forge) -> None:
    forge.plan()
    forge.declare("readers", "delete")
    done = forge.merge()
    assert done.code == 4, done.output
    assert forge.policy("readers") is None


def test_merge_without_a_reviewed_plan_applies_nothing(forge: Forge) -> None:
    forge.plan()
    forge.change(comments=[one | {"user": {"login": "mallory"}} for one in forge.state["comments"]])
    done = forge.merge()
    assert done.code == 3
    assert "no reviewed plan" in done.output
    assert forge.policy("readers") is None


def test_a_second_comment_of_a_plan_makes_both_of_no_account(forge: Forge) -> None:
    forge.plan()
    mine = forge.state["comments"][0]
    forge.change(comments=[mine, mine | {"id": 99}])
    done = forge.merge()
    assert done.code == 4
    assert "several comments" in done.output
    assert forge.policy("readers") is None


def test_a_tag_of_the_base_branchs_name_leads_no_request_astray(forge: Forge) -> None:
    git(forge.main, "checkout", "-qb", "proposal")
    environment = forge.main / "desired-state" / "environments" / "staging.yaml"
    environment.write_text("project: demo\nvault: {primary: {address: 'http://127.0.0.1:9'}}\n")
    git(forge.main, "commit", "-qam", "Point elsewhere")
    git(forge.main, "tag", "origin/main")
    done = forge.plan()
    assert done.code == 0, done.output
    assert "vault.policy/readers" in forge.state["comments"][0]["body"]


def test_errors_that_quote_a_pull_request_stay_text_in_the_comment(forge: Forge) -> None:
    (forge.main / "desired-state" / "readers.yaml").write_text('kind: "x\\n~~~\\n# Approved by @ann"\nname: readers\n')
    git(forge.main, "commit", "-qam", "Break out")
    assert forge.plan().code == 1
    _, heading, _, *rest = forge.state["comments"][0]["body"].splitlines()
    assert heading == "### No plan for `staging`"
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_digest_given_by_hand_is_applied(forge: Forge) -> None:
    forge.plan()
    digest = re.search(r"digest=(sha256:[0-9a-f]{64})", forge.state["comments"][0]["body"])
    assert digest is not None
    forge.change(comments=[])
    assert forge.merge(digest=digest[1]).code == 0
    assert forge.policy("readers")


def test_plan_that_fails_says_so_in_the_comment_and_leaves_no_digest(forge: Forge) -> None:
    forge.plan()
    (forge.main / "desired-state" / "readers.yaml").write_text("kind: vault.polizy\nname: readers\n")
    git(forge.main, "commit", "-qam", "Break it")
    done = forge.plan()
    assert done.code == 1
    body = forge.state["comments"][0]["body"]
    assert "vault.polizy" in body
    assert not re.search(r"digest=\w", body)


def test_drift_is_one_issue_from_its_beginning_to_its_end(forge: Forge) -> None:
    forge.plan()
    forge.merge()
    assert forge.drift().code == 0
    assert forge.state["issues"] == []
    change = {"policy": 'path "a/*" { capabilities = ["read", "sudo"] }'}
    ask(forge.bao.address, "POST", f"/v1/{forge.namespace}/sys/policies/acl/readers", token=forge.bao.token, body=change)
    assert forge.drift().code == 0
    assert forge.drift().code == 0
    issues = forge.state["issues"]
    assert len(issues) == 1
    assert "vault.policy/readers" in issues[0]["body"]
    forge.plan()
    forge.merge()
    assert forge.drift().code == 0
    assert [one["state"] for one in forge.state["issues"]] == ["closed"]
