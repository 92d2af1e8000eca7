"""What deserves a second look in policies, in a few notes that say where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.access.lints import NAMED, Finding, findings, notes
from reconciler.core.address import HOME, Address
from tests.access.states import state


def policy(**rules: str) -> Mapping[str, Any]:
    """Capabilities by path; in keywords `_` is a slash, `ANY` a star and `ONE` a plus."""
    paths = {name.replace("_", "/").replace("ANY", "*").replace("ONE", "+"): given.split() for name, given in rules.items()}
    return {"vault.policy/p": {"rules": [{"path": path, "capabilities": given} for path, given in paths.items()]}}


def found(objects: Mapping[str, Mapping[str, Any]], mounts: list[str] | None = None) -> list[tuple[str, str, str]]:
    specs = state(objects)
    given = {HOME: mounts} if mounts is not None else None
    return [(one.sort, one.rule, one.detail) for one in findings(specs, set(specs), given)]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param({"kv_data_ANY": "read"}, [], id="nothing"),
        pytest.param({"ANY": "read list"}, [("everything", "*", "list, read")], id="a rule for everything"),
        pytest.param({"ANY": "deny"}, [], id="a deny of everything"),
        pytest.param({"sys_raw_ANY": "sudo"}, [("sudo", "sys/raw/*", "")], id="sudo"),
        pytest.param({"a_ANY": "read", "a_ONE_ANY": "list"}, [("dead", "a/+/*", "(a/* counts)")], id="a rule that never counts"),
        pytest.param({"a_ANY": "read", "a_ONE_b": "read"}, [], id="a rule that counts at one depth"),
        pytest.param({"a_ANY": "read list", "a_b": "read"}, [("shadows", "a/b", "takes list away from a/*")], id="a narrower rule that takes away"),
        pytest.param({"a_ANY": "read list", "a_b": "deny"}, [], id="a deny is meant to take away"),
        pytest.param({"a_ANY": "read", "a_b": "read list"}, [], id="a narrower rule that adds"),
    ],
)  # fmt: skip
def test_rules_of_one_policy(rules: dict[str, str], expected: list[tuple[str, str, str]]) -> None:
    assert found(policy(**rules)) == expected


def test_paths_that_no_mount_serves_are_told_of_where_all_mounts_are_known() -> None:
    rules = policy(
        kv_data_ANY="read",
        gone_x="read",
        auth_approle_ANY="read",
        auth_gone_ANY="read",
        sys_ANY="read",
        ONE_x="read",
        k_ANY="read",
        team_x="read",
    )
    served = {**rules, "vault.namespace/team": {}}
    assert found(served, ["kv", "auth/approle"]) == [("unserved", "auth/gone/*", ""), ("unserved", "gone/x", ""), ("unserved", "k/*", "")]
    assert found(served) == []


def test_a_path_of_kv_version_2_without_its_view_is_told_of() -> None:
    engine = {"vault.secrets_engine/kv": {"type": "kv-v2"}}
    rules = policy(kv_app_ANY="read", kv_data_app_ANY="read", kv_ANY="read", kv_daANY="read", kv_config="read", kv_ONE_x="read")
    assert found({**engine, **rules}) == [("unserved", "kv/app/*", "(kv/ is KV version 2: kv/data/app/)")]
    version_1 = {"vault.secrets_engine/kv": {"type": "kv"}}
    assert found({**version_1, **rules}) == []


def test_policies_that_nobody_holds_are_told_of_where_anybody_is_declared() -> None:
    assert found(policy(a="read")) == []
    role = {"vault.approle_role/approle/ci": {"token_policies": ["other"]}}
    assert found({**policy(a="read"), **role}) == [("unheld", "", "")]
    assert found({**policy(a="read"), "vault.approle_role/approle/ci": {"token_policies": ["p"]}}) == []


def test_naming_root_is_told_of() -> None:
    assert found({"vault.approle_role/approle/ci": {"token_policies": ["root"]}}) == [("root", "", "")]


def test_one_note_a_sort_names_a_few_places_and_counts_the_rest() -> None:
    many = [Finding("sudo", Address("vault.policy", f"p{number}"), "sys/*") for number in range(NAMED + 2)]
    (note,) = notes(many, lambda address, rule: f"policies.yaml:{len(rule)}")
    assert note.startswith("rules that grant sudo: vault.policy/p0 sys/* (policies.yaml:5); vault.policy/p1")
    assert note.endswith("; and 2 more")
    assert notes([], lambda _address, _rule: None) == []
