"""Plaintext credentials: what is found, and what is not taken for one."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest

from reconciler.desired.scan import is_suspicious, scan
from tests.desired.world import read, refused

AWS_KEY = "AKIA" + "IOSFODNN7EXAMPLQ"  # in two pieces, or a scanner of this repository would find it
GITHUB = "ghp_" + "abcdefghijklmnopqrstuvwxyz0123456789"
SLACK = "xoxb-" + "123456789012-abcdefGHIJKL"
STRIPE = "sk_live_" + "abcdefghijklmnopqrstuvwx"
PEM = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
VAULT = "hvs." + "CAESIJ1234567890abcdefghij"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("data", "note"), AWS_KEY),
        (("data", "description"), f"use {GITHUB} for now"),
        (("data", "x"), SLACK),
        (("data", "x"), STRIPE),
        (("data", "x"), PEM),
        (("data", "x"), JWT),
        (("data", "x"), VAULT),
        (("connection_url",), "postgresql://admin:s3cr3t@db:5432/x"),
        (("connection_url",), "mysql://{{username}}:s3cr3t@db"),
        (("password",), "hunter2"),
        (("db_password",), "correct horse"),
        (("rootPassword",), "x1"),
        (("client_secret",), "q8Zr2mX0vB5nT7kLw3Yd"),
        (("api_key",), "3f8a9c1b7e2d4056a1b2c3d4e5f60718"),
        (("tokens", 0), "q8Zr2mX0vB5nT7kLw3Yd"),
        (("secret_id",), "6f1c2a3b-9d4e-4f5a-8b7c-0d1e2f3a4b5c"),
    ],
    ids=repr,
)
def test_a_credential_is_found_and_never_shown(path: tuple[str | int, ...], value: str) -> None:
    (finding,) = scan(_nested(path, value))
    assert finding.path == path
    assert value not in finding.sort


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("name",), "q8Zr2mX0vB5nT7kLw3Yd"),
        (("rules", 0, "path"), "genesis/data/q8Zr2mX0vB5nT7kLw3Yd"),
        (("Action",), "secretsmanager:GetSecretValueOfEverything2"),
        (("Statement", "Resource"), "arn:aws:secretsmanager:us-east-1:123456789012:secret:Genesis-a1B2c3"),
        (("kms_key_id",), "1234abcd-12ab-34cd-56ef-1234567890ab"),
        (("kms_key",), "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"),
        (("password", "from"), "vault:genesis/data/db#password"),
        (("connection_url",), "postgresql://{{username}}:{{password}}@db:5432/x"),
        (("jwt_validation_pubkeys", 0), "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAElqT8EGqiW0L3YTUmqPfxhVzvrln0\n"),
        (("token_policies", 0), "genesis-service-readonly-2024"),
        (("token_type",), "default-service"),
        (("token_ttl",), "3600"),
        (("key",), "orders"),
        (("key",), "genesis/data/api_keys/claude-2024-v2"),
        (("service_account_token",), "file:/var/run/secrets/token"),
        (("private_key",), "${{ ref('t.role/a').id }}"),
        (("password",), "{{password}}"),
        (("key_type",), "aes256-gcm96"),
        (("username_template",), "{{ printf \"v-%s\" (.RoleName) }}"),
        (("sha256",), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (("sid",), "AllowReadingOfGenesisSecrets2024"),
    ],
    ids=repr,
)  # fmt: skip
def test_names_paths_references_and_public_keys_are_no_credentials(path: tuple[str | int, ...], value: str) -> None:
    assert not list(scan(_nested(path, value)))


def _nested(path: tuple[str | int, ...], value: Any) -> Any:
    for part in reversed(path):
        value = [value] if isinstance(part, int) else {part: value}
    return value


ORDINARY = "kind: t.role\nname: approle/ci\nspec:\n  token_policies: [default, service]\n  token_ttl: 1h\n  secret_id_num_uses: 10\n"


def test_an_ordinary_text_is_not_walked() -> None:
    assert not is_suspicious(ORDINARY, re.findall(r"\w+(?=:)", ORDINARY))


@pytest.mark.parametrize("value", [AWS_KEY, GITHUB, SLACK, STRIPE, PEM, JWT, VAULT, "a://b:c@d", r"\x41KIA"])
def test_a_text_with_a_credential_is_walked(value: str) -> None:
    assert is_suspicious(f"{ORDINARY}  note: {value}\n", [])


@pytest.mark.parametrize(
    "written",
    [
        "db_password: hunter2",
        "db_password: |\n      hunter2",
        "'db_password': >-\n      hunter2",
        '"db_\\x70assword": hunter2',
        "? db_password\n    : hunter2",
    ],
)
def test_a_credential_is_found_however_the_yaml_is_written(written: str) -> None:
    said = refused(f"kind: t.role\nname: m/r\nspec:\n  metadata:\n    {written}")
    assert "t.role/m/r: `spec.metadata.db_password` holds a password in plain text (rotate it, store it, and write where it is" in said
    assert "hunter2" not in said


def test_a_credential_behind_a_template_is_found_where_it_is_given() -> None:
    template = "parameters: {db_password: {type: string}}\n---\nkind: t.role\nname: m/r\nspec: {metadata: {p: '${{ db_password }}'}}\n"
    said = refused("template: t\nwith:\n  db_password: hunter2", templates={"t": template})
    assert said.startswith("desired-state/a.yaml:3: template/t: `with.db_password` holds a password in plain text")


def test_a_credential_in_the_default_of_a_parameter_is_found() -> None:
    template = "parameters:\n  a: {type: string}\n  db_password: {type: string, default: hunter2}\n---\n"
    assert refused(templates={"t": template}).startswith("templates/t.yaml.j2:3: template/t: `parameters.db_password` holds a password")


def test_ordinary_documents_load_no_scanner() -> None:
    script = (
        "import sys\nsys.path.insert(0, '.')\nfrom tests.desired.world import read\n"
        "read('kind: t.role\\nname: m/r\\nspec: {ttl: 1h}')\nprint('detect_secrets' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_reference_in_a_secret_field_is_no_credential() -> None:
    assert len(read("kind: t.role\nname: m/r\nspec: {password: {from: 'vault:genesis/data/db#password'}}").resources) == 1
