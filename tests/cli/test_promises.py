"""The promises of plan, apply, rollback and drift, each on a real server through the real command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.dev.servers import Server
from reconciler.ledger.kv import KvShelf
from reconciler.ledger.lock import Lock
from tests.cli.site import Site

POLICY = """\
kind: vault.policy
name: {name}
spec:
  rules:
    - path: {path}
      capabilities: [{capabilities}]
"""
APPROLE = """\
kind: vault.auth_method
name: approle
spec: {type: approle}
---
kind: vault.approle_role
name: approle/ci
spec: {token_policies: [readers], token_ttl: 1h}
"""
BROKEN = """\
---
kind: vault.secrets_engine
name: nonsense
spec: {type: no-such-engine}
---
kind: vault.kv_secret
name: nonsense/x
spec: {max_versions: 3}
"""


def policy(name: str, path: str = "kv/data/*", capabilities: str = "read") -> str:
    return POLICY.format(name=name, path=path, capabilities=capabilities)


@pytest.fixture
def two_commits(site: Site) -> Site:
    """`readers` and an AppRole role are applied; a second commit changes one, adds one and removes the role."""
    site.write("desired-state/policies.yaml", policy("readers"))
    site.write("desired-state/roles.yaml", APPROLE)
    site.commit("first")
    site.apply()
    site.write(
        "desired-state/policies.yaml", policy("readers", capabilities="read, list") + "---\n" + policy("writers", capabilities="update")
    )
    site.write("desired-state/roles.yaml", APPROLE.partition("---")[0])
    site.commit("second")
    return site


def actions(plan: Any) -> dict[str, str]:
    return {change["address"]: change["action"] for change in plan["changes"]}


def snapshot(vault: VaultClient) -> dict[str, Any]:
    """What the server has, raw, but for versions and times."""
    policies = vault.list("sys/policies/detailed/acl")
    roles = vault.list("auth/approle/role")
    assert policies is not None
    moving = ("version", "modified")
    return {
        "policies": {name: {k: v for k, v in info.items() if k not in moving} for name, info in policies.key_info.items()},
        "roles": {name: vault.read(f"auth/approle/role/{name}") for name in (roles.keys if roles else ())},
    }


def test_a_plan_creates_what_is_declared_and_writes_nothing(site: Site, vault: VaultClient) -> None:
    site.write("desired-state/policies.yaml", policy("readers"))
    site.write("desired-state/roles.yaml", APPROLE)
    site.commit()
    before = snapshot(vault)
    plan = site.plan()
    assert actions(plan) == {
        "vault.policy/readers": "create",
        "vault.auth_method/approle": "create",
        "vault.approle_role/approle/ci": "create",
    }
    assert plan["summary"]["create"] == 3
    assert snapshot(vault) == before
    assert vault.mounts() is not None
    assert "reconciler" not in (vault.mounts() or {})


def test_after_an_apply_the_plan_is_empty_and_drift_finds_nothing(two_commits: Site) -> None:
    two_commits.apply()
    assert two_commits.plan()["changes"] == []
    assert two_commits.run("drift", "--exit-code").code == 0


def test_equal_states_give_a_byte_identical_plan(two_commits: Site) -> None:
    first, second = two_commits.run("plan", "-o", "json"), two_commits.run("plan", "-o", "json")
    assert first.out == second.out


def test_the_digest_does_not_depend_on_the_commit(two_commits: Site) -> None:
    before = two_commits.plan()
    two_commits.commit("nothing but a commit")
    after = two_commits.plan()
    assert before["commit"] != after["commit"]
    assert before["digest"] == after["digest"]


def test_what_is_changed_behind_its_back_is_named_field_by_field_and_reset(two_commits: Site, vault: VaultClient) -> None:
    two_commits.apply()
    vault.write("sys/policies/acl/writers", {"policy": 'path "*" { capabilities = ["sudo"] }'})
    plan = two_commits.plan()
    assert actions(plan) == {"vault.policy/writers": "update"}
    assert [field["path"] for field in plan["changes"][0]["fields"]] == ["/rules"]
    assert two_commits.run("drift", "--exit-code").code == 3
    two_commits.apply()
    assert two_commits.plan()["changes"] == []


def test_an_unmanaged_object_stays_and_is_counted(two_commits: Site, vault: VaultClient) -> None:
    vault.write("sys/policies/acl/somebody-elses", {"policy": 'path "a" { capabilities = ["read"] }'})
    two_commits.apply()
    assert vault.read("sys/policies/acl/somebody-elses") is not None
    assert two_commits.plan()["summary"]["unmanaged"] == 1


def test_only_what_an_applied_commit_declared_is_deleted(two_commits: Site, vault: VaultClient) -> None:
    assert actions(two_commits.plan())["vault.approle_role/approle/ci"] == "delete"
    two_commits.apply()
    assert vault.read("auth/approle/role/ci") is None


def test_an_equal_object_of_somebody_else_is_adopted_silently(site: Site, vault: VaultClient) -> None:
    vault.write("sys/policies/acl/readers", {"policy": 'path "kv/data/*" { capabilities = ["read"] }'})
    site.write("desired-state/policies.yaml", policy("readers"))
    site.commit()
    assert actions(site.plan()) == {"vault.policy/readers": "adopt"}
    site.apply()
    assert site.plan()["changes"] == []
    site.remove("desired-state/policies.yaml")
    site.write("desired-state/other.yaml", policy("others"))
    site.commit()
    assert actions(site.plan())["vault.policy/readers"] == "delete"


def test_a_different_object_of_somebody_else_is_not_taken_over_unasked(site: Site, vault: VaultClient) -> None:
    vault.write("sys/policies/acl/readers", {"policy": 'path "other" { capabilities = ["read"] }'})
    site.write("desired-state/policies.yaml", policy("readers"))
    site.commit()
    refused = site.run("apply", "--yes")
    assert refused.code == 4
    assert "takeover" in refused.out
    assert "other" in str(vault.read("sys/policies/acl/readers"))
    site.apply("--allow", "takeover")
    assert site.plan()["changes"] == []


def test_rollback_restores_the_servers_and_leaves_the_work_tree_alone(two_commits: Site, vault: VaultClient) -> None:
    before = snapshot(vault)
    two_commits.apply()
    assert snapshot(vault) != before
    two_commits.write("desired-state/notes.yaml", "# not committed\n")
    ran = two_commits.run("rollback", "--yes")
    assert ran.code == 0, ran.out + ran.err
    assert snapshot(vault) == before
    assert (two_commits.repo / "desired-state/notes.yaml").exists()
    assert two_commits.git("status", "--porcelain").split() == ["??", "desired-state/notes.yaml"]


def test_what_a_rollback_undid_is_not_applied_again_until_allowed(two_commits: Site) -> None:
    two_commits.apply()
    assert two_commits.run("rollback", "--yes").code == 0
    refused = two_commits.run("apply", "--yes")
    assert refused.code == 4
    assert "rolled_back" in refused.out
    two_commits.apply("--allow", "rolled_back")
    assert two_commits.plan()["changes"] == []


def test_a_second_rollback_goes_one_further_back(two_commits: Site, vault: VaultClient) -> None:
    two_commits.apply()
    two_commits.write("desired-state/policies.yaml", policy("readers", capabilities="sudo"))
    two_commits.commit("third")
    two_commits.apply()
    assert two_commits.run("rollback", "--yes").code == 0
    assert two_commits.run("rollback", "--yes").code == 0
    assert actions(two_commits.plan())  # HEAD is two commits further
    assert vault.read("auth/approle/role/ci") is not None
    assert two_commits.run("rollback", "--yes").code == 4


def test_a_saved_plan_is_applied_only_if_it_still_comes_out_the_same(two_commits: Site, tmp_path: Path, vault: VaultClient) -> None:
    planfile = tmp_path / "plan.json"
    assert two_commits.run("plan", "--out", str(planfile)).code == 0
    vault.write("sys/policies/acl/readers", {"policy": 'path "elsewhere" { capabilities = ["read"] }'})
    stale = two_commits.run("apply", "--yes", str(planfile))
    assert stale.code == 4
    assert "vault.policy/readers" in stale.err
    assert vault.read("sys/policies/acl/writers") is None
    assert two_commits.run("plan", "--out", str(planfile)).code == 0
    assert two_commits.run("apply", "--yes", str(planfile)).code == 0
    assert two_commits.plan()["changes"] == []


def test_changes_that_only_the_replan_has_are_reported_and_not_applied(two_commits: Site, tmp_path: Path, vault: VaultClient) -> None:
    planfile = tmp_path / "plan.json"
    two_commits.apply()
    two_commits.write(
        "desired-state/policies.yaml", policy("readers", capabilities="list") + "---\n" + policy("writers", capabilities="update")
    )
    two_commits.commit()
    two_commits.run("plan", "--out", str(planfile))
    vault.write("sys/policies/acl/writers", {"policy": 'path "elsewhere" { capabilities = ["read"] }'})
    ran = two_commits.run("apply", "--yes", str(planfile))
    assert ran.code == 0, ran.err
    assert "vault.policy/writers" in ran.out
    assert actions(two_commits.plan()) == {"vault.policy/writers": "update"}


def test_apply_refuses_another_digest_than_the_reviewed_one(two_commits: Site, vault: VaultClient) -> None:
    digest = two_commits.plan()["digest"]
    refused = two_commits.run("apply", "--yes", "--expect-digest", "sha256:" + "0" * 64)
    assert refused.code == 4
    assert digest in refused.err
    assert "vault.policy/writers" in refused.out  # the plan as it is now
    two_commits.apply("--expect-digest", digest)


def test_uncommitted_changes_are_planned_and_marked_but_never_applied(two_commits: Site, vault: VaultClient) -> None:
    two_commits.apply()
    two_commits.write("desired-state/more.yaml", policy("more"))
    plan = two_commits.plan()
    assert plan["dirty"]
    assert actions(plan) == {"vault.policy/more": "create"}
    refused = two_commits.run("apply", "--yes")
    assert refused.code == 4
    assert "dirty" in refused.out
    assert vault.read("sys/policies/acl/more") is None


def test_a_commit_that_does_not_descend_from_the_applied_one_is_refused(two_commits: Site) -> None:
    two_commits.apply()
    two_commits.git("reset", "--quiet", "--hard", "HEAD~1")
    refused = two_commits.run("apply", "--yes")
    assert refused.code == 4
    assert "ancestry" in refused.out


def test_many_deletes_are_refused_and_lifted_singly(site: Site) -> None:
    site.write("desired-state/p.yaml", "---\n".join(policy(f"p{n}") for n in range(12)))
    site.commit()
    site.apply()
    site.write("desired-state/p.yaml", "---\n".join(policy(f"p{n}") for n in range(4)))
    site.commit()
    plan = site.plan()
    assert [refusal["guard"] for refusal in plan["refusals"]] == ["delete_share"]
    assert site.run("plan").code == 4
    site.apply("--allow", "delete_share")


def test_an_empty_commit_deletes_nothing(two_commits: Site) -> None:
    for path in ("policies", "roles"):
        two_commits.remove(f"desired-state/{path}.yaml")
    two_commits.commit()
    plan = two_commits.plan()
    assert "empty" in [refusal["guard"] for refusal in plan["refusals"]]


def test_deleting_a_mount_is_refused_until_an_approval_says_so(site: Site) -> None:
    mount = "kind: vault.secrets_engine\nname: legacy\nspec: {type: kv-v2}\n"
    site.write("desired-state/mount.yaml", mount)
    site.write("desired-state/p.yaml", policy("readers"))
    site.commit()
    site.apply()
    site.remove("desired-state/mount.yaml")
    site.commit()
    plan = site.plan()
    assert [(refusal["guard"], refusal["address"]) for refusal in plan["refusals"]] == [("irreversible", "vault.secrets_engine/legacy")]
    assert plan["changes"][0]["irreversible"]
    approval = {
        "guard": "irreversible",
        "address": "vault.secrets_engine/legacy",
        "reason": "emptied",
        "approver": "a@example.com",
        "expires": "2999-01-01",
    }
    site.write("desired-state/approval.yaml", f"kind: approval\nname: drop\nspec: {json.dumps(approval)}\n")
    site.commit()
    site.apply()
    assert site.plan()["changes"] == []


def test_protection_outlives_the_commit_that_removes_it_together_with_the_object(site: Site) -> None:
    protected = policy("readers") + "lifecycle: {protect: true}\n"
    site.write("desired-state/p.yaml", protected + "---\n" + policy("others"))
    site.commit()
    site.apply()
    site.write("desired-state/p.yaml", policy("others"))
    site.commit()
    assert [refusal["guard"] for refusal in site.plan()["refusals"]] == ["protected"]


def test_every_applied_version_of_an_object_can_be_seen(two_commits: Site) -> None:
    two_commits.apply()
    versions = two_commits.run("history", "--address", "vault.policy/readers", "-o", "json").json
    assert [version["action"] for version in versions] == ["update", "create"]
    assert versions[1]["spec"]["rules"][0]["capabilities"] == ["read"]


def test_a_failure_skips_what_needs_it_and_the_rest_goes_on(site: Site, vault: VaultClient) -> None:
    site.write("desired-state/roles.yaml", APPROLE + BROKEN)
    site.write("desired-state/p.yaml", policy("readers"))
    site.commit()
    ran = site.run("apply", "--yes", "-o", "json")
    assert ran.code == 5, ran.out + ran.err
    outcomes = {one["address"]: one["outcome"] for one in ran.json["outcomes"]}
    assert outcomes["vault.policy/readers"] == "applied"
    assert outcomes["vault.secrets_engine/nonsense"] == "failed"
    assert outcomes["vault.kv_secret/nonsense/x"] == "skipped"
    assert outcomes["vault.approle_role/approle/ci"] == "applied"


def test_rollback_on_failure_undoes_what_was_applied(site: Site, vault: VaultClient) -> None:
    site.write("desired-state/roles.yaml", APPROLE + BROKEN)
    site.write("desired-state/p.yaml", policy("readers"))
    site.commit()
    ran = site.run("apply", "--yes", "--rollback-on-failure", "-o", "json")
    assert ran.code == 5
    outcomes = {one["address"]: one["outcome"] for one in ran.json["outcomes"]}
    assert outcomes["vault.policy/readers"] == "undone"
    assert vault.read("sys/policies/acl/readers") is None


def test_a_held_lock_refuses_at_once_and_names_its_holder(two_commits: Site, vault: VaultClient) -> None:
    two_commits.apply()
    shelf = KvShelf(vault, "reconciler", "genesis/dev", lambda _s: None)
    with Lock(shelf).acquire("somebody", "run-1"):
        held = two_commits.run("apply", "--yes")
        assert held.code == 4
        assert "somebody" in held.err
        assert two_commits.run("lock", "status", "-o", "json").json["owner"] == "somebody"


def test_what_lies_on_an_instance_that_left_is_no_drift_and_forgotten_when_allowed(site: Site, bao: Server, vault: VaultClient) -> None:
    environment = f"project: genesis\nvault: {{primary: {{}}, eu: {{address: '{bao.address}', namespace: {site.namespace}}}}}\n"
    site.write("desired-state/environments/dev.yaml", environment)
    site.write("desired-state/p.yaml", policy("readers") + "---\n" + policy("abroad") + "instance: eu\n")
    site.commit()
    site.apply()
    site.write("desired-state/environments/dev.yaml", "project: genesis\nvault: {primary: {}}\n")
    site.write("desired-state/p.yaml", policy("readers"))
    site.commit()
    vault.write("sys/policies/acl/readers", {"policy": 'path "other" { capabilities = ["read"] }'})
    drift = site.run("drift", "-o", "json").json
    assert actions(drift) == {"vault.policy/readers": "update"}
    assert drift["notes"] == ["1 object is not compared: environment dev no longer has vault instance `eu`"]
    assert drift["refusals"] == []
    plan = site.plan()
    assert actions(plan) == {"vault.policy/abroad@eu": "forget", "vault.policy/readers": "update"}
    assert [refusal["guard"] for refusal in plan["refusals"]] == ["instance_removed"]
    assert plan["complete"]
    assert site.run("apply", "--yes").code == 4
    site.apply("--allow", "instance_removed")
    assert site.plan()["changes"] == []
    assert vault.read("sys/policies/acl/abroad") is not None


def test_what_lies_below_a_replaced_mount_is_made_again(site: Site) -> None:
    config = "---\nkind: vault.auth_config\nname: cert\nspec: {disable_binding: true}\n"
    quota = "---\nkind: vault.secrets_engine\nname: kv\nspec: {type: kv-v2}\n---\nkind: vault.engine_config\nname: kv\nspec: {max_versions: 3}\n"
    mount = "kind: vault.auth_method\nname: cert\nspec: {type: cert}\n"
    site.write("desired-state/x.yaml", mount + config + quota)
    site.commit()
    site.apply()
    site.write(
        "desired-state/x.yaml",
        (mount + config + quota).replace("type: cert}", "type: cert, local: true}").replace("kv-v2}", "kv-v2, local: true}"),
    )
    site.commit()
    assert actions(site.plan()) == {
        "vault.auth_method/cert": "replace",
        "vault.auth_config/cert": "create",
        "vault.secrets_engine/kv": "replace",
        "vault.engine_config/kv": "create",
    }
    site.apply("--allow", "replace", "--allow", "irreversible")
    assert site.plan()["changes"] == []
