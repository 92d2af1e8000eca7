"""Who gains or loses what, told of whoever names the policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.access.beneath import Beneath
from reconciler.access.effect import effects
from tests.access.states import state

Objects = Mapping[str, Mapping[str, Any]]


def rules(**paths: str) -> dict[str, Any]:
    """A policy on kv/data/NAME/*."""
    return {"rules": [{"path": f"kv/data/{name}/*", "capabilities": given.split()} for name, given in paths.items()]}


def told(before: Objects, after: Objects) -> list[tuple[str, str, str, str, str]]:
    """The effects of a change, as text."""
    old, new = state(before), state(after)
    changed = {address for address in {**old, **new} if old.get(address) != new.get(address)}
    return [
        (str(one.subject), one.path, " ".join(one.gains), " ".join(one.loses), " ".join(map(str, one.via)))
        for one in effects(old, new, changed)
    ]


ROLE = {"vault.approle_role/approle/ci": {"token_policies": ["readers"]}}
READERS = {"vault.policy/readers": rules(a="read")}
WRITERS = {"vault.policy/readers": rules(a="read update")}


def test_a_role_gains_what_a_policy_that_it_names_gains() -> None:
    assert told({**ROLE, **READERS}, {**ROLE, **WRITERS}) == [
        ("vault.approle_role/approle/ci", "kv/data/a/*", "update", "", "vault.policy/readers"),
    ]  # fmt: skip


def test_a_policy_rewritten_to_the_same_effect_changes_nothing() -> None:
    split = {"vault.policy/readers": {"rules": [*rules(a="read")["rules"], {"path": "kv/data/a/b", "capabilities": ["read"]}]}}
    assert told({**ROLE, **READERS}, {**ROLE, **split}) == []


def test_a_new_role_gains_what_its_policies_grant_and_not_what_everybody_has() -> None:
    assert told(READERS, {**ROLE, **READERS}) == [("vault.approle_role/approle/ci", "kv/data/a/*", "read", "", "vault.policy/readers")]


def test_a_role_that_is_gone_loses_what_it_had() -> None:
    assert told({**ROLE, **READERS}, READERS) == [("vault.approle_role/approle/ci", "kv/data/a/*", "", "read", "vault.policy/readers")]


def test_a_policy_that_moves_under_another_name_changes_nothing() -> None:
    after = {"vault.policy/viewers": READERS["vault.policy/readers"], "vault.approle_role/approle/ci": {"token_policies": ["viewers"]}}
    assert told({**ROLE, **READERS}, after) == []


def test_a_role_without_the_default_policy_loses_what_it_gives() -> None:
    after = {"vault.approle_role/approle/ci": {"token_policies": ["readers"], "token_no_default_policy": True}}
    found = told({**ROLE, **READERS}, {**after, **READERS})
    assert ("vault.approle_role/approle/ci", "auth/token/lookup-self", "", "read", "vault.policy/default") in found
    assert not any(gains for _, _, gains, _, _ in found)


def test_a_policy_that_nobody_is_known_to_hold_speaks_for_itself() -> None:
    assert told({}, READERS) == [("vault.policy/readers", "kv/data/a/*", "read", "", "vault.policy/readers")]


GROUP = {
    "vault.identity_entity/alice": {},
    "vault.identity_group/ops": {"policies": ["readers"], "member_entities": ["alice"]},
}


def test_a_group_speaks_for_its_members() -> None:
    assert told({**GROUP, **READERS}, {**GROUP, **WRITERS}) == [
        ("vault.identity_group/ops", "kv/data/a/*", "update", "", "vault.policy/readers"),
    ]  # fmt: skip


def test_who_joins_a_group_gains_and_who_leaves_loses() -> None:
    bob: Objects = {"vault.identity_entity/bob": {}}
    joined = {**GROUP, "vault.identity_group/ops": {"policies": ["readers"], "member_entities": ["bob"]}}
    assert told({**GROUP, **READERS, **bob}, {**joined, **READERS, **bob}) == [
        ("vault.identity_entity/alice", "kv/data/a/*", "", "read", "vault.policy/readers"),
        ("vault.identity_entity/bob", "kv/data/a/*", "read", "", "vault.policy/readers"),
    ]


def test_members_of_a_group_in_a_group_have_the_policies_of_both() -> None:
    before = {**GROUP, **READERS, "vault.policy/more": rules(b="list")}
    after = {**before, "vault.identity_group/all": {"policies": ["more"], "member_groups": ["ops"]}}
    assert told(before, after) == [("vault.identity_group/all", "kv/data/b/*", "list", "", "vault.policy/more")]


def test_a_deny_that_a_group_brings_is_told_of_the_member_who_had_access() -> None:
    before = {**GROUP, **READERS, "vault.identity_entity/alice": {"policies": ["own"]}, "vault.policy/own": rules(b="read")}
    after = {**before, "vault.policy/readers": rules(a="read", b="deny")}
    assert told(before, after) == [("vault.identity_entity/alice", "kv/data/b/*", "", "read", "vault.policy/own vault.policy/readers")]


def test_a_disabled_entity_loses_everything_and_so_does_its_user() -> None:
    alias = {"vault.identity_entity_alias/userpass/alice": {"entity": "alice"}, "vault.userpass_user/userpass/alice": {}}
    before = {**GROUP, **READERS, **alias}
    found = told(before, {**before, "vault.identity_entity/alice": {"disabled": True}})
    assert ("vault.identity_entity/alice", "kv/data/a/*", "", "read", "vault.policy/readers") in found
    assert ("vault.userpass_user/userpass/alice", "cubbyhole/*", "", "create delete list read update", "vault.policy/default") in found


def test_an_alias_of_another_method_is_no_user() -> None:
    before: Objects = {**READERS, "vault.identity_entity_alias/approle/x": {"entity": "alice"}, "vault.identity_entity/alice": {}}
    found = told(before, {**before, "vault.identity_entity/alice": {"policies": ["readers"]}})
    assert found == [("vault.identity_entity/alice", "kv/data/a/*", "read", "", "vault.policy/readers")]


def test_a_templated_policy_is_told_as_it_is_written_unless_the_values_change() -> None:
    text = {"rules": [{"path": "kv/data/{{identity.entity.metadata.team}}/*", "capabilities": ["read"]}]}
    before: Objects = {"vault.identity_entity/alice": {"policies": ["own"], "metadata": {"team": "red"}}, "vault.policy/own": text}
    after: Objects = {**before, "vault.identity_entity/alice": {"policies": ["own"], "metadata": {"team": "blue"}}}
    ((_, path, gains, _, _),) = told({}, before)
    assert (path, gains) == ("kv/data/{{identity.entity.metadata.team}}/*", "read")
    assert told(before, after) == [
        ("vault.identity_entity/alice", "kv/data/blue/*", "read", "", "vault.policy/own"),
        ("vault.identity_entity/alice", "kv/data/red/*", "", "read", "vault.policy/own"),
    ]


def test_a_token_role_hands_out_the_policies_that_its_globs_name() -> None:
    role = {"vault.token_role/ci": {"allowed_policies_glob": ["read*"], "disallowed_policies": ["readers2"]}}
    before = {**role, "vault.policy/readers2": rules(c="read")}
    assert told(before, {**before, **READERS}) == [("vault.token_role/ci", "kv/data/a/*", "read", "", "vault.policy/readers")]


def test_paths_are_relative_to_the_namespace_of_the_subject() -> None:
    role = {"vault.approle_role/approle/ci@primary/team": {"token_policies": ["readers"]}}
    policy = {"vault.policy/readers@primary/team": rules(a="read")}
    assert told(role, {**role, **policy}) == [
        ("vault.approle_role/approle/ci@primary/team", "kv/data/a/*", "read", "", "vault.policy/readers@primary/team"),
    ]  # fmt: skip


def test_secrets_are_counted_beneath_a_path_where_they_are_known() -> None:
    known = Beneath(["kv/a/x", "kv/a/y", "kv/b", "deep/mount/z"], {"kv", "deep/mount"})
    assert known.count("kv/data/a/*") == known.count("kv/metadata/a/*") == known.count("kv/destroy/a/*") == 2
    assert known.count("kv/data/+/x") == 1
    assert known.count("kv/*") == 3
    assert known.count("*") == 4
    assert known.count("deep/mount/data/z") == 1
    assert known.count("kv/data/c/*") == 0
    assert known.count("other/data/*") is None
