"""What the contract suite cannot say of policies, namespaces, mounts and their settings, on a real server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from reconciler.access.policy_text import written_rules
from reconciler.access.rules import repeated_paths
from reconciler.backends.vault.client import VaultClient, connect
from reconciler.backends.vault.connection import Connection
from reconciler.backends.vault.transport import Transport
from reconciler.core.address import HOME, Address
from reconciler.core.change import Action, Change
from reconciler.core.diff import diff
from reconciler.core.errors import BackendError, Conflict
from reconciler.core.kind import AnyKind, Names, Reading
from reconciler.core.resource import Origin, Resource
from reconciler.core.secret import Secret
from reconciler.dev.servers import Server
from reconciler.kinds import auth_config
from reconciler.kinds.audit_device import AUDIT_DEVICE
from reconciler.kinds.auth_config import AUTH_CONFIG
from reconciler.kinds.engine_config import ENGINE_CONFIG
from reconciler.kinds.engine_parts import PARTS
from reconciler.kinds.mount_config import says_nothing
from reconciler.kinds.mounts import AUTH_METHOD, SECRETS_ENGINE
from reconciler.kinds.namespace import NAMESPACE
from reconciler.kinds.object import OBJECT
from reconciler.kinds.password_policy import PASSWORD_POLICY
from reconciler.kinds.policy import POLICY, PolicySpec
from reconciler.kinds.rate_limit_quota import RATE_LIMIT_QUOTA

READ_X = 'path "x" { capabilities = ["read"] }'
READ_Y = 'path "y" { capabilities = ["read"] }'


def no_secret(_secret: Secret) -> str:
    raise AssertionError("no secret is asked for")


def read(kind: AnyKind, client: VaultClient, *names: str, everything: bool = False) -> Reading[Any]:
    return kind.read(client, Names(frozenset(names), (), everything))


def write(kind: AnyKind, client: VaultClient, name: str, after: Mapping[str, Any] | None) -> None:
    """Bring an object to a spec, by whatever action it takes."""
    address = Address(kind.name, name)
    reading = read(kind, client, name)
    live = reading.live.get(name)
    if after is None:
        if live:
            kind.write(client, Change(address, Action.DELETE, live.spec, None, live.version), no_secret)
        return
    desired = {address: Resource(address, kind.spec.model_validate(after), Origin("x.yaml", 1))}
    for change in diff({kind.name: kind}, desired, {(kind.name, HOME): reading}, {}).changes:
        if change.action is not Action.ADOPT:
            kind.write(client, change, no_secret)


def planned(kind: AnyKind, client: VaultClient, name: str, after: Mapping[str, Any]) -> list[Action]:
    address = Address(kind.name, name)
    desired = {address: Resource(address, kind.spec.model_validate(after), Origin("x.yaml", 1))}
    found = diff({kind.name: kind}, desired, {(kind.name, HOME): read(kind, client, name)}, {})
    return [change.action for change in found.changes]


def login(vault: VaultClient, policy: str) -> VaultClient:
    """A client that may do what a policy says."""
    vault.write("sys/policies/acl/limited", {"policy": policy})
    token = vault.write("auth/token/create", {"policies": ["limited"], "no_parent": True})["auth"]["client_token"]
    return connect(vault.transport, token)


@pytest.fixture
def root(bao: Server) -> Iterator[VaultClient]:
    client = connect(Transport(Connection(bao.address)), bao.token)
    yield client
    client.close()


# --- policies


def test_a_policy_that_somebody_else_rewrote_is_not_overwritten(vault: VaultClient) -> None:
    vault.write("sys/policies/acl/p", {"policy": READ_X})
    live = read(POLICY, vault, "p").live["p"]
    vault.write("sys/policies/acl/p", {"policy": READ_Y})
    change = Change(Address("vault.policy", "p"), Action.UPDATE, live.spec, PolicySpec.model_validate({"hcl": READ_X}), live.version)
    with pytest.raises(Conflict):
        POLICY.write(vault, change, no_secret)


def test_a_policy_that_appeared_since_the_plan_is_not_overwritten(vault: VaultClient) -> None:
    vault.write("sys/policies/acl/p", {"policy": READ_Y})
    change = Change(Address("vault.policy", "p"), Action.CREATE, None, PolicySpec.model_validate({"hcl": READ_X}))
    with pytest.raises(Conflict):
        POLICY.write(vault, change, no_secret)


@pytest.mark.parametrize(
    "spelling",
    [
        'path "a" {\n  capabilities = ["read", "list"]\n}\npath "b" { capabilities = ["deny"] }',
        'path "/b" { policy = "deny" }\n# note\npath "a" { policy = "read" }',
        'path "a" { capabilities = ["list"] } path "a" { capabilities = ["read"] } path "b" { capabilities = ["update", "deny"] }',
        '{"path": {"b": {"capabilities": ["deny"]}, "a": {"capabilities": ["read", "list", "read"]}}}',
        '{"path": [{"a": {"policy": "read"}}, {"b": {"policy": "deny"}}]}',
    ],
)
def test_another_spelling_of_a_policy_is_no_change(vault: VaultClient, spelling: str) -> None:
    rules = [{"path": "b", "capabilities": ["deny"]}, {"path": "a", "capabilities": ["list", "read"]}]
    try:
        vault.write("sys/policies/acl/p", {"policy": spelling})
    except BackendError:
        pytest.fail("the server refuses this spelling")
    assert planned(POLICY, vault, "p", {"rules": rules}) == [Action.ADOPT]


def test_a_policy_text_that_only_the_server_understands_is_compared_as_text(vault: VaultClient) -> None:
    odd = 'path "x" { capabilities {} }'
    vault.write("sys/policies/acl/p", {"policy": odd})
    live = read(POLICY, vault, "p").live["p"].spec
    assert (live.hcl, live.rules) == (odd, ())
    assert planned(POLICY, vault, "p", {"hcl": READ_X}) == [Action.UPDATE]


def test_policies_are_read_one_by_one_where_the_bulk_list_is_refused(vault: VaultClient) -> None:
    for name in ("p", "q", "hidden"):
        vault.write(f"sys/policies/acl/{name}", {"policy": READ_X})
    client = login(vault, 'path "sys/policies/acl/+" { capabilities = ["read"] } path "sys/policies/acl/hidden" { capabilities = ["deny"] }'
                   'path "sys/policies/acl" { capabilities = ["list"] } path "sys/capabilities-self" { capabilities = ["update"] }')  # fmt: skip
    reading = read(POLICY, client, "p", "hidden", "absent")
    assert set(reading.live) == {"p"}
    assert [gap.prefix for gap in reading.gaps] == ["hidden"]
    assert "q" in reading.seen
    assert reading.live["p"].version == "1"


def test_the_policies_of_the_server_itself_are_neither_live_nor_unmanaged(vault: VaultClient) -> None:
    reading = read(POLICY, vault, everything=True)
    assert not {"root", "default"} & {*reading.live, *reading.seen}


def test_rules_that_share_a_path_are_named() -> None:
    assert repeated_paths(written_rules(f'{READ_X}\n{READ_Y}\npath "/x" {{ capabilities = ["list"] }}')) == ("x",)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"rules": [{"path": "x", "capabilities": ["reed"]}]}, "rule for 'x': capability 'reed' does not exist (did you mean 'read'?)"),
        ({"hcl": READ_X, "rules": [{"path": "x", "capabilities": []}]}, "takes either rules or hcl, not both"),
        ({"hcl": 'path "x" {\n capabilities = "read"\n}'}, "hcl: rule for 'x': capabilities must be a list"),
        ({"hcl": "cGF0aA=="}, "hcl: line 1: a value is expected, found '='"),
        ({"rules": [{"path": "x", "capabilities": []}], "expiration": "soon"}, "'soon' is not a time (write 2027-01-31T12:00:00Z)"),
    ],
)
def test_a_wrong_policy_is_refused_in_words(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        PolicySpec.model_validate(spec)
    assert message in str(caught.value)


def test_a_policy_without_rules_is_an_error() -> None:
    assert list(POLICY.check("p", PolicySpec())) == [
        "has no rules: the server refuses an empty policy (add a rule, or remove the document)"
    ]


# --- mounts


def test_a_kv_mount_is_upgraded_in_place_and_keeps_its_secrets(vault: VaultClient) -> None:
    write(SECRETS_ENGINE, vault, "kv", {"type": "kv"})
    for number in range(50):
        vault.write(f"kv/s{number}", {"a": "b"})
    assert planned(SECRETS_ENGINE, vault, "kv", {"type": "kv-v2"}) == [Action.UPDATE]
    write(SECRETS_ENGINE, vault, "kv", {"type": "kv-v2"})
    assert vault.read("kv/data/s49") is not None  # at once


def test_a_kv_mount_goes_back_to_version_1_only_by_being_replaced(vault: VaultClient) -> None:
    write(SECRETS_ENGINE, vault, "kv", {"type": "kv-v2"})
    assert planned(SECRETS_ENGINE, vault, "kv", {"type": "kv"}) == [Action.REPLACE]
    write(SECRETS_ENGINE, vault, "kv", {"type": "kv"})
    assert planned(SECRETS_ENGINE, vault, "kv", {"type": "kv"}) == [Action.ADOPT]


def test_a_kv_mount_can_be_written_to_at_once(vault: VaultClient) -> None:
    for number in range(5):
        write(SECRETS_ENGINE, vault, f"kv{number}", {"type": "kv-v2"})
        vault.write(f"kv{number}/data/x", {"data": {"a": "b"}})


def test_an_option_that_is_taken_out_of_the_yaml_is_taken_off_the_server(vault: VaultClient) -> None:
    write(AUTH_METHOD, vault, "m", {"type": "approle", "options": {"a": "b", "c": "d"}})
    write(AUTH_METHOD, vault, "m", {"type": "approle", "options": {"a": "e"}})
    assert read(AUTH_METHOD, vault, "m").live["m"].spec.options == {"a": "e"}


def test_what_the_server_mounts_itself_is_neither_live_nor_unmanaged(vault: VaultClient) -> None:
    engines, methods = read(SECRETS_ENGINE, vault, everything=True), read(AUTH_METHOD, vault, everything=True)
    assert not engines.live
    assert not methods.live


def test_a_mount_tells_its_accessor(vault: VaultClient) -> None:
    write(AUTH_METHOD, vault, "m", {"type": "approle"})
    assert read(AUTH_METHOD, vault, "m").live["m"].attributes["accessor"].startswith("auth_approle_")


@pytest.mark.parametrize("name", ["sys", "sys/x", "identity", "auth/x", "a//b", "a b"])
def test_a_name_that_no_engine_can_have_is_refused(name: str) -> None:
    assert list(SECRETS_ENGINE.check(name, SECRETS_ENGINE.spec.model_validate({"type": "kv"})))


# --- configurations


def test_the_defaults_of_every_configuration_are_those_of_a_server(vault: VaultClient) -> None:
    for engine in sorted({part.engine for part in PARTS.values()}):
        vault.write(f"sys/mounts/{engine}", {"type": "kv-v2" if engine == "kv" else engine})
    for method in auth_config.SORTS:
        vault.write(f"sys/auth/{method}", {"type": method})
    asked = 0
    for part, (engine, sort) in PARTS.items():
        if part != "ca" and (body := vault.read(f"{engine}/config/{part}".rstrip("/"))):
            assert says_nothing(sort.from_live(body)), (part, body)
            assert body.keys() == sort.model_fields.keys(), part
            asked += 1
    assert asked == len(PARTS) - 1
    assert says_nothing(auth_config.CertConfig.from_live(vault.read("auth/cert/config") or {}))


@pytest.mark.parametrize("config", [ENGINE_CONFIG, AUTH_CONFIG], ids=["engines", "methods"])
def test_a_setting_that_two_sorts_share_has_one_default(config: AnyKind) -> None:
    sorts = [part.sort for part in PARTS.values()] if config is ENGINE_CONFIG else list(auth_config.SORTS.values())
    for sort in sorts:
        for name, field in sort.model_fields.items():
            assert config.spec.model_fields[name].get_default() == field.get_default(), name


def test_a_configuration_that_was_never_touched_is_absent_and_so_is_one_that_was_reset(vault: VaultClient) -> None:
    write(SECRETS_ENGINE, vault, "kv", {"type": "kv-v2"})
    assert read(ENGINE_CONFIG, vault, "kv", everything=True).live == {}
    write(ENGINE_CONFIG, vault, "kv", {"max_versions": 3})
    assert set(read(ENGINE_CONFIG, vault, everything=True).live) == {"kv"}
    write(ENGINE_CONFIG, vault, "kv", None)
    assert read(ENGINE_CONFIG, vault, "kv").live == {}


def test_a_secret_called_config_in_a_kv_mount_of_version_1_is_neither_read_nor_written(vault: VaultClient) -> None:
    write(SECRETS_ENGINE, vault, "old", {"type": "kv"})
    vault.write("old/config", {"max_versions": 7})
    assert read(ENGINE_CONFIG, vault, "old", everything=True).live == {}
    with pytest.raises(BackendError, match="not a kv mount of version 2"):
        write(ENGINE_CONFIG, vault, "old", {"max_versions": 3})
    assert vault.read("old/config") == {"max_versions": 7}


def test_an_ssh_key_is_generated_once_and_not_again(vault: VaultClient) -> None:
    write(SECRETS_ENGINE, vault, "ssh", {"type": "ssh"})
    write(ENGINE_CONFIG, vault, "ssh/ca", {})
    first = read(ENGINE_CONFIG, vault, "ssh/ca").live["ssh/ca"].attributes["public_key"]
    write(ENGINE_CONFIG, vault, "ssh/ca", {})
    assert read(ENGINE_CONFIG, vault, "ssh/ca").live["ssh/ca"].attributes["public_key"] == first


def test_addresses_of_a_pki_cluster_are_never_taken_away_and_this_is_said(vault: VaultClient) -> None:
    write(SECRETS_ENGINE, vault, "pki", {"type": "pki"})
    addresses = {"path": "https://a.example/v1/pki", "aia_path": "https://b.example"}
    write(ENGINE_CONFIG, vault, "pki/cluster", addresses)
    with pytest.raises(BackendError, match="the server takes no empty aia_path once there was one"):
        write(ENGINE_CONFIG, vault, "pki/cluster", {"path": "https://a.example/v1/pki"})
    assert vault.read("pki/config/cluster") == addresses


@pytest.mark.parametrize(
    ("kind", "name", "spec", "problem"),
    [
        (ENGINE_CONFIG, "pki/urls", {"expiry": "1h"}, "expiry is no setting of urls"),
        (ENGINE_CONFIG, "kv", {"max_versions": 1, "expiry": "1h"}, "expiry is no setting of a KV mount"),
        (ENGINE_CONFIG, "kv", {"max_versions": 0}, "sets nothing: every field has the server's default (set one, or remove the document)"),
        (AUTH_CONFIG, "jwt", {"jwks_url": "https://a", "kubernetes_host": "https://b"}, "kubernetes_host is no setting of jwt"),
        (
            AUTH_CONFIG,
            "jwt",
            {"jwks_url": "https://a", "oidc_discovery_url": "https://b"},
            "takes one of oidc_discovery_url, jwks_url and jwt_validation_pubkeys",
        ),
        (
            PASSWORD_POLICY,
            "p",
            {"policy": "length = 20"},
            'policy needs a length and at least one rule (length = 20, rule "charset" { charset = "abc" })',
        ),
        (NAMESPACE, "a/sys", {}, "a namespace cannot be called 'sys' (API paths begin so)"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_written(kind: AnyKind, name: str, spec: dict[str, Any], problem: str) -> None:
    assert list(kind.check(name, kind.spec.model_validate(spec))) == [problem]


# --- namespaces, quotas, audit devices


def test_a_deleted_namespace_is_gone_when_the_delete_returns(vault: VaultClient) -> None:
    write(NAMESPACE, vault, "team", {})
    inside = vault.at("team")
    inside.write("sys/mounts/kv", {"type": "kv-v2"})
    for number in range(20):
        inside.write(f"sys/policies/acl/p{number}", {"policy": READ_X})
    write(NAMESPACE, vault, "team", None)
    assert read(NAMESPACE, vault, "team").live == {}
    write(NAMESPACE, vault, "team", {"custom_metadata": {"a": "b"}})
    assert read(POLICY, inside, everything=True).live == {}


def test_everything_in_a_namespace_that_is_absent_is_known_to_be_absent(vault: VaultClient) -> None:
    nowhere = vault.at("nowhere")
    for kind, name in ((POLICY, "p"), (SECRETS_ENGINE, "kv"), (AUTH_METHOD, "m"), (ENGINE_CONFIG, "kv"), (NAMESPACE, "x"), (OBJECT, "a/b")):
        reading = read(kind, nowhere, name)
        assert (reading.live, reading.gaps) == ({}, ()), kind.name


def test_a_quota_outside_the_root_namespace_is_reported_and_not_planned(vault: VaultClient) -> None:
    reading = read(RATE_LIMIT_QUOTA, vault, "q")
    assert [gap.prefix for gap in reading.gaps] == ["q"]
    assert "root namespace only" in reading.gaps[0].reason
    assert read(RATE_LIMIT_QUOTA, vault).gaps == ()


def test_audit_devices_of_the_server_configuration_are_compared_but_never_written(bao_raft: Server) -> None:
    client = connect(Transport(Connection(bao_raft.address)), bao_raft.token)
    live = read(AUDIT_DEVICE, client, everything=True).live["main"].spec
    assert live.type == "file"
    same = {"type": "file", "options": dict(live.options)}
    assert planned(AUDIT_DEVICE, client, "main", same) == [Action.ADOPT]
    assert planned(AUDIT_DEVICE, client, "main", same | {"description": "other"}) == [Action.REPLACE]
    with pytest.raises(BackendError, match="server configuration"):
        write(AUDIT_DEVICE, client, "other", {"type": "file", "options": {"file_path": "stdout"}})
    client.close()


# --- objects


@pytest.mark.parametrize(
    "name",
    [
        "sys/policies/acl/p",
        "sys/mounts/kv",
        "sys/mounts/kv/tune",
        "identity/entity/name/a",
        "auth/token/roles/r",
        "auth/token/create",
        "auth/approle/login",
        "auth/approle/role/x/secret-id",
        "secret/data/a/b",
        "secret/metadata/a",
        "database/creds/app",
        "aws/sts/deploy",
        "ldap/static-cred/app",
        "gcp/roleset/app/key",
        "pki/issue/web",
        "pki/sign-verbatim/web",
        "transit/export/encryption-key/a",
        "totp/code/me",
        "identity/oidc/token/role",
        "sys/seal",
        "sys/generate-root/attempt",
        "sys/raw/core",
        "sys/storage/raft/snapshot",
        "sys/rotate/keyring",
    ],
)
def test_a_path_of_another_kind_or_one_that_acts_is_refused(name: str) -> None:
    assert list(OBJECT.check(name, OBJECT.spec.model_validate({"data": {"a": 1}})))


@pytest.mark.parametrize(
    "name", ["sys/config/cors", "sys/config/ui/headers/X-A", "rabbitmq/roles/code", "auth/ldap/config", "sys/quotas/config"]
)
def test_a_path_that_only_stores_configuration_is_taken(name: str) -> None:
    assert list(OBJECT.check(name, OBJECT.spec.model_validate({"data": {"a": 1}}))) == []


def test_only_declared_keys_of_an_object_are_compared(root: VaultClient) -> None:
    write(OBJECT, root, "sys/config/cors", {"data": {"enabled": True, "allowed_origins": "https://b.example,https://a.example"}})
    want = {"data": {"enabled": "true", "allowed_origins": ["https://a.example", "https://b.example"]}}
    assert planned(OBJECT, root, "sys/config/cors", want) == [Action.ADOPT]
    assert planned(OBJECT, root, "sys/config/cors", {"data": {"allowed_origins": ["https://c.example"]}}) == [Action.UPDATE]
    root.delete("sys/config/cors")


def test_every_value_of_a_header_is_read_back(root: VaultClient) -> None:
    path, want = "sys/config/ui/headers/X-Own", {"data": {"values": ["a", "b"]}}
    write(OBJECT, root, path, want)
    assert planned(OBJECT, root, path, want) == [Action.ADOPT]
    assert planned(OBJECT, root, path, {"data": {"values": ["a"]}}) == [Action.UPDATE]
    root.delete(path)


def test_a_path_that_the_server_reads_to_nobody_hides_no_other_object(root: VaultClient) -> None:
    cors, reload = "sys/config/cors", "sys/plugins/reload/backend"
    write(OBJECT, root, cors, {"data": {"enabled": True, "allowed_origins": ["https://a.example"]}})
    reading = OBJECT.read(root, Names(frozenset({cors, reload})))
    assert list(reading.live) == [cors]
    assert [(gap.prefix, gap.reason) for gap in reading.gaps] == [
        (reload, f"{reload}: GET was answered with status 405: unsupported operation")
    ]
    root.delete(cors)


@pytest.mark.parametrize(("mount", "path"), [("kv", "kv/plain"), ("kv-v2", "kv/data/x"), ("totp", "totp/keys/x")])
def test_a_store_of_secrets_is_never_read_as_an_object(vault: VaultClient, mount: str, path: str) -> None:
    vault.write(f"sys/mounts/{path.partition('/')[0]}", {"type": mount})
    before = vault.requests
    reading = read(OBJECT, vault, path)
    assert [gap.prefix for gap in reading.gaps] == [path]
    assert vault.requests - before == 1  # for the mounts
    with pytest.raises(BackendError, match="holds secrets"):
        OBJECT.write(vault, Change(Address("vault.object", path), Action.CREATE, None, OBJECT.spec(data={"a": "b"})), no_secret)


def test_where_mounts_may_not_be_seen_nothing_is_read_as_an_object(vault: VaultClient) -> None:
    vault.write("sys/mounts/old", {"type": "kv"})
    vault.write("old/app", {"password": "canary"})
    rules = 'path "*" { capabilities = ["read", "update"] } path "sys/mounts" { capabilities = ["deny"] }'
    vault.write("sys/policies/acl/blind", {"policy": rules})
    token = vault.write("auth/token/create", {"policies": ["blind"]})["auth"]["client_token"]
    blind = connect(vault.transport, token)
    reading = read(OBJECT, blind, "old/app")
    assert [(gap.prefix, gap.path, gap.capability) for gap in reading.gaps] == [("old/app", "sys/mounts", "read")]
    assert reading.live == {}
    assert not read(OBJECT, blind, "identity/oidc/config").gaps, "what is the server's own lies on no mount"
    with pytest.raises(BackendError, match="may not read sys/mounts"):
        OBJECT.write(blind, Change(Address("vault.object", "old/app"), Action.CREATE, None, OBJECT.spec(data={"a": "b"})), no_secret)
