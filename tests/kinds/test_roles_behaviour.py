"""What the contract suite cannot know: traps of single kinds, on real servers."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.core.address import Address
from reconciler.core.change import Action, Change
from reconciler.core.errors import Conflict, Missing
from reconciler.core.kind import AnyKind, Names
from reconciler.core.secret import Secret
from reconciler.kinds.approle_role import APPROLE_ROLE
from reconciler.kinds.database import DATABASE_CONNECTION, DATABASE_ROLE
from reconciler.kinds.identity import IDENTITY_ENTITY, IDENTITY_GROUP
from reconciler.kinds.identity_alias import IDENTITY_ENTITY_ALIAS, IDENTITY_GROUP_ALIAS
from reconciler.kinds.jwt_role import JWT_ROLE
from reconciler.kinds.kv_secret import KV_SECRET
from reconciler.kinds.oidc import OIDC_CLIENT
from reconciler.kinds.token_fields import normal_cidr
from reconciler.kinds.transit_key import TRANSIT_KEY
from tests.kinds.postgres import PASSWORD, PORT
from tests.kinds.samples_roles import CONNECTION


def reveal(_secret: Secret) -> str:
    return PASSWORD


def put(client: VaultClient, kind: AnyKind, name: str, after: dict[str, Any] | None, before: dict[str, Any] | None = None) -> None:
    old = kind.spec.model_validate(before) if before is not None else None
    new = kind.spec.model_validate(after) if after is not None else None
    action = Action.DELETE if new is None else Action.CREATE if old is None else Action.UPDATE
    kind.write(client, Change(Address(kind.name, name), action, old, new), reveal)


def get(client: VaultClient, kind: AnyKind, name: str) -> Any:
    reading = kind.read(client, Names(frozenset({name})))
    assert reading.gaps == ()
    return reading.live[name].spec if name in reading.live else None


def problems(kind: AnyKind, name: str, spec: dict[str, Any]) -> list[str]:
    return list(kind.check(name, kind.spec.model_validate(spec)))


def test_an_alias_that_somebody_else_made_since_the_plan_is_not_taken_from_its_owner(vault: VaultClient) -> None:
    vault.write("sys/auth/userpass", {"type": "userpass"})
    for name in ("alice", "bob"):
        put(vault, IDENTITY_ENTITY, name, {})
    put(vault, IDENTITY_ENTITY_ALIAS, "userpass/al", {"entity": "alice"})
    with pytest.raises(Conflict, match="belongs to another entity"):
        put(vault, IDENTITY_ENTITY_ALIAS, "userpass/al", {"entity": "bob"})
    assert get(vault, IDENTITY_ENTITY_ALIAS, "userpass/al").entity == "alice"


def test_aliases_and_entities_that_a_login_made_are_not_counted_but_can_be_declared(vault: VaultClient) -> None:
    vault.write("sys/auth/userpass", {"type": "userpass"})
    vault.write("auth/userpass/users/guest", {"password": PASSWORD})
    vault.write("auth/userpass/login/guest", {"password": PASSWORD})
    everything = IDENTITY_ENTITY_ALIAS.read(vault, Names(frozenset(), everything=True))
    assert (dict(everything.live), everything.seen) == ({}, frozenset())
    entities = IDENTITY_ENTITY.read(vault, Names(frozenset(), everything=True))
    assert [name for name in entities.live if not IDENTITY_ENTITY.is_builtin(name)] == []
    put(vault, IDENTITY_ENTITY, "guest", {})
    made = get(vault, IDENTITY_ENTITY_ALIAS, "userpass/guest")
    put(vault, IDENTITY_ENTITY_ALIAS, "userpass/guest", {"entity": "guest"}, {"entity": made.entity})
    assert get(vault, IDENTITY_ENTITY_ALIAS, "userpass/guest").entity == "guest"


def test_an_alias_whose_auth_method_is_gone_does_not_disturb_the_others(vault: VaultClient) -> None:
    for mount in ("old", "new"):
        vault.write(f"sys/auth/{mount}", {"type": "userpass"})
        vault.forget_mounts()
        put(vault, IDENTITY_ENTITY, mount, {})
        put(vault, IDENTITY_ENTITY_ALIAS, f"{mount}/al", {"entity": mount})
    vault.delete("sys/auth/old")
    reading = IDENTITY_ENTITY_ALIAS.read(vault, Names(frozenset({"old/al", "new/al"})))
    assert (set(reading.live), reading.gaps) == ({"new/al"}, ())


def test_a_group_with_a_member_that_is_not_there_says_who(vault: VaultClient) -> None:
    with pytest.raises(Missing, match="no entity named 'nobody'"):
        put(vault, IDENTITY_GROUP, "web", {"member_entities": ["nobody"]})


def test_members_that_logins_put_into_an_external_group_are_left_alone(vault: VaultClient) -> None:
    put(vault, IDENTITY_GROUP, "staff", {"type": "external", "policies": ["a"]})
    vault.write("sys/auth/oidc", {"type": "oidc"})
    put(vault, IDENTITY_GROUP_ALIAS, "oidc/cn=staff/x", {"group": "staff"})
    put(vault, IDENTITY_GROUP, "staff", {"type": "external"}, {"type": "external", "policies": ["a"]})
    assert get(vault, IDENTITY_GROUP, "staff").policies == ()
    assert get(vault, IDENTITY_GROUP_ALIAS, "oidc/cn=staff/x").group == "staff"


def test_an_entity_is_found_whatever_the_case_of_its_name(vault: VaultClient) -> None:
    put(vault, IDENTITY_ENTITY, "Alice", {"policies": ["a"]})
    reading = IDENTITY_ENTITY.read(vault, Names(frozenset({"alice"})))
    assert (set(reading.live), reading.seen) == ({"alice"}, frozenset())
    assert reading.live["alice"].attributes["id"]


def test_metadata_that_a_rotation_wrote_is_neither_compared_nor_wiped(vault: VaultClient) -> None:
    vault.write("sys/mounts/kv", {"type": "kv-v2"})
    put(vault, KV_SECRET, "kv/a/b", {"custom_metadata": {"owner": "web"}})
    vault.write("kv/metadata/a/b", {"custom_metadata": {"owner": "web", "reconciler_rotated": "1"}})
    desired = KV_SECRET.spec.model_validate({"custom_metadata": {"owner": "web"}})
    assert KV_SECRET.align(desired, get(vault, KV_SECRET, "kv/a/b")) == desired
    put(vault, KV_SECRET, "kv/a/b", {"custom_metadata": {"owner": "api"}}, {"custom_metadata": {"owner": "web"}})
    assert get(vault, KV_SECRET, "kv/a/b").custom_metadata == {"owner": "api", "reconciler_rotated": "1"}


def test_secrets_are_read_one_by_one_where_scanning_is_denied(vault: VaultClient) -> None:
    vault.write("sys/mounts/kv", {"type": "kv-v2"})
    for path in ("a/b", "a/c", "d"):
        vault.write(f"kv/data/{path}", {"data": {"value": "1"}})
    rules = 'path "kv/metadata/*" { capabilities = ["read", "list"] } path "sys/mounts" { capabilities = ["read"] }'
    vault.write("sys/policies/acl/reader", {"policy": rules})
    token = vault.write("auth/token/create", {"policies": ["reader"], "no_parent": True})["auth"]["client_token"]
    reader = connect(vault.transport, token)
    few = KV_SECRET.read(reader, Names(frozenset({"kv/a/b", "kv/a/gone"})))
    assert set(few.live) == {"kv/a/b"}
    assert set(few.seen) == {"kv/a/c"}
    assert few.gaps == ()
    everything = KV_SECRET.read(reader, Names(frozenset(), everything=True))
    assert set(everything.live) == {"kv/a/b", "kv/a/c", "kv/d"} == set(KV_SECRET.read(vault, Names(frozenset(), everything=True)).live)


def test_a_key_that_may_not_be_deleted_is_deleted_once_the_plan_says_so(vault: VaultClient) -> None:
    vault.write("sys/mounts/transit", {"type": "transit"})
    put(vault, TRANSIT_KEY, "transit/x", {})
    put(vault, TRANSIT_KEY, "transit/x", None, {})
    assert get(vault, TRANSIT_KEY, "transit/x") is None
    assert TRANSIT_KEY.loses("transit/x", TRANSIT_KEY.spec())


def test_an_update_of_a_role_with_local_secret_ids_is_accepted(vault: VaultClient) -> None:
    vault.write("sys/auth/approle", {"type": "approle"})
    put(vault, APPROLE_ROLE, "approle/x", {"local_secret_ids": True})
    put(vault, APPROLE_ROLE, "approle/x", {"local_secret_ids": True, "token_ttl": "1h"}, {"local_secret_ids": True})
    assert get(vault, APPROLE_ROLE, "approle/x").token_ttl == 3600


def test_the_secret_of_an_oidc_client_stays_on_the_server(vault: VaultClient) -> None:
    put(vault, OIDC_CLIENT, "app", {})
    reading = OIDC_CLIENT.read(vault, Names(frozenset({"app"})))
    shown = vault.read("identity/oidc/client/app")
    assert shown is not None
    assert shown["client_secret"] not in repr(reading)
    assert reading.live["app"].attributes["client_id"] == shown["client_id"]


@pytest.mark.usefixtures("postgres")
def test_a_root_password_that_the_server_rotated_survives_an_update(vault: VaultClient) -> None:
    with psycopg.connect(host="127.0.0.1", port=PORT, user="vault", password=PASSWORD, dbname="postgres", autocommit=True) as database:
        database.execute(f"CREATE ROLE rotated LOGIN SUPERUSER PASSWORD '{PASSWORD}'".encode())
    vault.write("sys/mounts/database", {"type": "database"})
    first = CONNECTION | {"username": "rotated"}
    put(vault, DATABASE_CONNECTION, "database/main", first)
    vault.write("database/rotate-root/main", {})
    put(vault, DATABASE_CONNECTION, "database/main", first | {"max_open_connections": 3}, first)
    put(
        vault,
        DATABASE_ROLE,
        "database/reader",
        {"db_name": "main", "creation_statements": "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"},
    )
    assert vault.read("database/creds/reader") is not None
    assert get(vault, DATABASE_CONNECTION, "database/main").max_open_connections == 3


@pytest.mark.usefixtures("postgres")
def test_a_masked_url_is_never_written_back(vault: VaultClient) -> None:
    vault.write("sys/mounts/database", {"type": "database"})
    inline = {"plugin_name": "postgresql-database-plugin", "allowed_roles": ["*"]}
    url = f"postgresql://vault:{PASSWORD}@127.0.0.1:{PORT}/postgres?sslmode=disable"
    vault.write("database/config/old", inline | {"connection_url": url})
    live = get(vault, DATABASE_CONNECTION, "database/old")
    assert PASSWORD not in repr(live)
    before = inline | {"connection_url": live.connection_url}
    assert problems(DATABASE_CONNECTION, "database/old", before) == []
    # The server connects to verify what it is given: with the masked password it could not.
    put(vault, DATABASE_CONNECTION, "database/old", before | {"max_open_connections": 3}, before)
    assert get(vault, DATABASE_CONNECTION, "database/old").max_open_connections == 3


@pytest.mark.parametrize(
    ("plugin", "url"),
    [
        ("mysql-database-plugin", "vault:hunter2hunter@tcp(db.example:3306)/"),
        ("postgresql-database-plugin", "postgresql://vault:hunter2hunter@db.example/x"),
        ("postgresql-database-plugin", "host=db.example user=vault password=hunter2hunter dbname=x"),
    ],
)
def test_a_password_in_a_url_is_refused_in_yaml_and_not_read_from_the_server(plugin: str, url: str, vault: VaultClient) -> None:
    spec = {"plugin_name": plugin, "connection_url": url, "verify_connection": False}
    assert any("holds a password" in problem for problem in problems(DATABASE_CONNECTION, "database/x", spec))
    vault.write("sys/mounts/database", {"type": "database"})
    vault.write("database/config/x", spec)
    live = get(vault, DATABASE_CONNECTION, "database/x")
    assert "hunter2hunter" not in repr(live)
    assert "xxxxx" in live.connection_url
    assert problems(DATABASE_CONNECTION, "database/x", spec | {"connection_url": live.connection_url}) == []


@pytest.mark.parametrize(
    ("kind", "name", "spec", "words"),
    [
        (APPROLE_ROLE, "approle/x", {"token_ttl": "2h", "token_max_ttl": "1h"}, "token_ttl 2h is larger than token_max_ttl 1h"),
        (APPROLE_ROLE, "approle/x", {"bind_secret_id": False}, "needs secret_id_bound_cidrs or token_bound_cidrs"),
        (JWT_ROLE, "jwt/x", {"user_claim": "sub"}, "needs allowed_redirect_uris"),
        (JWT_ROLE, "jwt/x", {"user_claim": "sub", "role_type": "jwt"}, "anybody whom the issuer knows could log in"),
        (TRANSIT_KEY, "transit/x", {"auto_rotate_period": "30m"}, "30m is shorter than the hour"),
        (DATABASE_CONNECTION, "d/x", {"plugin_name": "p", "connection_url": "postgresql://u:hunter2@h/d"}, "holds a password"),
        (IDENTITY_GROUP, "x", {"type": "external", "member_groups": ["y"]}, "takes its members from logins"),
    ],
)
def test_what_the_server_would_refuse_is_said_before(kind: AnyKind, name: str, spec: dict[str, Any], words: str) -> None:
    assert any(words in problem for problem in problems(kind, name, spec))


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("127.0.0.1/32", "127.0.0.1"),
        ("10.0.0.1/08", "10.0.0.1/8"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::ffff:1.2.3.4/128", "1.2.3.4"),
        ("1.2.3.4:80", "1.2.3.4:80"),
    ],
)
def test_networks_are_written_as_the_token_store_keeps_them(written: str, kept: str, vault: VaultClient) -> None:
    vault.write("sys/auth/approle", {"type": "approle"})
    vault.write("auth/approle/role/x", {"token_bound_cidrs": [written]})
    assert (vault.read("auth/approle/role/x") or {})["token_bound_cidrs"] == [kept]
    assert normal_cidr(written) == kept
