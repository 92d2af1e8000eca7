"""What programs read of us: the shapes of JSON, the exit codes and which of them goes first."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Site

READERS = "kind: vault.policy\nname: readers\nspec: {rules: [{path: kv/data/*, capabilities: [read]}]}\n"
BROKEN = "---\nkind: vault.secrets_engine\nname: nonsense\nspec: {type: no-such-engine}\n"
MOUNT = "---\nkind: vault.secrets_engine\nname: kv\nspec: {type: kv-v2}\n"
APPROLE = "---\nkind: vault.auth_method\nname: approle\nspec: {type: approle}\n---\nkind: vault.approle_role\nname: approle/ci\nspec: {token_ttl: 1h}\n"
PLAN = [
    "format_version", "project", "environment", "commit", "dirty", "complete", "digest", "summary", "changes", "access", "refusals",
    "unknown", "notes",
]  # fmt: skip


@pytest.fixture
def declared(site: Site) -> Site:
    site.write("desired-state/p.yaml", READERS + MOUNT + APPROLE)
    site.commit()
    return site


def test_a_plan_has_the_documented_shape(declared: Site) -> None:
    plan = declared.plan()
    assert list(plan) == PLAN
    assert plan["format_version"] == 1
    assert (plan["project"], plan["environment"], plan["dirty"], plan["complete"]) == ("genesis", "dev", False, True)
    assert plan["commit"] == declared.git("rev-parse", "HEAD").strip()
    assert plan["digest"].startswith("sha256:")
    assert list(plan["summary"]) == ["create", "update", "replace", "delete", "adopt", "forget", "unchanged", "unmanaged"]
    for change in plan["changes"]:
        assert list(change) == ["address", "action", "before", "after", "fields", "irreversible", "origin"]
        assert change["before"] is None
        for field in change["fields"]:
            assert list(field) == ["path", "before", "after"]
    ttl = {"path": "/token_ttl", "before": None, "after": 3600}
    assert ttl in next(change["fields"] for change in plan["changes"] if change["address"] == "vault.approle_role/approle/ci")


def test_a_reader_that_has_seen_enough_changes_neither_what_is_done_nor_the_exit_code(declared: Site, vault: VaultClient) -> None:
    declared.write("desired-state/q.yaml", BROKEN.removeprefix("---\n"))
    declared.commit()
    for command, code in (("plan", "--exit-code"), 3), (("plan", "-o", "markdown", "--exit-code"), 3), (("apply", "--yes"), 5):
        process = declared.start(*command)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait() == code
        assert process.stderr is not None
        assert process.stderr.read() == ""
        process.stderr.close()
    assert vault.read("sys/policies/acl/readers") is not None


def test_what_is_refused_and_unknown_has_the_documented_shape(declared: Site, vault: VaultClient) -> None:
    declared.apply()
    declared.write("desired-state/p.yaml", READERS + APPROLE)
    declared.commit()
    (refusal,) = declared.plan()["refusals"]
    assert list(refusal) == ["guard", "address", "message"]
    vault.write(
        "sys/policies/acl/blind",
        {"policy": 'path "sys/*" { capabilities = ["read", "list"] }\npath "reconciler/*" { capabilities = ["read"] }'},
    )
    token = vault.write("auth/token/create", {"policies": ["blind"], "no_parent": True})["auth"]["client_token"]
    ran = declared.run("plan", "-o", "json", "--exit-code", VAULT_TOKEN=token)
    assert ran.code == 1  # before 4 for the refusal, and before 3 for the changes
    assert ran.json["refusals"]
    (unknown,) = ran.json["unknown"]
    assert list(unknown) == ["kind", "place", "prefix", "missing", "policy"]
    assert unknown["kind"] == "vault.approle_role"
    assert not ran.json["complete"]


def test_an_apply_has_the_documented_shape(declared: Site) -> None:
    declared.write("desired-state/p.yaml", READERS + BROKEN)
    declared.commit()
    ran = declared.run("apply", "--yes", "-o", "json")
    assert ran.code == 5
    done = ran.json
    assert list(done) == ["run", "commit", "digest", "outcomes"]
    assert [list(one) for one in done["outcomes"]] == [["address", "action", "outcome", "error"]] * 2
    outcomes = {one["address"]: one for one in done["outcomes"]}
    assert outcomes["vault.policy/readers"] == {"address": "vault.policy/readers", "action": "create", "outcome": "applied", "error": None}
    assert outcomes["vault.secrets_engine/nonsense"]["error"]
    assert declared.run("history", "-o", "json").json[0]["id"] == done["run"]


def test_a_saved_plan_is_what_json_output_is(declared: Site, tmp_path: Path) -> None:
    ran = declared.run("plan", "-o", "json", "--out", str(tmp_path / "plan.json"))
    assert json.loads((tmp_path / "plan.json").read_text()) == ran.json


def test_exit_codes_of_plans(declared: Site, vault: VaultClient) -> None:
    assert declared.run("plan").code == 0
    assert declared.run("plan", "--exit-code").code == 3
    declared.apply()
    assert declared.run("plan", "--exit-code").code == 0
    declared.write("desired-state/p.yaml", READERS + APPROLE)
    assert declared.run("plan", "--exit-code").code == 4  # the mount would be lost: before 3
    assert declared.run("plan", "--exit-code", "--allow", "irreversible").code == 3
    declared.write("desired-state/p.yaml", READERS + "---\nkind: nonsense\n")
    assert declared.run("plan", "--exit-code").code == 1
    assert declared.run("plan", "--nonsense").code == 2
    assert declared.run("plan", "--target", "vault.policy/nobody", "--exit-code").code in (1, 2)


def test_every_option_can_come_from_the_environment(declared: Site) -> None:
    ran = declared.run(
        "plan",
        RECONCILE_PLAN_OUTPUT="json",
        RECONCILE_PLAN_EXIT_CODE="1",
        RECONCILE_ENV="dev",
        RECONCILE_PLAN_TARGET="vault.policy/readers",
    )
    assert ran.code == 3
    assert [change["address"] for change in ran.json["changes"]] == ["vault.policy/readers"]


def test_results_go_to_standard_output_and_nothing_else_does(declared: Site) -> None:
    for arguments in (("plan",), ("apply", "--yes"), ("history",), ("lock",)):
        ran = declared.run(*arguments)
        assert ran.out
        assert ran.err == ""


def test_colour_is_for_terminals_unless_asked_for(declared: Site) -> None:
    assert "\x1b[" not in declared.run("plan").out
    assert "\x1b[" in declared.run("--color", "plan").out
    assert "\x1b[" not in declared.run("--no-color", "plan").out


def test_what_a_library_warns_of_is_not_said_to_users() -> None:
    code = (
        "import warnings; from reconciler.cli.output import set_up_logging; set_up_logging('text'); warnings.warn('an import is missing')"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stderr == ""
