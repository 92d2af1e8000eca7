"""No value of a secret is reachable from what we print, keep or say: canaries are searched for in all of it."""

from __future__ import annotations

import base64
import json
import shutil
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Ran, Site

CANARIES = {
    "env": "canary-env-7fQ2xLm9",
    "env changed": "canary-env-changed-3Vb8Kp1",
    "file": "canary-file-5Rt6Yz0w",
    "vault": "canary-vault-9Hn4Jd2s",
    "aws": "canary-aws-1Gc7Tf5v",
    "broken": "canary-broken-8Wm3@Xs6:port",
}
ENVIRONMENT = """\
project: genesis
vault: {{primary: {{}}}}
aws: {{primary: {{region: us-east-1}}}}
ledger: {ledger}
secret_env: [BOB, BROKEN]
secret_files: keys
"""
USERS = """\
kind: vault.auth_method
name: userpass
spec: {type: userpass}
---
kind: vault.userpass_user
name: userpass/by-env
spec: {password: {from: env:BOB}}
---
kind: vault.userpass_user
name: userpass/by-file
spec: {password: {from: file:carol}}
---
kind: vault.userpass_user
name: userpass/by-vault
spec: {password: {from: "vault:seed/data/db#password"}}
---
kind: vault.userpass_user
name: userpass/by-aws
spec: {password: {from: "aws:seed#password"}}
---
kind: vault.userpass_user
name: userpass/generated
spec: {password: {generate: {length: 30}, to: "vault:seed/data/made#password"}}
---
kind: aws.ssm_parameter
name: /genesis/key
spec: {type: SecureString, value: {from: env:BOB}}
"""
# Each is refused by its server while the value is in the body of the request.
BROKEN = """\
---
kind: vault.secrets_engine
name: database
spec: {type: database}
---
kind: vault.database_connection
name: database/unparsable
spec:
  plugin_name: postgresql-database-plugin
  connection_url: "postgresql://{{username}}:{{password}}@db.invalid:notaport/orders"
  username: vault
  password: {from: env:BROKEN}
  disable_escaping: true
---
kind: vault.database_connection
name: database/unreachable
spec:
  plugin_name: postgresql-database-plugin
  connection_url: "postgresql://{{username}}:{{password}}@127.0.0.1:1/orders?sslmode=disable"
  username: vault
  password: {from: env:BOB}
---
kind: vault.database_connection
name: database/mysql
spec:
  plugin_name: mysql-database-plugin
  connection_url: "{{username}}:{{password}}@tcp(127.0.0.1:1)/"
  username: vault
  password: {from: env:BROKEN}
---
kind: vault.auth_method
name: jwt
spec: {type: oidc}
---
kind: vault.auth_config
name: jwt
spec: {oidc_discovery_url: "http://127.0.0.1:1", oidc_client_id: x, oidc_client_secret: {from: env:BROKEN}}
---
kind: vault.auth_method
name: k8s
spec: {type: kubernetes}
---
kind: vault.auth_config
name: k8s
spec: {kubernetes_host: "https://k8s.invalid", token_reviewer_jwt: {from: env:BROKEN}, pem_keys: [no pem]}
---
kind: aws.ssm_parameter
name: /genesis/broken
spec: {type: SecureString, value: {from: env:BROKEN}, key_id: alias/nobody}
"""


@pytest.fixture(params=["{vault: primary}", "{file: ledger}", "{s3: ledgers/here}"], ids=["vault", "file", "s3"])
def cage(request: pytest.FixtureRequest, site: Site, vault: VaultClient, moto: str) -> Site:
    """A repository with a secret from each source."""
    site.environ |= {"AWS_ENDPOINT_URL": moto, "BOB": CANARIES["env"], "BROKEN": CANARIES["broken"]}
    boto3.client("s3", endpoint_url=moto).create_bucket(Bucket="ledgers")
    boto3.client("secretsmanager", endpoint_url=moto).create_secret(Name="seed", SecretString=json.dumps({"password": CANARIES["aws"]}))
    vault.write("sys/mounts/seed", {"type": "kv-v2"})
    vault.write("seed/data/db", {"data": {"password": CANARIES["vault"]}})
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT.format(ledger=request.param))
    site.write("desired-state/users.yaml", USERS)
    site.write(".gitignore", "keys/\nledger/\n.reconcile/\n")
    site.commit("first")
    site.write("keys/carol", CANARIES["file"])
    return site


def ways_to_write(value: str) -> set[str]:
    """A value as it may turn up: as it is, in JSON, in a URL, in base64."""
    raw = value.encode()
    return {value, json.dumps(value)[1:-1], urllib.parse.quote(value, safe=""), base64.b64encode(raw).decode().rstrip("="), raw.hex()}


def found_in(text: str, values: dict[str, str]) -> list[str]:
    return [name for name, value in values.items() if any(written in text for written in ways_to_write(value))]


def kept_by(site: Site, vault: VaultClient, moto: str) -> Iterator[tuple[str, str]]:
    """Everything that we keep: each version of each entry of the ledger, and each file of the work tree."""
    for mount in vault.mounts() or {}:
        if mount == "reconciler":
            for path in _below(vault, ""):
                metadata = vault.read(f"reconciler/metadata/{path}") or {}
                for version in metadata["versions"]:
                    yield f"{path} version {version}", json.dumps(vault.read(f"reconciler/data/{path}", version=version))
    s3 = boto3.client("s3", endpoint_url=moto)
    for entry in s3.list_objects_v2(Bucket="ledgers").get("Contents", []):
        yield entry["Key"], s3.get_object(Bucket="ledgers", Key=entry["Key"])["Body"].read().decode("utf-8", "replace")
    for file in site.repo.rglob("*"):
        if file.is_file() and ".git" not in file.parts and "keys" not in file.parts:
            yield str(file), file.read_bytes().decode("utf-8", "replace")


def _below(vault: VaultClient, path: str) -> Iterator[str]:
    listing = vault.list(f"reconciler/metadata/{path}")
    for name in listing.keys if listing else ():
        if name.endswith("/"):
            yield from _below(vault, path + name)
        else:
            yield path + name


def everything_said(site: Site, planfile: Path) -> Iterator[Ran]:
    """Each command that shows something of an object, in each form."""
    for form in ("text", "json", "markdown"):
        yield site.run("--log-format", "json", "plan", "-o", form)
        yield site.run("drift", "-o", form)
    yield site.run("plan", "--out", str(planfile))
    yield site.run("rollback", "--plan")
    for form in ("text", "json"):
        yield site.run("history", "-o", form)
        for address in ("vault.userpass_user/userpass/by-env", "vault.userpass_user/userpass/generated", "aws.ssm_parameter//genesis/key"):
            yield site.run("history", "--address", address, "-o", form)
    yield site.run("render")
    yield site.run("validate")
    yield site.run("validate", "-o", "sarif")
    yield site.run("report", "compliance", "-o", "json")  # the other forms have nothing that this has not


def test_no_value_is_reachable_from_anything_that_is_shown_or_kept(cage: Site, vault: VaultClient, moto: str, tmp_path: Path) -> None:
    planfile = cage.repo / ".reconcile" / "plan.json"
    planfile.parent.mkdir()
    said = [*everything_said(cage, planfile), cage.run("apply", "--yes", "-o", "json")]
    assert said[-1].code == 0, said[-1]
    made = vault.read("seed/data/made")
    assert made is not None
    canaries = CANARIES | {"generated": made["data"]["password"]}
    assert cage.plan()["changes"] == []
    # Another value, another commit, and back.
    cage.environ["BOB"] = CANARIES["env changed"]
    changed = cage.plan()
    assert [field["after"] for change in changed["changes"] for field in change["fields"]] == ["(secret changed)"] * 2
    said += [*everything_said(cage, planfile), cage.run("apply", "--yes")]
    cage.write("desired-state/users.yaml", USERS.replace("name: userpass/by-file", "name: userpass/carol"))
    cage.commit("second")
    said += [*everything_said(cage, planfile), cage.run("apply", "--yes")]
    said += [cage.run("rollback", "--yes"), *everything_said(cage, planfile)]
    assert said[-1].code == 0
    # Servers that refuse a body with a secret in it.
    cage.write("desired-state/users.yaml", USERS + BROKEN)
    cage.commit("broken")
    failed = cage.run("--log-format", "json", "apply", "--yes", "--allow", "rolled_back", "-o", "json")
    assert failed.code == 5, failed
    outcomes = {one["address"]: one for one in failed.json["outcomes"]}
    assert [outcomes[address]["outcome"] for address in outcomes if "database/" in address] == ["failed"] * 3
    assert "Traceback" not in failed.err
    said += [failed, cage.run("apply", "--yes", "--rollback-on-failure"), *everything_said(cage, planfile)]
    assert [(found_in(ran.out + ran.err, canaries), ran) for ran in said if found_in(ran.out + ran.err, canaries)] == []
    assert [(where, found_in(text, canaries)) for where, text in kept_by(cage, vault, moto) if found_in(text, canaries)] == []
    shutil.rmtree(cage.repo / "keys")


def test_the_search_would_find_a_canary(cage: Site, vault: VaultClient, moto: str) -> None:
    """The search itself, held to what it must find: a value in the ledger or a file, in any spelling."""
    cage.apply()
    assert any("userpass/by-env" in text for _, text in kept_by(cage, vault, moto))
    for value in CANARIES.values():
        for spelling in ways_to_write(value):
            assert found_in(f'{{"x": "{spelling}"}}', CANARIES)
