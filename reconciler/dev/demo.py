"""`reconcile demo`: the whole story on two real servers that live as long as it is told.

Everything lies in one temporary folder: the servers, and a git repository made from a copy of the desired state. The
commands are the ones that a person would type, run as processes of their own; what they print is what is shown.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reconciler.core.errors import ReconcilerError

from .process import ask, clean_environment
from .scaffold import NOBODY, first_commit, scaffold
from .servers import Server, start_bao_raft, start_moto
from .up import Endpoints, variables

ENVIRONMENT = "dev"
SECOND_COMMIT = """\
kind: vault.policy
name: payments
spec:
  rules:
    - path: genesis/data/payments/*
      capabilities: [read]
---
kind: vault.approle_role
name: approle/payments
spec:
  token_policies: [payments]
  token_ttl: 20m
"""
TAMPERED = 'path "*" { capabilities = ["create", "read", "update", "delete", "list", "sudo"] }'
DONE, PENDING = 0, 3  # exit codes of `reconcile`


class Stage:
    """Where the story is told: a repository, and an environment in which `reconcile` finds the two servers."""

    def __init__(self, repo: Path, vault: Server, aws: Server) -> None:
        self.repo = repo
        self.vault = vault
        endpoints = Endpoints(vault.address, vault.token, aws.address)
        self._environment = clean_environment(repo.parent, **variables(endpoints), RECONCILE_ENV=ENVIRONMENT)

    def say(self, text: str) -> None:
        print(f"\n# {text}", flush=True)

    def run(self, line: str, *, expect: int = DONE) -> None:
        """Run a `reconcile` command line as it is shown. Raises ReconcilerError where it ends otherwise than it should."""
        print(f"$ {line}", flush=True)
        command = [str(Path(sys.executable).with_name("reconcile")), *line.split()[1:]]
        code = subprocess.run(command, cwd=self.repo, env=self._environment, check=False).returncode
        if code != expect:
            raise ReconcilerError(f"`{line}` ended with {code}, not {expect}; the story ends here")

    def commit(self, message: str) -> None:
        for arguments in (("add", "--all"), (*NOBODY, "commit", "--quiet", f"--message={message}")):
            subprocess.run(["git", *arguments], cwd=self.repo, env=self._environment, check=True)

    def tamper(self) -> None:
        """Give the first policy every right, as somebody in a hurry would."""
        _, answer = ask(self.vault.address, "LIST", "/v1/sys/policies/acl", token=self.vault.token)
        policy = min(set(answer["data"]["keys"]) - {"default", "root"})
        self.say(f"Somebody gives {policy} every right, behind git's back.")
        print(f"$ bao policy write {policy} - <<< '{TAMPERED}'", flush=True)
        ask(self.vault.address, "POST", f"/v1/sys/policies/acl/{policy}", token=self.vault.token, body={"policy": TAMPERED})


def demo(repo: Path) -> int:
    """Tell the story on the desired state of `repo`, or on a new one where it has none. Returns an exit code."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="reconcile-demo-") as name:
        folder = Path(name)
        print("Starting OpenBao (raft) and an AWS endpoint (moto) on loopback ...", flush=True)
        with start_bao_raft(folder / "vault") as vault, start_moto(folder / "aws") as aws:
            print(f"OpenBao at {vault.address}, AWS at {aws.address}; both end with the demo.", flush=True)
            stage = Stage(_copied(repo, folder / "demo"), vault, aws)
            _tell(stage)
    print(f"\nThe servers are down and nothing is left. {time.monotonic() - began:.0f} s.")
    return DONE


def _tell(stage: Stage) -> None:
    stage.say("What git declares and the servers lack.")
    stage.run("reconcile plan --exit-code", expect=PENDING)
    stage.run("reconcile apply --yes")
    stage.say("A second plan finds nothing to do.")
    stage.run("reconcile plan --exit-code")
    stage.tamper()
    stage.run("reconcile drift --exit-code", expect=PENDING)
    stage.run("reconcile apply --yes")
    stage.say("A second commit: a new service, and logins of the rotation shortened.")
    _second_commit(stage)
    stage.run("reconcile plan --exit-code", expect=PENDING)
    stage.run("reconcile apply --yes")
    stage.say("It was a mistake: back to the commit before.")
    stage.run("reconcile rollback --yes")
    stage.run("reconcile history")


def _second_commit(stage: Stage) -> None:
    (stage.repo / "desired-state" / "payments.yaml").write_text(SECOND_COMMIT)
    roles = stage.repo / "desired-state" / "roles.yaml"
    if roles.exists():
        roles.write_text(roles.read_text().replace("token_ttl: 15m", "token_ttl: 10m"))
    print('$ git add --all && git commit -m "Let payments in"', flush=True)
    stage.commit("Let payments in")


def _copied(repo: Path, folder: Path) -> Path:
    """Make a repository of a copy of the desired state: the story must not touch the user's."""
    if not (repo / "desired-state" / "environments" / f"{ENVIRONMENT}.yaml").exists():
        scaffold(folder)
        return folder
    folder.mkdir()
    for part in ("desired-state", "templates"):
        if (repo / part).exists():
            shutil.copytree(repo / part, folder / part)
    first_commit(folder, "Declare GENESIS")
    return folder
