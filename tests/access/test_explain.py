"""Answers about one state: what counts, what does not, and what depends on who logs in."""

from __future__ import annotations

from typing import Any

from reconciler.access.explain import Access, Explanation
from reconciler.core.address import parse_address
from tests.access.states import state


def rules(**paths: str) -> dict[str, Any]:
    """A policy on kv/NAME/*."""
    return {"rules": [{"path": f"kv/{name}/*", "capabilities": given.split()} for name, given in paths.items()]}


Objects = dict[str, dict[str, Any]]


def explain(objects: Objects, subject: str, path: str) -> Explanation:
    return Access(state(objects)).explain(parse_address(subject), path)


def verdicts(found: Explanation) -> list[tuple[str, str]]:
    return [(str(reason.policy), reason.effect) for reason in found.because]


def test_a_deny_of_one_policy_beats_the_grant_of_another_on_the_same_path() -> None:
    objects: Objects = {
        "vault.approle_role/approle/ci": {"token_policies": ["gives", "takes"]},
        "vault.policy/gives": rules(a="read"),
        "vault.policy/takes": rules(a="deny"),
    }
    found = explain(objects, "vault.approle_role/approle/ci", "kv/a/x")
    assert found.capabilities == {"deny"}
    assert verdicts(found) == [("vault.policy/takes", "denies"), ("vault.policy/gives", "shadowed")]


def test_grants_of_several_policies_on_one_path_add_up() -> None:
    objects: Objects = {
        "vault.approle_role/approle/ci": {"token_policies": ["one", "two"]},
        "vault.policy/one": rules(a="read"),
        "vault.policy/two": rules(a="list"),
    }
    found = explain(objects, "vault.approle_role/approle/ci", "kv/a/x")
    assert found.capabilities == {"read", "list"}
    assert [effect for _, effect in verdicts(found)] == ["grants", "grants"]


def test_a_subject_in_a_namespace_is_asked_by_its_own_paths_and_others_by_the_way_there() -> None:
    objects: Objects = {
        "vault.approle_role/approle/ci@primary/team": {"token_policies": ["readers"]},
        "vault.policy/readers@primary/team": rules(a="read"),
        "vault.approle_role/approle/above": {"token_policies": ["all"]},
        "vault.policy/all": {"rules": [{"path": "team/kv/*", "capabilities": ["list"]}]},
    }
    assert explain(objects, "vault.approle_role/approle/ci@primary/team", "kv/a/x").capabilities == {"read"}
    assert explain(objects, "vault.approle_role/approle/above", "kv/a/x").capabilities == {"deny"}
    who = [str(one.subject) for one in Access(state(objects)).who_can("team/kv/a/x", None)]
    assert who == ["vault.approle_role/approle/above", "vault.approle_role/approle/ci@primary/team"]
    rows = Access(state(objects)).audit(parse_address("vault.approle_role/approle/ci@primary/team"))
    assert ("kv/a/*", ("read",)) in [(row.path, row.capabilities) for row in rows]


def test_a_template_counts_for_whom_its_value_is_known_and_may_count_for_others() -> None:
    templated = {"rules": [{"path": "kv/{{identity.entity.name}}/+", "capabilities": ["read"]}]}
    objects: Objects = {
        "vault.identity_entity/alice": {"policies": ["own"]},
        "vault.approle_role/approle/ci": {"token_policies": ["own"]},
        "vault.policy/own": templated,
    }
    assert explain(objects, "vault.identity_entity/alice", "kv/alice/x").capabilities == {"read"}
    assert explain(objects, "vault.identity_entity/alice", "kv/bob/x").capabilities == {"deny"}
    found = explain(objects, "vault.approle_role/approle/ci", "kv/bob/x")
    assert found.capabilities == {"deny"}
    assert found.conditional == {"read"}
    assert explain(objects, "vault.approle_role/approle/ci", "kv/bob/x/y").conditional == frozenset()


def test_a_value_that_the_server_forbids_costs_an_entity_everything() -> None:
    objects: Objects = {
        "vault.identity_entity/alice": {"policies": ["own", "more"], "metadata": {"team": "*"}},
        "vault.policy/own": {"rules": [{"path": "kv/{{identity.entity.metadata.team}}", "capabilities": ["read"]}]},
        "vault.policy/more": rules(a="read"),
    }
    found = explain(objects, "vault.identity_entity/alice", "kv/a/x")
    assert found.capabilities == {"deny"}
    assert ("vault.policy/own", "denies") in verdicts(found)


def test_the_root_policy_is_root_everywhere() -> None:
    found = explain({"vault.token_role/admin": {"allowed_policies": ["root"]}}, "vault.token_role/admin", "sys/raw/x")
    assert found.capabilities == {"root"}
