"""The emergency brake: nothing is applied while it is on, whoever asks; what leaked is rotated all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Site

POLICY = "kind: vault.policy\nname: p\nspec: {rules: [{path: x, capabilities: [read]}]}\n"
SECRET = "kind: vault.secrets_engine\nname: genesis\nspec: {type: kv-v2}\n---\nkind: secret\nname: api/key\nspec: {type: api_key, generate: {length: 32}}\n"


@pytest.fixture
def ready(site: Site) -> Site:
    site.write("desired-state/p.yaml", POLICY)
    site.commit()
    site.apply()
    return site


def test_nothing_is_applied_or_rolled_back_until_it_is_off_and_everything_can_be_planned(ready: Site, vault: VaultClient) -> None:
    ready.write("desired-state/p.yaml", POLICY.replace("read", "list"))
    ready.commit()
    assert ready.run("lockdown", "on", "--reason", "breach\x1b[31m at noon").code == 0
    for command in (("apply", "--yes"), ("rollback", "--yes", "--to", "HEAD~1")):
        ran = ready.run(*command)
        assert ran.code == 4, ran.out + ran.err
        assert "breach" in ran.err
        assert "\x1b" not in ran.err
    assert "read" in (vault.read("sys/policies/acl/p") or {})["policy"]
    assert ready.run("plan", "--exit-code").code == 3
    assert "breach" in ready.run("lockdown").out
    assert ready.run("lockdown", "off").code == 0
    ready.apply()


def test_it_holds_for_other_machines_and_says_who_and_since_when(ready: Site, tmp_path: Path) -> None:
    said = ready.run("lockdown", "on", "--reason", "breach", "-o", "json").json
    elsewhere = Site(tmp_path / "elsewhere", ready.environ)
    ready.git("clone", "--quiet", str(ready.repo), str(elsewhere.repo))
    ran = elsewhere.run("apply", "--yes")
    assert ran.code == 4
    assert said["by"] in ran.err
    assert said["since"] in ran.err
    assert elsewhere.run("lockdown", "status", "-o", "json").json == said


def test_switching_is_kept_in_the_audit_log(ready: Site) -> None:
    ready.run("lockdown", "on", "--reason", "breach")
    ready.run("lockdown", "off")
    rows = [row for row in ready.run("audit", "search", "-o", "json").json if row.get("action", "").startswith("lockdown.")]
    assert [(row["action"], row["outcome"]) for row in rows] == [("lockdown.on", "applied"), ("lockdown.off", "applied")]
    assert rows[0]["code"] == "breach"


def test_a_broken_entry_is_no_leave_to_apply(ready: Site, vault: VaultClient) -> None:
    vault.write("reconciler/data/genesis/dev/lockdown", {"data": {"v": "nonsense"}})
    ran = ready.run("apply", "--yes")
    assert ran.code == 1
    assert "lockdown" in ran.err


def test_only_what_leaked_is_rotated(ready: Site) -> None:
    ready.write("desired-state/environments/dev.yaml", "project: genesis\nvault: {primary: {}}\nstores: {vault: {mount: genesis}}\n")
    ready.write("desired-state/secret.yaml", SECRET)
    ready.commit()
    ready.apply()
    ready.run("lockdown", "on", "--reason", "breach")
    before = ready.run("secret", "get", "api/key", "--key", "value").out
    refused = ready.run("rotate", "--secret-path", "api/key")
    assert refused.code == 4
    assert "breach" in refused.err
    urgent = ready.run("rotate", "--secret-path", "api/key", "--emergency", "--leaked", "current")
    assert urgent.code == 0, urgent.out + urgent.err
    assert ready.run("secret", "get", "api/key", "--key", "value").out not in ("", before)
    assert ready.run("rotate", "status").code == 0
