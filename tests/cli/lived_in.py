"""A Vault and an AWS account as people leave them: filled by hand over the years, in every spelling that the servers take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.cli.raw import Raw

COMMENTED = """\
# Who reads what the shop sells.
path "kv/data/shop/*" {
  capabilities = ["read", "list"]   # list is for the console
}

path "/kv/metadata/shop/*" { policy = "read" }
path "kv/data/{{identity.entity.aliases.ACCESSOR.name}}/*" { capabilities = ["create","update"] }
path "auth/token/create" {
  capabilities       = ["update"]
  allowed_parameters = { "ttl" = ["1h", "2h"] "*" = [] }
}
"""
PASSWORDS = 'length=20\nrule "charset" {\n  charset = "abcdefghij"\n}\n'
PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAElimFdRmfz44v3XQtPSWs7z91kh9/
bGmSB3LFVefESvSwoF/V1oN8CJ1nSi+9Y/n2PpzWsUzvjh3zid2qy3AwJg==
-----END PUBLIC KEY-----
"""
CANARY = "canary-4bd1e29f6c7a8035"
SERVICES = ("billing", "web-shop", "mail")


class Filler:
    """Writes to one namespace by raw requests, and asks for what only the server knows."""

    def __init__(self, raw: Raw, namespace: str) -> None:
        self._raw, self.namespace = raw, namespace

    def put(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        self._raw.write(path, self.namespace, body=body or {})

    def get(self, path: str) -> Any:
        return self._raw.read(path, self.namespace)

    def within(self, name: str) -> Filler:
        self.put(f"sys/namespaces/{name}", {"custom_metadata": {"owner": name}})
        return Filler(self._raw, f"{self.namespace}/{name}".strip("/"))


def fill_vault(vault: Filler) -> None:
    """One namespace with something of every sort, and two below it."""
    _mounts(vault)
    accessor = vault.get("sys/auth")["userpass/"]["accessor"]
    vault.put("sys/policies/acl/Shop-Readers", {"policy": COMMENTED.replace("ACCESSOR", accessor)})
    vault.put("sys/policies/acl/everything", {"policy": 'path "*" { capabilities = ["sudo", "read"] }'})
    vault.put("sys/policies/password/twenty", {"policy": PASSWORDS})
    _logins(vault)
    _engines(vault)
    _identities(vault, accessor)
    _services(vault)
    team = vault.within("team-a")
    team.put("sys/policies/acl/readers", {"policy": 'path "secret/*" { capabilities = ["read"] }'})
    team.put("sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    inner = team.within("blue")
    inner.put("sys/auth/machines", {"type": "approle", "description": "of the blue team"})
    inner.put("auth/machines/role/Robot", {"token_policies": "readers", "secret_id_ttl": "10m"})
    inner.put("identity/group", {"name": "blue", "policies": ["readers"]})


def _mounts(vault: Filler) -> None:
    engines: dict[str, dict[str, Any]] = {
        "kv": {"type": "kv-v2", "description": "the shop's"},
        "old": {"type": "kv", "config": {"default_lease_ttl": "90m"}},
        "transit": {"type": "transit", "seal_wrap": True},
        "pki": {"type": "pki", "config": {"max_lease_ttl": "87600h"}},
        "ssh": {"type": "ssh"},
        "db/main": {"type": "database"},
        "totp": {"type": "totp"},
    }
    methods: dict[str, dict[str, Any]] = {
        "approle": {"type": "approle", "config": {"default_lease_ttl": "45m"}},
        "userpass": {"type": "userpass"},
        "ci/jwt": {"type": "jwt"},
        "k8s": {"type": "kubernetes"},
        "cert": {"type": "cert"},
    }
    for path, body in engines.items():
        vault.put(f"sys/mounts/{path}", body)
    for path, body in methods.items():
        vault.put(f"sys/auth/{path}", body)
    vault.put("sys/auth/userpass/tune", {"user_lockout_config": {"lockout_threshold": "4"}, "listing_visibility": "unauth"})


def _logins(vault: Filler) -> None:
    vault.put("auth/approle/role/Web", {"policies": "shop-readers,default", "period": "24h", "token_bound_cidrs": "127.0.0.1/32"})
    vault.put("auth/approle/role/bare", {})
    vault.put("auth/userpass/users/Alice", {"password": CANARY, "token_policies": ["shop-readers"], "token_ttl": "1.5h"})
    vault.put("auth/ci/jwt/config", {"jwt_validation_pubkeys": PUBLIC_KEY, "bound_issuer": "https://issuer.example"})
    bound = {"repository": "acme/shop", "ref": ["refs/heads/main"]}
    vault.put("auth/ci/jwt/role/Deploy", {"role_type": "jwt", "user_claim": "sub", "bound_claims": bound, "token_policies": "everything"})
    reviewer = {"kubernetes_host": "https://10.0.0.1:6443", "token_reviewer_jwt": f"{CANARY}.a.b", "kubernetes_ca_cert": "x"}
    vault.put("auth/k8s/config", reviewer)
    vault.put("auth/k8s/role/web", {"bound_service_account_names": "web,api", "bound_service_account_namespaces": "*", "ttl": "1h"})
    vault.put("auth/token/roles/nightly", {"allowed_policies": "shop-readers", "orphan": True, "period": "1h"})


def _engines(vault: Filler) -> None:
    vault.put("kv/config", {"max_versions": "7"})
    vault.put("kv/data/shop/prices", {"data": {"key": CANARY}})
    vault.put("kv/metadata/shop/prices", {"max_versions": 3, "custom_metadata": {"owner": "shop", "reconciler_rotation": "busy"}})
    vault.put("kv/data/top", {"data": {"a": CANARY}})
    vault.put("transit/keys/orders", {"type": "ed25519", "exportable": True})
    vault.put("transit/keys/orders/rotate")
    vault.put("transit/keys/orders/config", {"min_decryption_version": 2})
    vault.put("pki/root/generate/internal", {"common_name": "example.com", "ttl": "87600h", "key_type": "ec"})
    vault.put("pki/config/urls", {"issuing_certificates": "https://a.example,https://b.example"})
    vault.put("pki/roles/web", {"allowed_domains": "example.com", "allow_subdomains": True, "max_ttl": "72h", "key_bits": 0})
    vault.put("ssh/config/ca", {"generate_signing_key": True, "key_type": "ed25519"})
    vault.put("ssh/roles/people", {"key_type": "ca", "allow_user_certificates": True, "allowed_users": "ubuntu,admin", "ttl": "1h"})
    connection = {
        "plugin_name": "postgresql-database-plugin",
        "connection_url": "postgresql://{{username}}:{{password}}@db.example:5432/shop",
        "username": "vault",
        "password": CANARY,
        "allowed_roles": "*",
        "verify_connection": False,
    }
    vault.put("db/main/config/shop", connection)
    inline = {**connection, "connection_url": f"postgresql://shop:{CANARY}@db.example/shop", "username": "", "password": ""}
    vault.put("db/main/config/inline", inline)
    vault.put("db/main/roles/reader", {"db_name": "shop", "creation_statements": "CREATE ROLE \"{{name}}\" PASSWORD '{{password}}'"})


def _identities(vault: Filler, accessor: str) -> None:
    vault.put("identity/entity", {"name": "alice@example.com", "policies": ["Shop-Readers"], "metadata": {"team": "shop"}})
    alice = vault.get("identity/entity/name/alice@example.com")["id"]
    vault.put("identity/entity-alias", {"name": "alice", "mount_accessor": accessor, "canonical_id": alice})
    vault.put("identity/group", {"name": "shop", "policies": ["everything"], "member_entity_ids": [alice]})
    vault.put("identity/group", {"name": "staff", "type": "external", "policies": ["shop-readers"]})
    staff = vault.get("identity/group/name/staff")["id"]
    jwt = vault.get("sys/auth")["ci/jwt/"]["accessor"]
    vault.put("identity/group-alias", {"name": "cn=staff", "mount_accessor": jwt, "canonical_id": staff})
    vault.put("identity/oidc/key/apps", {"rotation_period": "12h", "allowed_client_ids": "*"})
    vault.put("identity/oidc/assignment/office", {"entity_ids": [alice], "group_ids": [staff]})
    vault.put("identity/oidc/client/portal", {"key": "apps", "assignments": ["office"], "redirect_uris": ["https://a.example/cb"]})
    client = vault.get("identity/oidc/client/portal")["client_id"]
    vault.put("identity/oidc/scope/groups", {"template": '{"groups": {{identity.entity.groups.names}}}'})
    vault.put("identity/oidc/provider/corp", {"allowed_client_ids": [client], "scopes_supported": ["groups"]})
    # Whoever logs in is given an entity by the server.
    vault._raw.write("auth/userpass/login/alice", vault.namespace, body={"password": CANARY})
    vault.put("auth/userpass/users/bob", {"password": CANARY})
    vault._raw.write("auth/userpass/login/bob", vault.namespace, body={"password": CANARY})


def _services(vault: Filler) -> None:
    for name in SERVICES:
        text = f'# {name}\npath "kv/data/{name}/*" {{ capabilities = ["read"] }}'
        vault.put(f"sys/policies/acl/svc-{name}", {"policy": text})
        vault.put(f"auth/approle/role/{name}", {"token_policies": [f"svc-{name}"], "token_ttl": "2h" if name == "mail" else "1h"})
        vault.put(f"kv/data/{name}/key", {"data": {"key": CANARY}})


def fill_aws(raw: Raw) -> None:
    """A secret, a key, a policy and a role that name each other by ARN; and what AWS and its services make themselves."""
    secrets, kms, iam = raw.aws("secretsmanager"), raw.aws("kms"), raw.aws("iam")
    key = kms.create_key(Description="of the shop", Tags=[{"TagKey": "team", "TagValue": "shop"}])["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/shop", TargetKeyId=key)
    secret = secrets.create_secret(Name="shop/api", SecretString=CANARY, KmsKeyId=key, Tags=[{"Key": "team", "Value": "shop"}])
    secrets.create_secret(Name="rds!db-1", SecretString=CANARY)
    read = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret["ARN"]}
    document = json.dumps({"Version": "2012-10-17", "Statement": [read]})
    policy = iam.create_policy(PolicyName="read-shop", Path="/shop/", PolicyDocument=document)["Policy"]["Arn"]
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trusting = json.dumps({"Version": "2012-10-17", "Statement": trust})
    iam.create_role(RoleName="shop", AssumeRolePolicyDocument=trusting, Description="sells")
    iam.attach_role_policy(RoleName="shop", PolicyArn=policy)
    iam.attach_role_policy(RoleName="shop", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com")
    raw.aws("ssm").put_parameter(Name="/shop/region", Value="eu-west-1", Type="String")
