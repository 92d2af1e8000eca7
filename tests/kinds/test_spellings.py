"""Names of configurations: the mount and the part, or the path on the API."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.core.address import Address
from reconciler.core.change import Action, Change
from reconciler.core.kind import Names
from reconciler.core.secret import Secret
from reconciler.kinds import KINDS


def no_secret(_secret: Secret) -> str:
    raise AssertionError("there is none")


@pytest.mark.parametrize(
    ("kind", "name", "spec", "path"),
    [
        ("vault.engine_config", "kv", {"max_versions": 3}, "kv/config"),
        ("vault.engine_config", "kv/config", {"max_versions": 3}, "kv/config"),
        ("vault.engine_config", "pki/urls", {"ocsp_servers": ["http://o"]}, "pki/config/urls"),
        ("vault.engine_config", "pki/config/urls", {"ocsp_servers": ["http://o"]}, "pki/config/urls"),
        ("vault.auth_config", "cert", {"disable_binding": True}, "auth/cert/config"),
        ("vault.auth_config", "cert/config", {"disable_binding": True}, "auth/cert/config"),
    ],
)
def test_a_configuration_is_found_under_either_name(vault: VaultClient, kind: str, name: str, spec: dict[str, Any], path: str) -> None:
    vault.write("sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
    vault.write("sys/mounts/pki", {"type": "pki"})
    vault.write("sys/auth/cert", {"type": "cert"})
    vault.forget_mounts()
    wanted = KINDS[kind].spec.model_validate(spec)
    KINDS[kind].write(vault, Change(Address(kind, name), Action.CREATE, None, wanted), no_secret)
    body = vault.read(path)
    assert body is not None
    assert {key: body[key] for key in spec} == spec
    assert KINDS[kind].read(vault, Names(frozenset({name}))).live[name].spec == wanted


@pytest.mark.parametrize("name", ["jwt", "jwt/config"])
def test_a_configuration_names_its_method(name: str) -> None:
    spec = KINDS["vault.auth_config"].spec.model_validate({"jwks_url": "https://x", "default_role": "ci"})
    refs = {(ref.kind, ref.name) for ref in KINDS["vault.auth_config"].refs(name, spec)}
    assert refs == {("vault.auth_method", "jwt"), ("vault.jwt_role", "jwt/ci")}
