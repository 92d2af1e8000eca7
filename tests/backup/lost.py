"""A site that lived in a server which is gone: what it had, its backup, and how it is brought back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from reconciler.dev.process import ask
from tests.backup import partner
from tests.cli.site import Ran, Site
from tests.rotation.test_commands import declare, status

STATE = """
kind: vault.secrets_engine
name: kv
spec: {type: kv-v2, description: values}
---
kind: vault.policy
name: service
spec: {rules: [{path: kv/data/*, capabilities: [read]}]}
---
kind: secret
name: webhooks/github
spec: {type: webhook_secret, generate: {length: 48}, rotation: keys}
---
kind: secret
name: partners/good
spec: {type: external, generate: {length: 40}, rotation: keys, target: {command: [./partner-key]}}
---
kind: secret
name: partners/moved
spec: {type: external, generate: {length: 40}, rotation: keys, target: {command: [./partner-key]}}
---
kind: secret
name: partners/held
spec: {type: external, generate: {length: 40}, rotation: keys, target: {command: [./partner-key]}}
---
kind: rotation_policy
name: keys
spec: {interval_days: 90, overlap_hours: 0, consumer_cache: 0}
"""
ENVIRONMENT = "project: genesis\nstores: {vault: {mount: kv}}\n"


class Lost(NamedTuple):
    """A site whose server is gone, its backup, and what it had."""

    repo: Path
    keys: tuple[Path, Path]
    backup: dict[str, Any]
    values: dict[str, list[str]]
    runs: Any


def request(site: Site, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    return ask(site.environ["VAULT_ADDR"], method, f"/v1/{path}", token=site.environ["VAULT_TOKEN"], body=body)


def write(site: Site, path: str, value: dict[str, str]) -> None:
    assert request(site, "POST", f"kv/data/{path}", {"data": value})[0] == 200


def versions(site: Site, path: str) -> list[str]:
    """The values of all versions, oldest first."""
    found = site.run("secret", "versions", path, "-o", "json").json
    return [request(site, "GET", f"kv/data/{path}?version={one['version']}")[1]["data"]["data"]["value"] for one in reversed(found)]


def everything(site: Site) -> dict[str, list[str]]:
    return {path: versions(site, path) for path in ("webhooks/github", "partners/good", "partners/moved", "partners/held", "hand/made")}


def live_in(site: Site) -> None:
    """Secrets that rotate, one of which a person holds; one with history and metadata that does not; two applied commits."""
    partner.install(site)
    declare(site, STATE)
    site.apply()
    for path in ("webhooks/github", "partners/good"):
        assert site.run("rotate", "--secret-path", path).code == 0
    assert site.run("rotate", "hold", "partners/held", "--reason", "ticket 7").code == 0
    about = {"custom_metadata": {"owner": "platform"}, "max_versions": 20}
    assert request(site, "POST", "kv/metadata/hand/made", about)[0] == 204
    for number in range(12):  # more than a mount keeps by default
        write(site, "hand/made", {"value": f"by-hand-{number}", "user": "ann"})
    site.write("desired-state/policies.yaml", "kind: vault.policy\nname: second\nspec: {rules: [{path: x/*, capabilities: [list]}]}\n")
    site.commit()
    site.apply()


def restore(site: Site, lost: Lost, *more: str) -> Ran:
    return site.run("restore", lost.backup["file"], "--identity", str(lost.keys[0]), *more)


def restored(site: Site, lost: Lost, *more: str) -> Any:
    ran = restore(site, lost, "--yes", "-o", "json", *more)
    assert ran.code == 0, ran.out + ran.err
    return {row["path"]: row for row in ran.json["tried"]}


def phases(site: Site) -> dict[str, str]:
    return {row["path"]: row["phase"] for row in status(site)}
