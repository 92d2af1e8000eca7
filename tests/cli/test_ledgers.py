"""The same story with each place that a ledger can lie in."""

from __future__ import annotations

import boto3
import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Site

POLICY = "kind: vault.policy\nname: {name}\nspec: {{rules: [{{path: kv/data/*, capabilities: [{capability}]}}]}}\n"


@pytest.fixture(params=["{vault: primary}", "{vault: primary, mount: bookkeeping}", "{file: ledger}", "{s3: ledgers/of/genesis}"])
def kept(request: pytest.FixtureRequest, site: Site, moto: str) -> Site:
    """A repository whose ledger lies in one of the places."""
    boto3.client("s3", endpoint_url=moto).create_bucket(Bucket="ledgers")
    site.environ["AWS_ENDPOINT_URL"] = moto
    environment = f"project: genesis\nvault: {{primary: {{}}}}\naws: {{primary: {{region: us-east-1}}}}\nledger: {request.param}\n"
    site.write("desired-state/environments/dev.yaml", environment)
    site.write(
        "desired-state/policies.yaml",
        POLICY.format(name="readers", capability="read") + "---\n" + POLICY.format(name="old", capability="read"),
    )
    site.commit("first")
    return site


def test_applies_are_remembered_and_undone_wherever_the_ledger_lies(kept: Site, vault: VaultClient) -> None:
    kept.apply()
    assert kept.plan()["changes"] == []
    before = vault.read("sys/policies/acl/readers")
    kept.write(
        "desired-state/policies.yaml",
        POLICY.format(name="readers", capability="list") + "---\n" + POLICY.format(name="new", capability="read"),
    )
    kept.commit("second")
    plan = kept.plan()
    assert {change["address"]: change["action"] for change in plan["changes"]} == {
        "vault.policy/readers": "update",
        "vault.policy/new": "create",
        "vault.policy/old": "delete",
    }
    kept.apply("--expect-digest", plan["digest"])
    assert kept.plan()["changes"] == []
    assert kept.run("drift", "--exit-code").code == 0
    assert [run["outcome"] for run in kept.run("history", "-o", "json").json] == ["applied", "applied"]
    assert kept.run("lock", "status", "-o", "json").json == {"held": False}
    done = kept.run("rollback", "--yes")
    assert done.code == 0, done.out + done.err
    after = vault.read("sys/policies/acl/readers")
    assert before is not None
    assert after is not None
    assert before["policy"] == after["policy"]
    assert vault.read("sys/policies/acl/new") is None
    assert vault.read("sys/policies/acl/old") is not None
    assert kept.git("status", "--porcelain") == ""
    assert "rolled_back" in kept.run("apply", "--yes").out
    kept.apply("--allow", "rolled_back")
    assert kept.plan()["changes"] == []
