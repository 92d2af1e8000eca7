"""All that `reconcile serve` works with: an origin, the clone of an engineer and the server's, a real OpenBao, a small forge."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import RECONCILE, Site
from tests.server.forges import TOKEN, StandIn

PATIENCE = 120.0
KEY = "webhook-" + "secret-of-the-test"
SETUP = """\
kind: vault.secrets_engine
name: genesis
spec: {type: kv-v2}
---
kind: webhook
name: github
spec: {route: /webhooks/github, scheme: github, secret: webhooks/github}
"""


def policy(*paths: str) -> str:
    rules = ", ".join(f"{{path: {path}, capabilities: [read]}}" for path in paths)
    return f"kind: vault.policy\nname: p\nspec: {{rules: [{rules}]}}\n"


@dataclass
class Running:
    """A server process that listens."""

    process: subprocess.Popen[str]
    port: int
    said: list[str] = field(default_factory=list)

    def ask(self, method: str, path: str, headers: Mapping[str, str] = {}, body: bytes = b"") -> tuple[int, Any]:
        """One request on a connection of its own; the answer as JSON where it is some."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            return ask_on(connection, method, path, headers, body)
        finally:
            connection.close()

    def ends(self) -> int:
        return self.process.wait(PATIENCE)


def ask_on(
    connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str] = {}, body: bytes = b""
) -> tuple[int, Any]:
    connection.request(method, path, body or None, dict(headers))
    answer = connection.getresponse()
    text = answer.read().decode()
    try:
        return answer.status, json.loads(text)
    except ValueError:
        return answer.status, text


def signed(event: str, body: Any, key: str = KEY) -> tuple[dict[str, str], bytes]:
    """A delivery as GitHub sends it."""
    text = json.dumps(body).encode()
    mac = hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": "d1",
        "X-Hub-Signature-256": f"sha256={mac}",
    }
    return headers, text


def push_event(commit: str) -> Any:
    return {"ref": "refs/heads/main", "before": "0" * 40, "after": commit, "commits": [], "repository": {"full_name": "genesis/state"}}


def pull_event(action: str, number: int) -> Any:
    return {"action": action, "number": number, "pull_request": {"number": number, "base": {"ref": "main"}, "merged": action == "closed"}}


def comment_event(number: int, body: str) -> Any:
    return {"action": "created", "issue": {"number": number, "pull_request": {}}, "comment": {"body": body}}


def until(true: Callable[[], Any], what: str = "") -> Any:
    """What it returns, once that is true."""
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)
    return found


class Deployment:
    def __init__(self, folder: Path, site: Site, vault: VaultClient) -> None:
        """`site` is the engineer's clone."""
        self.site, self.vault = site, vault
        self.origin, self.clone = folder / "origin.git", folder / "clone"
        self.environ = {**site.environ, "FORGE_TOKEN": TOKEN}
        self.declare_environment()
        site.write("desired-state/setup.yaml", SETUP)
        site.write("desired-state/p.yaml", policy("first/*"))
        site.commit("first")
        site.git("clone", "--quiet", "--bare", str(site.repo), str(self.origin))
        site.git("remote", "add", "origin", str(self.origin))
        site.apply()
        assert site.run("secret", "put", "webhooks/github", f"value={KEY}").code == 0
        site.git("clone", "--quiet", str(self.origin), str(self.clone))

    def declare_environment(self, *more: str) -> None:
        text = "project: genesis\nvault: {primary: {}}\nstores: {vault: {mount: genesis}}\n" + "".join(f"{line}\n" for line in more)
        self.site.write("desired-state/environments/dev.yaml", text)

    def use_forge(self, forge: StandIn) -> None:
        self.declare_environment(
            f"forge: {{type: {forge.sort}, api: '{forge.address}', repository: genesis/state, token: {{from: env:FORGE_TOKEN}}}}"
        )
        self.push("use the forge")
        self.site.apply()

    def push(self, message: str = "change", branch: str = "main") -> str:
        """Commit the work tree and push it."""
        commit = self.site.commit(message)
        self.site.git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{branch}" if "/" not in branch else f"HEAD:{branch}")
        return commit

    def declared(self) -> list[str]:
        """The paths of policy `p` on the server."""
        found = self.vault.read("sys/policies/acl/p")
        return [line.split('"')[1] for line in str(found["policy"]).splitlines() if line.startswith("path")] if found else []

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        command = [*RECONCILE, "--repo", str(self.clone), "serve", "--port", "0", *arguments]
        return subprocess.Popen(command, env={**self.environ, **environ}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    @contextmanager
    def serving(self, *arguments: str, **environ: str) -> Iterator[Running]:
        """A server that looks only when it is told to, but for once at its start."""
        quiet = ("--look-every", "1d", "--drift-every", "1d", "--evidence-every", "0")
        with self.start(*quiet, *arguments, **environ) as process:
            assert process.stderr is not None
            said: list[str] = []
            for line in process.stderr:
                said.append(line)
                if line.startswith("listening on"):
                    break
            else:
                raise AssertionError("".join(said))
            reader = threading.Thread(target=lambda: said.extend(process.stderr or ()))
            reader.start()
            try:
                yield Running(process, int(said[-1].rpartition(":")[2]), said)
            finally:
                process.kill()
                process.wait()
                reader.join()
