"""Adopt: what lives on servers that people filled by hand is declared, claimed, and not touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.dev.servers import Server, start_bao_raft
from reconciler.kinds import KINDS
from tests.cli.conftest import ENVIRONMENT
from tests.cli.lived_in import CANARY, SERVICES, Filler, fill_aws, fill_vault
from tests.cli.raw import Raw, everything_below
from tests.cli.site import Ran, Site
from tests.kinds.vault_proxy import vault_before

ADOPTED = "desired-state/adopted"
NO_AWS = "project: genesis\naws: {}\n"
# Made by the server, by logins, or by AWS's own services: nobody declares them.
NOT_OURS = (
    "policy/default",
    "policy/root",
    "entity/entity_",
    "alias/userpass/bob",
    "rds!",
    "AWSServiceRole",
    "alias/aws",
    "reconciler",
    "cubbyhole",
)
# On OpenBao nothing but its configuration makes an audit device; quotas are the root namespace's; nothing lists other paths.
ELSEWHERE = {"vault.audit_device", "vault.rate_limit_quota", "vault.object", "vault.cert_role", "vault.database_static_role"}


@pytest.fixture
def raw(bao: Server, moto_server: Server) -> Iterator[Raw]:
    found = Raw(bao.address, bao.token, moto_server.address)
    yield found
    found.close()


@pytest.fixture
def lived_in(site: Site, raw: Raw) -> Site:
    """A new repository beside a Vault that is not new."""
    fill_vault(Filler(raw, site.namespace))
    site.write("desired-state/environments/dev.yaml", NO_AWS)
    site.commit("nothing is declared yet")
    return site


@pytest.fixture
def both(lived_in: Site, raw: Raw, moto: str) -> Site:
    """The same beside an AWS account too."""
    lived_in.environ["AWS_ENDPOINT_URL"] = moto
    fill_aws(raw)
    lived_in.write("desired-state/environments/dev.yaml", ENVIRONMENT)
    lived_in.commit()
    return lived_in


def adopt(site: Site, *arguments: str, code: int = 0, **environ: str) -> Ran:
    ran = site.run("adopt", *arguments, **environ)
    assert ran.code == code, ran.out + ran.err
    return ran


def adopt_files(site: Site, *arguments: str, code: int = 0, **environ: str) -> Any:
    """Write files, commit them, and return what was said of them as JSON."""
    found = adopt(site, "-o", "json", "--write", str(site.repo / ADOPTED), *arguments, code=code, **environ).json
    site.commit("adopt")
    return found


def actions(plan: Any) -> dict[str, str]:
    return {change["address"]: change["action"] for change in plan["changes"]}


def test_all_that_lives_is_declared_and_claimed_and_nothing_on_the_servers_moves(both: Site, raw: Raw) -> None:
    before = everything_below(raw, both.namespace)
    found = adopt_files(both)
    assert found["left"] == found["unknown"] == []
    plan = both.plan()
    assert set(actions(plan).values()) == {"adopt"}
    assert plan["refusals"] == plan["unknown"] == []
    assert len(plan["changes"]) == len(found["documents"])
    both.apply()
    after = both.plan()
    assert after["changes"] == []
    assert after["summary"]["unmanaged"] == 0
    assert everything_below(raw, both.namespace) == before
    assert adopt(both, "-o", "json").json["documents"] == []


def test_every_kind_is_found_and_nothing_that_servers_and_logins_made(both: Site) -> None:
    adopt_files(both)
    addresses = sorted(actions(both.plan()))
    assert {address.partition("/")[0] for address in addresses} == {name for name, kind in KINDS.items() if not kind.declared} - ELSEWHERE
    assert not [address for address in addresses if any(part in address for part in NOT_OURS)]
    assert "vault.approle_role/machines/robot@primary/team-a/blue" in addresses
    assert "vault.namespace/team-a/blue" in addresses


def test_it_is_written_as_people_would(both: Site) -> None:
    adopt_files(both)
    policies = (both.repo / ADOPTED / "vault/policy.yaml").read_text()
    assert "hcl" not in policies
    assert "${{ ref('vault.auth_method/userpass').accessor }}" in policies
    assert "capabilities: [list, read]" in policies
    assert "type: kv-v2" in (both.repo / ADOPTED / "vault/secrets_engine.yaml").read_text()
    assert "reconciler_rotation" not in (both.repo / ADOPTED / "vault/kv_secret/kv.yaml").read_text()
    role = (both.repo / ADOPTED / "aws/iam_role.yaml").read_text()
    assert "- ref: aws.iam_policy/read-shop\n    attribute: arn\n" in role


def test_values_that_no_server_returns_are_asked_for_and_never_shown(lived_in: Site, raw: Raw) -> None:
    ran = adopt(lived_in, "--write", str(lived_in.repo / ADOPTED))
    for address in ("vault.userpass_user/userpass/alice", "vault.auth_config/k8s", "vault.database_connection/db/main/shop"):
        assert address in ran.out.partition("To fill in")[2]
    texts = [path.read_text() for path in (lived_in.repo / ADOPTED).rglob("*.yaml")]
    assert sum(text.count("FILL_IN") for text in texts) == 4
    assert not [text for text in (*texts, ran.out, ran.err) if CANARY in text]
    lived_in.commit()
    lived_in.apply()
    # Filled in, the password is written; until then an update of anything else leaves it as it is.
    users = lived_in.repo / ADOPTED / "vault/userpass_user/userpass.yaml"
    users.write_text(users.read_text().replace("token_ttl: 1h30m", "token_ttl: 2h"))
    lived_in.commit()
    lived_in.apply()
    raw.write("auth/userpass/login/alice", lived_in.namespace, body={"password": CANARY})


def test_the_same_servers_give_the_same_text_and_printing_writes_nothing(lived_in: Site) -> None:
    first, second = adopt(lived_in), adopt(lived_in)
    assert first.out == second.out
    assert not (lived_in.repo / ADOPTED).exists()
    lived_in.write("desired-state/printed.yaml", first.out)
    lived_in.commit()
    assert set(actions(lived_in.plan()).values()) == {"adopt"}


def test_what_repeats_is_folded_into_templates_that_declare_the_same(lived_in: Site) -> None:
    found = adopt_files(lived_in, "--fold")
    plan = lived_in.plan()
    assert set(actions(plan).values()) == {"adopt"}
    assert len(plan["changes"]) == len(found["documents"])
    template = (lived_in.repo / "templates/svc.yaml.j2").read_text()
    assert [kind for kind in ("policy", "approle_role", "kv_secret") if f"kind: vault.{kind}" in template] == [
        "policy",
        "approle_role",
        "kv_secret",
    ]
    use = (lived_in.repo / ADOPTED / "svc.yaml").read_text()
    assert [name for name in SERVICES if f"name: {name}" in use] == list(SERVICES)
    assert use.count("token_ttl") == 1, "only where it is not the usual one"
    lived_in.apply()
    assert lived_in.plan()["changes"] == []


def test_on_hashicorp_vault_which_has_no_bulk_routes_the_same_is_found(lived_in: Site, bao: Server) -> None:
    found = adopt(lived_in, "-o", "json").json
    with vault_before(bao.address) as front:
        there = adopt(lived_in, "-o", "json", VAULT_ADDR=front.address).json
    without_namespaces = [one for one in found["documents"] if "namespace" not in one and one["kind"] != "vault.namespace"]
    assert there["documents"] == without_namespaces
    assert there["left"] == there["unknown"] == []


def test_a_folder_outside_of_the_repository_gets_all_of_it_and_is_said_not_to_be_read(lived_in: Site, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = adopt(lived_in, "--fold", "--write", str(out))
    assert f"note: {out} is not read from there" in ran.out
    assert (out / "templates/svc.yaml.j2").exists()
    assert lived_in.git("status", "--porcelain") == ""
    (out / "templates").rename(lived_in.repo / "templates")
    out.rename(lived_in.repo / ADOPTED)
    lived_in.commit()
    assert set(actions(lived_in.plan()).values()) == {"adopt"}
    assert "for environments and overlays" in adopt(lived_in, "--write", str(lived_in.repo / "desired-state/overlays/dev"), code=2).err


def test_kinds_and_names_are_chosen(lived_in: Site) -> None:
    found = adopt(lived_in, "-o", "json", "--kind", "vault.policy", "--kind", "vault.transit_key").json
    assert {document["kind"] for document in found["documents"]} == {"vault.policy", "vault.transit_key"}
    found = adopt(lived_in, "-o", "json", "--match", "svc-*").json
    assert [document["name"] for document in found["documents"]] == [f"svc-{name}" for name in sorted(SERVICES)]
    found = adopt(lived_in, "-o", "json", "--match", "vault.policy/*@primary/team-a").json
    assert [document["name"] for document in found["documents"]] == ["readers"]
    assert "did you mean `vault.policy`" in adopt(lived_in, "--kind", "vault.polcy", code=2).err


def test_files_that_are_there_stay_as_they_are(lived_in: Site) -> None:
    mine = lived_in.repo / ADOPTED / "vault/policy.yaml"
    lived_in.write(f"{ADOPTED}/vault/policy.yaml", "kind: vault.policy\nname: mine\nspec: {rules: [{path: x, capabilities: [read]}]}\n")
    text = mine.read_text()
    adopt(lived_in, "--kind", "vault.policy", "--write", str(lived_in.repo / ADOPTED))
    assert mine.read_text() == text
    assert "name: everything" in (mine.parent / "policy-2.yaml").read_text()
    again = adopt(lived_in, "--kind", "vault.policy", "--write", str(lived_in.repo / ADOPTED))
    assert "Nothing to adopt." in again.out


def test_what_may_not_be_read_is_said_with_the_policy_that_is_missing_and_the_rest_is_written(lived_in: Site, vault: VaultClient) -> None:
    rules = 'path "*" { capabilities = ["read", "list", "scan"] }\npath "auth/approle/role/*" { capabilities = ["list"] }'
    vault.write("sys/policies/acl/half", {"policy": rules})
    token = vault.write("auth/token/create", {"policies": ["half"], "no_parent": True})["auth"]["client_token"]
    ran = adopt(lived_in, "--write", str(lived_in.repo / ADOPTED), code=1, VAULT_TOKEN=token)
    assert 'path "auth/approle/role/*" {' in ran.out.partition("This grants what is missing")[2]
    assert (lived_in.repo / ADOPTED / "vault/policy.yaml").exists()
    assert not (lived_in.repo / ADOPTED / "vault/approle_role").exists()


def test_a_credential_in_an_open_field_is_not_written_and_the_field_is_left_to_whoever_wrote_it(lived_in: Site, vault: VaultClient) -> None:
    key = "AKIA" + "IOSFODNN7REALKEY"
    vault.write("kv/metadata/leaky", {"custom_metadata": {"aws": key}, "max_versions": 4})
    adopt_files(lived_in, "--match", "kv/leaky")
    text = (lived_in.repo / ADOPTED / "vault/kv_secret/kv.yaml").read_text()
    assert key not in text
    assert "ignore: [custom_metadata]" in text
    assert actions(lived_in.plan()) == {"vault.kv_secret/kv/leaky": "adopt"}


def test_odd_names_and_texts_are_declared_as_they_are_or_said_to_be_left_alone(site: Site, vault: VaultClient) -> None:
    names = ["a b", "ünï/x", "yes", "007", "a@b", "x%y", "pre:fix", 'q"uote', "it's", "#hash", "null", "{{brace}}", "a?b=c", "A*"]
    for name in names:
        vault.write(f"sys/policies/acl/{name}", {"policy": 'path "x/é ${y} {{z}}" { capabilities = ["read"] }'})
        vault.write("identity/group", {"name": name, "policies": [name], "metadata": {"k": name}})
    vault.write("identity/entity", {"name": "map", "metadata": {"ref": "x", "attribute": "id"}})
    vault.write("identity/entity", {"name": "${{ expression }}"})
    vault.write("identity/entity", {"name": "tab\there"})
    vault.write("sys/mounts/kv", {"type": "kv-v2", "description": "a\nb  \n\tc: # x"})
    vault.write("kv/metadata/a b/ü?x", {"custom_metadata": {"number": "1e5", "trail ": " x "}})
    site.write("desired-state/environments/dev.yaml", NO_AWS)
    site.commit()
    for more in ((), ("--fold",)):
        found = adopt_files(site, *more, code=1)
        assert [one["address"] for one in found["left"]] == ["vault.identity_entity/${{ expression }}"]
        assert [one["prefix"] for one in found["unknown"]] == ["tab\there"]
        plan = site.plan()
        assert set(actions(plan).values()) == {"adopt"}
        assert len(plan["changes"]) == len(found["documents"]) == 2 * len(names) + 3
        site.git("rm", "-rq", ADOPTED)


def test_what_names_nothing_is_left_alone_where_the_next_plan_would_fail_for_it(site: Site, vault: VaultClient) -> None:
    vault.write("sys/mounts/db", {"type": "database"})
    vault.write("db/roles/orphan", {"db_name": "gone", "creation_statements": "SELECT 1"})
    vault.write("sys/auth/approle", {"type": "approle"})
    vault.write("auth/approle/role/odd", {"token_policies": ["nowhere"]})
    site.write("desired-state/environments/dev.yaml", NO_AWS)
    site.commit()
    found = adopt_files(site, code=1)
    assert [one["address"] for one in found["left"]] == ["vault.database_role/db/orphan"]
    assert "token_policies names vault.policy/nowhere" in found["notes"][0]
    assert set(actions(site.plan()).values()) == {"adopt"}


def test_two_instances_on_one_server_declare_everything_once(site: Site, vault: VaultClient, bao: Server) -> None:
    vault.write("sys/namespaces/inner", {})
    vault.at("inner").write("sys/policies/acl/deep", {"policy": 'path "x" { capabilities = ["read"] }'})
    environment = f"""\
project: genesis
vault:
  primary: {{address: "{bao.address}", namespace: "{site.namespace}"}}
  inner: {{address: "{bao.address}", namespace: "{site.namespace}/inner"}}
  again: {{address: "{bao.address}", namespace: "{site.namespace}"}}
aws: {{}}
"""
    site.write("desired-state/environments/dev.yaml", environment)
    site.commit()
    found = adopt_files(site)
    assert actions(site.plan()) == {"vault.policy/deep@inner": "adopt"}
    assert "is the same place as" in found["notes"][0]


def test_two_regions_of_one_account_declare_its_roles_once_and_secrets_each_for_themselves(site: Site, raw: Raw, moto: str) -> None:
    site.environ["AWS_ENDPOINT_URL"] = moto
    for region in ("us-east-1", "eu-west-1"):
        raw.aws("secretsmanager", region).create_secret(Name=f"here/{region}", SecretString=CANARY)
    trust = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}}'
    raw.aws("iam").create_role(RoleName="one", AssumeRolePolicyDocument=trust)
    site.write("desired-state/environments/dev.yaml", "project: g\naws: {primary: {region: us-east-1}, eu: {region: eu-west-1}}\n")
    site.commit()
    adopt_files(site)
    assert actions(site.plan()) == dict.fromkeys(["aws.iam_role/one", "aws.secret/here/eu-west-1@eu", "aws.secret/here/us-east-1"], "adopt")


def test_a_bootstrapped_server_with_nothing_on_it_has_nothing_to_adopt(site: Site, tmp_path: Path) -> None:
    logins = "{plan: {method: approle}, apply: {method: approle}}"
    environment = f"project: genesis\nvault:\n  primary: {{namespace: genesis, auth: {logins}}}\n  root: {{namespace: /}}\naws: {{}}\n"
    site.write("desired-state/environments/dev.yaml", environment)
    site.commit()
    with start_bao_raft(tmp_path) as server:
        site.environ |= {"VAULT_ADDR": server.address, "VAULT_TOKEN": server.token, "VAULT_NAMESPACE": ""}
        assert site.run("bootstrap", "--yes").code == 0
        raw = Raw(server.address, server.token, "")
        role = "auth/approle/role/reconciler-plan"
        raw.write("sys/policies/acl/all", "genesis", body={"policy": 'path "*" { capabilities = ["read", "list", "scan", "sudo"] }'})
        raw.write(role, "genesis", body={"token_policies": ["reconciler-plan", "all"]})
        raw.write("sys/quotas/rate-limit/calm", body={"rate": 1000, "path": "genesis/"})
        login = {"VAULT_ROLE_ID": raw.read(f"{role}/role-id", "genesis")["role_id"]}
        login["VAULT_SECRET_ID"] = raw.vault("genesis").adapter.post(f"/v1/{role}/secret-id")["data"]["secret_id"]
        found = adopt(site, "-o", "json", **login).json
        raw.close()
    # The policy and quota that this test made, and the device that stands in this server's configuration.
    assert [document["name"] for document in found["documents"]] == ["main", "all", "calm"]


def test_an_instance_that_nobody_declared_need_not_be_reached(site: Site, vault: VaultClient) -> None:
    vault.write("sys/policies/acl/only", {"policy": 'path "x" { capabilities = ["read"] }'})
    site.write("desired-state/environments/dev.yaml", "project: genesis\n")
    site.commit()
    nowhere = "http://127.0.0.1:9"
    found = adopt_files(site, AWS_ENDPOINT_URL=nowhere)
    assert [document["name"] for document in found["documents"]] == ["only"]
    assert found["notes"][0].startswith("aws was not read")
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT)
    site.commit()
    assert adopt(site, "-o", "json", code=1, AWS_ENDPOINT_URL=nowhere).json["unknown"][0]["kind"] == "aws.*"


@pytest.mark.parametrize("kind", ["vault.policy/default", "vault.oidc_provider/default", "vault.secrets_engine/reconciler"])
def test_what_servers_and_the_reconciler_make_cannot_be_declared(kind: str, site: Site) -> None:
    kind, _, name = kind.partition("/")
    spec = {"vault.policy": "{hcl: 'path \"x\" {}'}", "vault.secrets_engine": "{type: kv-v2}"}.get(kind, "{}")
    site.write("desired-state/x.yaml", f"kind: {kind}\nname: {name}\nspec: {spec}\n")
    site.commit()
    ran = site.run("validate")
    assert ran.code == 1
    assert "never managed" in ran.err
