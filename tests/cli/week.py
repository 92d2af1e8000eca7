"""A week of GENESIS: the example of this repository, lived in by services and people whose names stand in git."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reconciler.dev.process import ask
from reconciler.dev.servers import Server
from tests.cli.days import Days, door_of
from tests.cli.site import Site, another_second

ROOT = Path(__file__).resolve().parents[2]
ADA, GRACE = "ada@example.com", "grace@example.com"
STRANGER = "127.0.0.9"
"""Where somebody guesses from: another address of this machine. Linux has all of 127.0.0.0/8."""
GUESSES = 12  # at the sixth the server locks the role out for a while: that is denied too
PROVIDED = "given-by-a-provider-51c9"
BY_HAND = "typed-by-hand-6b1f0c"
NARROW = "    - path: genesis/metadata/*\n      capabilities: [read, list]\n    - path: genesis/data/api_keys/*\n      capabilities: [deny]"
OFTEN = """\
address: rotation_policy/api_keys
patch: {interval_days: 3, warning_days: 1}
"""


@dataclass
class Week:
    """The site, its server, and the commits of each day."""

    site: Site
    days: Days
    bao: Server
    """Past the door: what happens here happens past the reconciler."""
    device: Path
    """A copy of the audit device's file, with the days of the week."""
    commits: dict[str, str] = field(default_factory=dict)

    def ok(self, *arguments: str) -> str:
        ran = self.site.run(*arguments)
        assert ran.code == 0, f"{arguments}: {ran.out}{ran.err}"
        return ran.out

    def json(self, *arguments: str, code: int = 0) -> Any:
        ran = self.site.run(*arguments, "-o", "json")
        assert ran.code == code, f"{arguments}: {ran.out}{ran.err}"
        return ran.json

    def asked(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        status, said = ask(self.bao.address, method, f"/v1/{path}", token=token or self.bao.token, body=body)
        assert status in (200, 204), f"{path}: {status} {said}"
        return said

    def commit(self, name: str, subject: str, *, reviewed: bool = True) -> None:
        """What Ada commits and signs, and Grace reviews or not."""
        self.commits[name] = self.site.commit(f"{subject}\n\nReviewed-by: Grace <{GRACE}>" if reviewed else subject)

    def morning(self, past: int) -> None:
        another_second()
        self.days.dawn(past)
        self.ok("rotate", "--all")


@contextmanager
def week_lived(folder: Path, bao: Server, moto: Server) -> Iterator[Week]:
    """Live it, up to now. The clock is the real one again afterwards."""
    days = Days(6)
    try:
        with door_of(bao.address, days) as door:
            environ = {**os.environ, "VAULT_ADDR": door, "VAULT_TOKEN": bao.token, "AWS_ENDPOINT_URL": moto.address, "RECONCILE_ENV": "dev"}
            week = Week(Site(folder / "repo", environ), days, bao, folder / "device.log")
            _clone(week, folder)
            _monday(week)
            _tuesday(week)
            _wednesday(week)
            _thursday(week)
            week.morning(2)
            _saturday(week)
            _sunday(week)
            yield week
    finally:
        days.wake()


def _clone(week: Week, folder: Path) -> None:
    """A repository with the example, whose owner signs."""
    site = week.site
    site.environ |= {f"GIT_{role}_{what}": ADA for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for part in ("desired-state", "templates"):
        shutil.copytree(ROOT / part, site.repo / part)
    site.git("init", "--quiet", "--initial-branch=main", ".")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "key")], check=True)
    (folder / "signers").write_text(f"{ADA} {(folder / 'key.pub').read_text()}")
    signing = {"gpg.format": "ssh", "user.signingkey": folder / "key", "gpg.ssh.allowedSignersFile": folder / "signers"}
    for name, value in {**signing, "commit.gpgsign": "true"}.items():
        site.git("config", name, str(value))


def _monday(week: Week) -> None:
    """GENESIS is applied, and the orchestrator reads its key."""
    week.asked("POST", "sys/config/auditing/request-headers/X-Correlation-Id", {"hmac": False})
    week.commit("begin", "Declare GENESIS")
    week.ok("apply", "--yes")
    week.ok("rotate", "--all")
    _orchestrator_reads(week)


def _tuesday(week: Week) -> None:
    """API keys are to be rotated more often, and the provider's is put into its place."""
    week.morning(5)
    week.site.write("desired-state/overlays/dev/rotation.yaml", OFTEN)
    week.commit("often", "Rotate API keys every three days")
    week.ok("apply", "--yes")
    week.ok("secret", "put", "api_keys/claude", f"value={PROVIDED}")


def _wednesday(week: Week) -> None:
    """Somebody guesses, and is denied."""
    week.morning(4)
    role = week.asked("GET", "auth/approle/role/genesis-planner/role-id")["data"]["role_id"]
    for number in range(GUESSES):
        stranger = http.client.HTTPConnection(urlsplit(week.bao.address).netloc, timeout=60, source_address=(STRANGER, 0))
        stranger.request("POST", "/v1/auth/approle/login", json.dumps({"role_id": role, "secret_id": f"guess-{number}"}))
        assert stranger.getresponse().status in (400, 403)
        stranger.close()


def _thursday(week: Week) -> None:
    """The API key is three days old, and the webhooks' secret leaks."""
    week.morning(3)
    week.ok("rotate", "--secret-path", "webhooks/github", "--emergency", "--leaked", "current")


def _saturday(week: Week) -> None:
    """A change that nobody reviewed lets engineers read more; it is rolled back, and reverted in git."""
    week.morning(1)
    policies = week.site.repo / "desired-state/policies.yaml"
    text = policies.read_text()
    assert text.count(NARROW) == 1
    policies.write_text(text.replace(NARROW, NARROW.replace("/metadata/", "/+/")))
    week.commit("wide", "Let engineers see more", reviewed=False)
    week.ok("apply", "--yes")
    week.ok("rollback", "--yes")
    policies.write_text(text)
    week.commit("narrow", "Revert: let engineers see more")
    week.ok("apply", "--yes")


def _sunday(week: Week) -> None:
    """The API key is three days old again. Somebody writes a value and a policy by hand."""
    week.morning(0)
    week.asked("POST", "genesis/data/shared/partner", {"data": {"value": BY_HAND}})
    week.asked("POST", "sys/policies/acl/genesis-monitoring", {"policy": 'path "sys/*" { capabilities = ["read"] }'})
    _orchestrator_reads(week)
    week.device.write_bytes(week.days.told((week.bao.log.parent / "audit.log").read_bytes()))


def _orchestrator_reads(week: Week) -> None:
    role = "auth/approle/role/genesis-orchestrator"
    role_id, secret_id = week.asked("GET", f"{role}/role-id"), week.asked("POST", f"{role}/secret-id", {})
    login = {"role_id": role_id["data"]["role_id"], "secret_id": secret_id["data"]["secret_id"]}
    token = week.asked("POST", "auth/approle/login", login)["auth"]["client_token"]
    week.asked("GET", "genesis/data/api_keys/internal", token=token)
