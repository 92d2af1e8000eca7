"""What bootstrap gives the two logins is what rotation needs: the one that applies rotates, the one that plans sees only times."""

from __future__ import annotations

import pytest

from reconciler.dev.process import ask
from reconciler.dev.servers import Server
from tests.cli.site import Site
from tests.rotation.kv import read, request

ENVIRONMENT = """\
project: genesis
vault:
  primary:
    auth:
      plan: {method: approle, mount: approle, role: reconciler-plan}
      apply: {method: approle, mount: approle, role: reconciler-apply}
stores: {vault: {mount: kv}}
"""
SECRETS = """
kind: secret
name: webhooks/github
spec: {type: webhook_secret, generate: {length: 48}, rotation: hooks}
---
kind: secret
name: keys/orders
spec: {type: transit_key, rotation: hooks, target: {mount: transit, name: orders}}
---
kind: secret
name: certificates/www
spec: {type: tls_certificate, rotation: hooks, target: {mount: pki, role: web, common_name: www.example.com}}
---
kind: rotation_policy
name: hooks
spec: {interval_days: 90, overlap_hours: 0, consumer_cache: 0}
"""


def token(site: Site, server: Server, purpose: str) -> str:
    """A token with the policy that bootstrap wrote for a login."""
    body = {"policies": [f"reconciler-{purpose}"], "no_parent": True}
    status, answer = request(site, "POST", "auth/token/create", body)
    assert status == 200, answer
    return str(answer["auth"]["client_token"])


@pytest.fixture
def prepared(site: Site) -> Site:
    request(site, "POST", "sys/mounts/transit", {"type": "transit"})
    request(site, "POST", "transit/keys/orders", {})
    request(site, "POST", "sys/mounts/pki", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
    request(site, "POST", "pki/root/generate/internal", {"common_name": "root.example.com"})
    request(site, "POST", "pki/roles/web", {"allowed_domains": ["example.com"], "allow_subdomains": True, "max_ttl": "720h"})
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT)
    site.write("desired-state/secrets.yaml", SECRETS)
    site.commit()
    ran = site.run("bootstrap", "--yes")
    assert ran.code == 0, ran.out + ran.err
    site.write("desired-state/environments/dev.yaml", "project: genesis\nstores: {vault: {mount: kv}}\n")
    site.commit()
    return site


def test_the_login_that_applies_may_rotate(prepared: Site, bao: Server) -> None:
    ran = prepared.run("rotate", "--all", VAULT_TOKEN=token(prepared, bao, "apply"))
    assert ran.code == 0, ran.out + ran.err
    for path in ("webhooks/github", "keys/orders", "certificates/www"):
        ran = prepared.run("rotate", "--secret-path", path, VAULT_TOKEN=token(prepared, bao, "apply"))
        assert ran.code == 0, ran.out + ran.err
    assert read(prepared, "keys/orders") == {"key": "transit/orders", "version": "2"}


def test_the_login_that_plans_sees_times_and_no_value(prepared: Site, bao: Server) -> None:
    assert prepared.run("rotate", "--all").code == 0
    plans = token(prepared, bao, "plan")
    for path in ("kv/data/webhooks/github", "kv/data/_rotation/webhooks/github"):
        status, _ = ask(bao.address, "GET", f"/v1/{prepared.namespace}/{path}", token=plans)
        assert status == 403
    rows = prepared.run("rotate", "status", "-o", "json", VAULT_TOKEN=plans).json
    assert {one["phase"] for one in rows} == {"IDLE"}
    assert all(one["last_rotated"] and one["next_due"] for one in rows)
