"""What a plan is about: references that it breaks itself, saved plans that are a part of it, approvals that it rests on."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Site
from tests.cli.test_promises import APPROLE, actions, policy

METHOD, _, ROLE = APPROLE.partition("---\n")
TRANSIT = "---\nkind: vault.secrets_engine\nname: old\nspec: {type: transit}\n"
APPROVAL = """\
---
kind: approval
name: drop-old
spec: {guard: irreversible, address: vault.secrets_engine/*, reason: emptied in May, approver: ann@example.com, expires: 2099-12-31}
"""


@pytest.fixture
def applied(site: Site) -> Site:
    """A role, its auth method and its policy are applied, and a transit engine."""
    site.write("desired-state/all.yaml", f"{METHOD}---\n{ROLE}---\n{policy('readers')}{TRANSIT}")
    site.commit()
    site.apply()
    return site


def redeclare(site: Site, text: str) -> None:
    site.write("desired-state/all.yaml", text)
    site.commit()


def test_a_mount_that_something_is_still_declared_on_cannot_be_removed(applied: Site) -> None:
    redeclare(applied, f"{ROLE}---\n{policy('readers')}{TRANSIT}")
    ran = applied.run("plan", "--allow", "irreversible")
    assert ran.code == 1
    assert "desired-state/all.yaml:1: vault.approle_role/approle/ci" in ran.err
    assert "which this plan deletes" in ran.err


@pytest.mark.parametrize("strict", [False, True])
def test_a_role_left_with_a_policy_that_is_removed_is_noted_or_refused(applied: Site, strict: bool) -> None:
    applied.write("desired-state/environments/dev.yaml", f"project: genesis\nguards: {{strict_references: {str(strict).lower()}}}\n")
    redeclare(applied, f"{METHOD}---\n{ROLE}{TRANSIT}")
    ran = applied.run("plan")
    assert ran.code == (1 if strict else 0)
    assert "vault.policy/readers, which this plan deletes" in (ran.err if strict else ran.out)


def test_a_value_of_an_object_that_is_removed_cannot_be_used(applied: Site) -> None:
    metadata = "metadata: {accessor: \"${{ ref('vault.auth_method/approle').accessor }}\"}"
    entity = f"---\nkind: vault.identity_entity\nname: ann\nspec: {{{metadata}}}\n"
    redeclare(applied, f"{policy('readers')}{TRANSIT}{entity}")
    ran = applied.run("plan", "--allow", "irreversible")
    assert ran.code == 1
    assert "this plan deletes" in ran.err


def test_a_part_of_a_plan_is_not_refused_for_the_rest(applied: Site, tmp_path: Path, vault: VaultClient) -> None:
    redeclare(applied, f"{METHOD}---\n{ROLE}---\n{policy('readers', capabilities='list')}")
    file = str(tmp_path / "plan.json")
    assert applied.run("plan", "--out", file, "--target", "vault.policy/readers").code == 0
    ran = applied.run("apply", "--yes", file)
    assert ran.code == 0, ran.out
    assert "vault.secrets_engine/old: not in the plan that was saved" in ran.out
    assert actions(applied.plan()) == {"vault.secrets_engine/old": "delete"}
    assert applied.run("plan", "--out", file).code == 4
    assert applied.run("apply", "--yes", file).code == 4, "what the file itself holds is asked of the guards again"
    assert vault.read("sys/mounts/old") is not None


def test_what_goes_with_a_mount_that_is_replaced_is_protected_all_the_same(site: Site) -> None:
    keys = "---\nkind: vault.transit_key\nname: old/k\nspec: {}\nlifecycle: {protect: true}\n"
    redeclare(site, TRANSIT + keys)
    site.apply()
    redeclare(site, TRANSIT.replace("transit}", "transit, local: true}") + keys)
    plan = site.plan()
    assert actions(plan) == {"vault.secrets_engine/old": "replace", "vault.transit_key/old/k": "create"}
    assert ("protected", "vault.transit_key/old/k") in [(one["guard"], one["address"]) for one in plan["refusals"]]
    site.apply("--allow", "protected", "--allow", "replace", "--allow", "irreversible")
    assert site.plan()["changes"] == []


def test_a_group_that_is_replaced_stays_in_the_groups_that_hold_it(site: Site, vault: VaultClient) -> None:
    group = "---\nkind: vault.identity_group\nname: {name}\nspec: {spec}\n"
    parent = group.format(name="parent", spec="{member_groups: [child]}")
    redeclare(site, group.format(name="child", spec="{type: external}") + parent)
    site.apply()
    by_hand = vault.read("identity/group/name/child")
    assert by_hand is not None
    vault.write("identity/group/name/unmanaged", {"member_group_ids": [by_hand["id"]]})
    redeclare(site, group.format(name="child", spec="{type: internal}") + parent)
    site.apply("--allow", "replace")
    assert site.plan()["changes"] == []
    child, holder = vault.read("identity/group/name/child"), vault.read("identity/group/name/unmanaged")
    assert child is not None
    assert holder is not None
    assert holder["member_group_ids"] == [child["id"]]


@pytest.mark.parametrize("lost", [("plan", "--trust-ref", ""), ("apply", "--yes", "--expect-digest", "")])
def test_a_word_that_a_script_lost_is_a_mistake_and_not_no_word(applied: Site, lost: tuple[str, ...]) -> None:
    assert applied.run(*lost).code == 2


def test_a_plan_says_what_approvals_it_rests_on(applied: Site) -> None:
    redeclare(applied, f"{METHOD}---\n{ROLE}---\n{policy('readers')}{APPROVAL}")
    plan = applied.plan()
    assert plan["refusals"] == []
    said = "approval drop-old (ann@example.com: emptied in May, until 2099-12-31) lifts irreversible for vault.secrets_engine/old"
    assert said in plan["notes"]
