"""Reading by list: what is unknown is never taken for absent, and never hides what can be read."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.core.kind import Live, Names
from reconciler.core.resource import Spec
from reconciler.kinds.approle_role import APPROLE_ROLE, ROLES
from reconciler.kinds.kv_secret import KV_SECRET
from reconciler.kinds.listed import Folder, longest_mount


@pytest.fixture
def roles(vault: VaultClient) -> VaultClient:
    """Two mounts of AppRole with three roles in one and one in the other."""
    for mount, names in (("approle", "abc"), ("teams/x", "d")):
        vault.write(f"sys/auth/{mount}", {"type": "approle"})
        for name in names:
            vault.write(f"auth/{mount}/role/{name}", {"token_ttl": "1h"})
    return vault


def login(root: VaultClient, rules: str) -> VaultClient:
    root.write("sys/policies/acl/some", {"policy": rules})
    made = root.write("auth/token/create", {"policies": ["some"], "no_parent": True})
    return connect(root.transport, made["auth"]["client_token"])


def wanted(*names: str, **more: Any) -> Names:
    return Names(frozenset(names), **more)


def test_wanted_names_are_read_and_others_of_the_mount_only_seen(roles: VaultClient) -> None:
    reading = ROLES.read(roles, wanted("approle/a", "approle/gone"))
    assert set(reading.live) == {"approle/a"}
    assert reading.live["approle/a"].spec.token_ttl == 3600
    assert reading.seen == {"approle/b", "approle/c"}
    assert reading.gaps == ()


def test_everything_is_read_from_all_mounts_of_the_type(roles: VaultClient) -> None:
    reading = ROLES.read(roles, wanted(everything=True))
    assert set(reading.live) == {"approle/a", "approle/b", "approle/c", "teams/x/d"}


def test_a_login_that_may_list_but_not_read_makes_one_gap_for_the_mount_and_no_absence(roles: VaultClient) -> None:
    lister = login(roles, 'path "auth/approle/role" { capabilities = ["list"] }')
    reading = ROLES.read(lister, wanted("approle/a", "approle/gone"))
    assert dict(reading.live) == {}
    assert [(gap.prefix, gap.path, gap.capability) for gap in reading.gaps] == [("approle/", "auth/approle/role/*", "read")]


def test_one_role_that_may_not_be_read_does_not_blank_the_others(roles: VaultClient) -> None:
    rules = 'path "auth/approle/role" { capabilities = ["list"] } path "auth/approle/role/*" { capabilities = ["read"] }'
    reader = login(roles, f'{rules} path "auth/approle/role/b" {{ capabilities = ["deny"] }}')
    reading = ROLES.read(reader, wanted("approle/a", "approle/b", "approle/gone"))
    assert set(reading.live) == {"approle/a"}
    assert [(gap.prefix, gap.path) for gap in reading.gaps] == [("approle/b", "auth/approle/role/b")]


def test_a_login_that_may_read_but_not_list_still_tells_absent_from_there(roles: VaultClient) -> None:
    reader = login(roles, 'path "auth/approle/role/*" { capabilities = ["read"] }')
    reading = ROLES.read(reader, wanted("approle/a", "approle/gone"))
    assert set(reading.live) == {"approle/a"}
    assert reading.gaps == ()


def test_adopting_says_which_list_is_missing(roles: VaultClient) -> None:
    reader = login(roles, 'path "auth/approle/role/*" { capabilities = ["read"] } path "sys/auth" { capabilities = ["read"] }')
    reading = ROLES.read(reader, wanted("approle/a", everything=True))
    assert set(reading.live) == {"approle/a"}
    assert {("approle/", "list"), ("teams/x/", "list")} == {(gap.prefix, gap.capability) for gap in reading.gaps}


def test_a_namespace_that_is_not_there_is_empty(roles: VaultClient) -> None:
    for kind in (APPROLE_ROLE, KV_SECRET):
        reading = kind.read(roles.at("nowhere"), wanted("approle/a"))
        assert (dict(reading.live), reading.gaps) == ({}, ())


def test_a_mount_that_is_not_there_is_empty(roles: VaultClient) -> None:
    reading = ROLES.read(roles, wanted("elsewhere/a"))
    assert (dict(reading.live), reading.gaps) == ({}, ())


class Picky(Spec):
    token_ttl: Literal[1]


def test_an_answer_that_the_model_cannot_hold_is_a_gap_that_names_only_the_field(roles: VaultClient) -> None:
    folder = Folder("auth/{mount}/role", lambda body: Live(Picky.from_live(body)), frozenset({"approle"}))
    reading = folder.read(roles, wanted("approle/a"))
    assert dict(reading.live) == {}
    (gap,) = reading.gaps
    assert gap.covers("approle/a")
    assert "token_ttl" in gap.reason
    assert "3600" not in gap.reason


def test_the_longest_mount_wins() -> None:
    assert longest_mount("a/b/c", ["a", "a/b"], ["a/b/c"]) == "a/b"
    assert longest_mount("ab/c", ["a"]) == ""
