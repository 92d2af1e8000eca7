"""Servers that are down, foreign, shut or stingy: what is said, and that nothing is planned from ignorance."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Ran, Site

READERS = "kind: vault.policy\nname: readers\nspec: {rules: [{path: kv/data/*, capabilities: [read]}]}\n"
ROLES = """\
kind: vault.auth_method
name: approle
spec: {type: approle}
---
kind: vault.approle_role
name: approle/ci
spec: {token_policies: [readers]}
---
kind: vault.approle_role
name: approle/new
spec: {token_policies: [readers]}
"""


@pytest.fixture
def declared(site: Site) -> Site:
    site.write("desired-state/p.yaml", READERS)
    site.commit()
    return site


def in_words(ran: Ran, *words: str) -> None:
    assert ran.code == 1, ran
    assert "Traceback" not in ran.err
    assert ran.err.startswith("error: ")
    for word in words:
        assert word in ran.err, ran.err


def test_a_server_that_is_down(declared: Site) -> None:
    in_words(declared.run("plan", VAULT_ADDR="http://127.0.0.1:1"), "127.0.0.1:1")


def test_a_wrong_token(declared: Site) -> None:
    ran = declared.run("plan", VAULT_TOKEN="hvs.wrong")
    in_words(ran, "token", "not valid")
    assert "hvs.wrong" not in ran.err


def test_no_token_at_all(declared: Site, tmp_path: Path) -> None:
    in_words(declared.run("plan", VAULT_TOKEN="", HOME=str(tmp_path)), "VAULT_TOKEN")


def test_a_namespace_that_does_not_exist_is_empty_to_a_plan(declared: Site) -> None:
    plan = declared.run("plan", "-o", "json", VAULT_NAMESPACE="no-such-namespace")
    assert plan.code == 0, plan.err
    assert plan.json["summary"]["create"] == 1


@contextmanager
def answering(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """A server that gives everything one answer: no Vault, but what a wrong address may lead to."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_LIST = do_PUT = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_body_that_is_not_json(declared: Site) -> None:
    with answering(200, b"<html>login</html>") as address:
        in_words(declared.run("plan", VAULT_ADDR=address))


def test_a_redirect_to_a_login_page(declared: Site) -> None:
    with answering(302, b"", Location="http://127.0.0.1:1/login") as address:
        in_words(declared.run("plan", VAULT_ADDR=address), "redirect")


def test_a_login_that_may_list_but_not_read_roles_gets_no_plan_for_them(site: Site, vault: VaultClient) -> None:
    site.write("desired-state/p.yaml", READERS)
    site.write("desired-state/r.yaml", ROLES.partition("---\nkind: vault.approle_role\nname: approle/new")[0])
    site.commit()
    site.apply()
    site.write("desired-state/r.yaml", ROLES)
    site.commit()
    may = """
        path "auth/approle/role" { capabilities = ["list"] }
        path "sys/policies/*" { capabilities = ["read", "list"] }
        path "sys/auth" { capabilities = ["read"] }
        path "sys/mounts" { capabilities = ["read"] }
        path "reconciler/*" { capabilities = ["read", "list"] }
    """
    vault.write("sys/policies/acl/planner", {"policy": may})
    token = vault.write("auth/token/create", {"policies": ["planner"], "no_parent": True})["auth"]["client_token"]
    ran = site.run("plan", "-o", "json", VAULT_TOKEN=token)
    assert ran.code == 1
    plan = ran.json
    assert plan["changes"] == []
    assert not plan["complete"]
    assert {one["kind"] for one in plan["unknown"]} == {"vault.approle_role"}
    text = site.run("plan", VAULT_TOKEN=token).out
    assert "read on auth/approle/role" in text
    assert 'path "auth/approle/role/' in text
    assert 'capabilities = ["read"]' in text
    refused = site.run("apply", "--yes", VAULT_TOKEN=token)
    assert refused.code in (1, 4)


def test_a_plan_needs_nothing_but_reading(site: Site, vault: VaultClient) -> None:
    site.write("desired-state/p.yaml", READERS)
    site.commit()
    site.apply()
    vault.write("sys/policies/acl/planner", {"policy": 'path "*" { capabilities = ["read", "list", "scan"] }'})
    token = vault.write("auth/token/create", {"policies": ["planner"], "no_parent": True})["auth"]["client_token"]
    ran = site.run("plan", "-o", "json", VAULT_TOKEN=token)
    assert ran.code == 0, ran.err
    assert ran.json["complete"]


def test_a_plan_file_on_a_full_disk_is_not_left_half_written(declared: Site) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    ran = declared.run("plan", "--out", "/dev/full/plan.json")
    assert ran.code == 1
    assert "could not be saved" in ran.err


def test_a_shallow_clone_is_told_to_fetch_the_history(declared: Site, tmp_path: Path) -> None:
    declared.apply()
    declared.write("desired-state/p.yaml", READERS.replace("read]", "list]"))
    declared.commit()
    declared.apply()
    clone = tmp_path / "clone"
    declared.git("clone", "--quiet", "--depth", "1", f"file://{declared.repo}", str(clone))
    ran = Site(clone, declared.environ).run("rollback", "--yes")
    assert ran.code in (1, 2)
    assert "unshallow" in ran.err


def test_a_pull_request_cannot_point_the_address_elsewhere(declared: Site) -> None:
    declared.apply()
    base = declared.git("rev-parse", "HEAD").strip()
    asked: list[str] = []

    class Trap(http.server.BaseHTTPRequestHandler):
        def handle(self) -> None:
            asked.append("contacted")

    trap = http.server.HTTPServer(("127.0.0.1", 0), Trap)
    thread = threading.Thread(target=trap.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{trap.server_address[1]}"
        environment = f"project: genesis\nvault: {{primary: {{address: '{address}'}}}}\nsecret_env: [STRIPE_KEY]\n"
        declared.write("desired-state/environments/dev.yaml", environment)
        declared.commit("point elsewhere")
        ran = declared.run("plan", "--trust-ref", base, "-o", "json")
    finally:
        trap.shutdown()
        trap.server_close()
        thread.join()
    assert ran.code == 0, ran.err
    assert asked == []
    assert ran.json["changes"] == []


def test_a_pull_request_cannot_read_a_token(declared: Site) -> None:
    declared.write(
        "desired-state/user.yaml",
        "kind: vault.auth_method\nname: userpass\nspec: {type: userpass}\n---\n"
        "kind: vault.userpass_user\nname: userpass/eve\nspec: {password: {from: 'env:VAULT_TOKEN'}}\n",
    )
    declared.commit()
    ran = declared.run("plan")
    assert ran.code == 1
    assert "never readable" in ran.err


def test_a_pull_request_cannot_lead_the_folder_of_secret_files_elsewhere(declared: Site, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    declared.write("desired-state/environments/dev.yaml", "project: genesis\nvault: {primary: {}}\nsecret_files: keys\n")
    base = declared.commit()
    (declared.repo / "keys").symlink_to(tmp_path / "elsewhere")
    declared.commit()
    ran = declared.run("plan", "--trust-ref", base)
    assert ran.code == 2
    assert "symbolic link" in ran.err


def test_a_pull_request_cannot_add_names_to_what_may_be_read(declared: Site) -> None:
    base = declared.git("rev-parse", "HEAD").strip()
    declared.write("desired-state/environments/dev.yaml", "project: genesis\nvault: {primary: {}}\nsecret_env: [DEPLOY_KEY]\n")
    declared.write(
        "desired-state/user.yaml",
        "kind: vault.auth_method\nname: userpass\nspec: {type: userpass}\n---\n"
        "kind: vault.userpass_user\nname: userpass/eve\nspec: {password: {from: 'env:DEPLOY_KEY'}}\n",
    )
    declared.commit()
    ran = declared.run("plan", "--trust-ref", base, DEPLOY_KEY="canary-value")
    assert ran.code == 1
    assert "DEPLOY_KEY" in ran.err
    assert "canary-value" not in ran.out + ran.err
    assert os.environ.get("DEPLOY_KEY") is None
