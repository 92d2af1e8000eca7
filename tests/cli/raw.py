"""What is on the servers, read and changed past all of our own code: with hvac and boto3, as somebody else would."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import hvac
from hvac.exceptions import InvalidPath, InvalidRequest, UnsupportedOperation

# What a server makes or counts by itself: a rollback cannot and need not restore it.
MOVING = re.compile(
    r"(last_)?(update|updated|creation|created|modified|last_update)(_time)?|accessor|uuid|version|modified|id|.*_id|request_id"
    r"|(current|oldest|current_metadata)_version|versions|keys|last_used|modify_index|RoleId|PolicyId|KeyId|CreateDate|UpdateDate|CreationDate|LastChangedDate|CreatedDate"
    r"|LastAccessedDate|RoleLastUsed|DefaultVersionId|VersionId|VersionIdsToStages|SecretVersionsToStages|ResponseMetadata"
)
ARN_SUFFIX = re.compile(r"(:secret:.+)-[A-Za-z0-9]{6}$")
# 400 is the answer for a mount that does not exist, and for what only the root namespace has.
ABSENT = (InvalidPath, InvalidRequest, UnsupportedOperation)
# Not ours, or everywhere; `seed` is where the test keeps the values that it refers to.
HIDDEN_MOUNTS = ("reconciler", "seed", "cubbyhole", "identity", "sys", "token")


class Raw:
    """A Vault and an AWS account. `namespace` is relative to the root."""

    def __init__(self, address: str, token: str, endpoint: str) -> None:
        self._address, self._token, self._endpoint = address, token, endpoint
        self._clients: dict[str, hvac.Client] = {}

    def vault(self, namespace: str = "") -> hvac.Client:
        if namespace not in self._clients:
            self._clients[namespace] = hvac.Client(self._address, self._token, namespace=namespace or None)
        return self._clients[namespace]

    def aws(self, service: str, region: str = "us-east-1") -> Any:
        return boto3.client(service, region_name=region, endpoint_url=self._endpoint)  # type: ignore[call-overload]  # by name

    def read(self, path: str, namespace: str = "") -> Any:
        """The data at a path, None where there is none."""
        try:
            answer = self.vault(namespace).adapter.get(f"/v1/{path}")
        except ABSENT:
            return None
        return answer.get("data") or answer

    def names(self, path: str, namespace: str = "") -> list[str]:
        try:
            return sorted(self.vault(namespace).adapter.list(f"/v1/{path}")["data"]["keys"])
        except ABSENT:
            return []

    def write(self, path: str, namespace: str = "", *, method: str = "POST", body: Mapping[str, Any]) -> None:
        headers = {"Content-Type": "application/merge-patch+json"} if method == "PATCH" else {}
        self.vault(namespace).adapter.request(method, f"/v1/{path}", json=dict(body), headers=headers)

    def delete(self, path: str, namespace: str = "") -> None:
        self.vault(namespace).adapter.delete(f"/v1/{path}")

    def close(self) -> None:
        for client in self._clients.values():
            client.adapter.close()

    def snapshot(self) -> dict[str, Any]:
        """Everything that both servers hold, but for what moves by itself, with names in the place of ids."""
        found = {path: still(body) for path, body in (*self._vault_all(), *self._aws_all())}
        names = dict(self._ids())
        return {path: _named(body, names) for path, body in found.items()}

    # ---- Vault, path by path

    def _vault_all(self) -> Iterator[tuple[str, Any]]:
        namespaces = ["", *(name.rstrip("/") for name in self.names("sys/namespaces"))]
        for namespace in namespaces:
            for path in self._paths(namespace):
                yield f"{namespace}:{path}", self.read(path, namespace)
        for alias in self.names("identity/group-alias/id"):
            body = self.read(f"identity/group-alias/id/{alias}")
            yield f"identity/group-alias/{body['name']}", {**body, "group": body["canonical_id"]}
        for namespace in namespaces[1:]:
            yield f"sys/namespaces/{namespace}", self.read(f"sys/namespaces/{namespace}")

    def _paths(self, namespace: str) -> Iterator[str]:
        def below(path: str) -> Iterator[str]:
            for name in self.names(path, namespace):
                if name.endswith("/"):
                    yield from below(f"{path}/{name.rstrip('/')}")
                else:
                    yield f"{path}/{name}"

        listed = ["sys/policies/acl", "sys/policies/password", "sys/quotas/rate-limit", "auth/token/roles"]
        listed += ["identity/entity/name", "identity/group/name", "identity/oidc/role"]
        for path in listed:
            yield from below(path)
        for mount, about in self._mounts("sys/mounts", namespace):
            yield f"sys/mounts/{mount}"
            yield f"sys/mounts/{mount}/tune"
            yield from (path for part in ENGINE_PARTS.get(about["type"], ()) for path in below(f"{mount}/{part}"))
            yield from (f"{mount}/{part}" for part in ENGINE_SETTINGS.get(about["type"], ()))
        for mount, about in self._mounts("sys/auth", namespace):
            yield f"sys/auth/{mount}"
            yield f"sys/auth/{mount}/tune"
            yield f"auth/{mount}/config"
            yield from below(f"auth/{mount}/{'users' if about['type'] == 'userpass' else 'role'}")

    def _mounts(self, path: str, namespace: str) -> Iterator[tuple[str, Any]]:
        for mount, about in (self.read(path, namespace) or {}).items():
            if mount.rstrip("/") not in HIDDEN_MOUNTS:
                yield mount.rstrip("/"), about

    def _ids(self) -> Iterator[tuple[str, str]]:
        for sort in ("entity", "group"):
            for name in self.names(f"identity/{sort}/name"):
                yield self.read(f"identity/{sort}/name/{name}")["id"], name

    # ---- AWS

    def _aws_all(self) -> Iterator[tuple[str, Any]]:
        details = self.aws("iam").get_account_authorization_details(Filter=["Role", "LocalManagedPolicy"])
        for role in details["RoleDetailList"]:
            yield f"role {role['RoleName']}", {**role, **self.aws("iam").get_role(RoleName=role["RoleName"])["Role"]}
        for policy in details["Policies"]:
            document = next(one["Document"] for one in policy["PolicyVersionList"] if one["IsDefaultVersion"])
            tags = self.aws("iam").list_policy_tags(PolicyArn=policy["Arn"])["Tags"]
            body = {key: value for key, value in policy.items() if key != "PolicyVersionList"}
            yield f"policy {policy['Arn']}", {**body, "document": document, "Tags": tags}
        for secret in self.aws("secretsmanager").list_secrets()["SecretList"]:
            about = self.aws("secretsmanager").describe_secret(SecretId=secret["Name"])
            policy = self.aws("secretsmanager").get_resource_policy(SecretId=secret["Name"])
            yield f"secret {secret['Name']}", {**about, "policy": policy.get("ResourcePolicy")}
        kms = self.aws("kms")
        for alias in kms.list_aliases()["Aliases"]:
            if (key := alias.get("TargetKeyId")) and not alias["AliasName"].startswith("alias/aws/"):
                yield (
                    f"key {alias['AliasName']}",
                    {
                        "about": kms.describe_key(KeyId=key)["KeyMetadata"],
                        "policy": json.loads(kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]),
                        "rotation": kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"],
                        "tags": kms.list_resource_tags(KeyId=key)["Tags"],
                    },
                )


ENGINE_PARTS: Mapping[str, tuple[str, ...]] = {
    "kv": ("metadata",),
    "transit": ("keys",),
    "database": ("config", "roles"),
    "pki": ("roles",),
}
ENGINE_SETTINGS: Mapping[str, tuple[str, ...]] = {"kv": ("config",), "pki": ("config/urls", "config/crl")}


def still(value: Any) -> Any:
    """A body without what moves by itself. An empty map is at times answered as null."""
    if value in ({}, []):
        return None
    if isinstance(value, dict):
        return {key: still(entry) for key, entry in value.items() if not MOVING.fullmatch(key)}
    if isinstance(value, list):
        return sorted((still(entry) for entry in value), key=lambda entry: json.dumps(entry, default=str, sort_keys=True))
    return ARN_SUFFIX.sub(r"\1", value) if isinstance(value, str) else value


def _named(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _named(entry, names) for key, entry in value.items()}
    if isinstance(value, list):
        return sorted((_named(entry, names) for entry in value), key=lambda entry: json.dumps(entry, default=str, sort_keys=True))
    return names.get(value, value) if isinstance(value, str) else value


def everything_below(raw: Raw, namespace: str) -> dict[str, Any]:
    """Every list and every body of a namespace and all below it, byte for byte, and the AWS account."""
    found: dict[str, Any] = {}

    def walk(path: str, inside: str) -> None:
        for name in raw.names(path, inside):
            if name.endswith("/"):
                walk(f"{path}/{name.rstrip('/')}", inside)
            else:
                found[f"{inside}:{path}/{name}"] = raw.read(f"{path}/{name}", inside)

    def visit(inside: str) -> None:
        for sort in ("mounts", "auth"):
            found[f"{inside}:sys/{sort}"] = {
                name: about for name, about in raw.read(f"sys/{sort}", inside).items() if name != "reconciler/"
            }
        for path in (*SYSTEM_LISTS, *(f"{mount.rstrip('/')}/{part}" for mount, part in _parts(raw, inside))):
            walk(path, inside)
        for name in raw.names("sys/namespaces", inside):
            found[f"{inside}:sys/namespaces/{name}"] = raw.read(f"sys/namespaces/{name.rstrip('/')}", inside)
            visit(f"{inside}/{name.rstrip('/')}")

    visit(namespace)
    return found | {path: still(body) for path, body in raw._aws_all()}


SYSTEM_LISTS = (
    "sys/policies/acl",
    "sys/policies/password",
    "auth/token/roles",
    "identity/entity/id",
    "identity/group/id",
    "identity/entity-alias/id",
    "identity/group-alias/id",
    *(f"identity/oidc/{sort}" for sort in ("key", "client", "provider")),
)
_PARTS = {"kv": ("metadata",), "transit": ("keys",), "database": ("config", "roles"), "pki": ("roles", "issuers"), "ssh": ("roles",)}
_BELOW = {"approle": "role", "userpass": "users", "jwt": "role", "kubernetes": "role"}


def _parts(raw: Raw, inside: str) -> Iterator[tuple[str, str]]:
    for mount, about in raw.read("sys/mounts", inside).items():
        yield from ((mount, part) for part in _PARTS.get(about["type"], ()) if mount != "reconciler/")
    for mount, about in raw.read("sys/auth", inside).items():
        if about["type"] in _BELOW:
            yield f"auth/{mount}", _BELOW[about["type"]]
