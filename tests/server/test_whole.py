"""`reconcile serve` whole: GitLab, several servers on PostgreSQL and Redis, what nobody announced, health, what is not answered, lockdown."""

from __future__ import annotations

import base64
import json
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import standardwebhooks

from reconciler.dev.servers import start_bao_dev
from tests.edge.redis_server import start_redis
from tests.server.databases import new_postgres
from tests.server.deployment import Deployment, Running, policy, push_event, signed, until
from tests.server.forges import BOT, forge_server
from tests.server.serving import Served
from tests.server.test_serving import idle, send, token

SIGNING = "whsec_" + base64.b64encode(b"a key of gitlab for the test").decode()
GITLAB_HOOK = "kind: webhook\nname: gitlab\nspec: {route: /webhooks/gitlab, scheme: gitlab, secret: webhooks/gitlab}\n"


def send_gitlab(server: Running, event: str, body: Any) -> tuple[int, Any]:
    """A delivery as GitLab signs it, by the library of Standard Webhooks."""
    text, now = json.dumps(body), datetime.now(UTC)
    mac = standardwebhooks.Webhook(SIGNING).sign(f"msg_{event.replace(' ', '')}", now, text)
    headers = {"webhook-id": f"msg_{event.replace(' ', '')}", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": mac}
    return server.ask("POST", "/webhooks/gitlab", {**headers, "X-Gitlab-Event": event, "Content-Type": "application/json"}, text.encode())


def merge_request(action: str) -> Any:
    return {"object_kind": "merge_request", "object_attributes": {"iid": 7, "action": action, "target_branch": "main"}}


def test_a_merge_request_of_gitlab_is_planned_its_merge_applied_and_a_note_rolls_it_back(deployed: Deployment) -> None:
    with forge_server("gitlab") as forge:
        forge.roles = {"alice": "write", "olga": "maintain"}
        deployed.site.write("desired-state/gitlab.yaml", GITLAB_HOOK)
        deployed.use_forge(forge)
        assert deployed.site.run("secret", "put", "webhooks/gitlab", f"value={SIGNING}").code == 0
        deployed.site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")
        with deployed.serving() as server:
            until(lambda: idle(server, deployed), "the first looks end")
            deployed.site.write("desired-state/p.yaml", policy("second/*"))
            head = deployed.push(branch="refs/merge-requests/7/head")
            forge.open_pull(7, head)
            assert send_gitlab(server, "Merge Request Hook", merge_request("open"))[0] == 202
            until(lambda: forge.verdicts(head).get("reconcile plan dev") == "success", "planned")
            assert deployed.declared() == ["first/*"]
            merged = deployed.push("merge")
            forge.merge(7, merged)
            push = {"object_kind": "push", "ref": "refs/heads/main", "after": merged}
            assert send_gitlab(server, "Push Hook", push)[0] == 202
            until(lambda: forge.verdicts(merged).get("reconcile apply dev") == "success", "applied and told")
            assert deployed.declared() == ["second/*"]
            forge.say(7, "olga", "/reconcile rollback")
            about = {"noteable_type": "MergeRequest", "note": "/reconcile rollback"}
            note = {"object_kind": "note", "object_attributes": about, "merge_request": {"iid": 7}}
            assert send_gitlab(server, "Note Hook", note)[0] == 202
            until(lambda: any("back at" in one for one in forge.bodies(7, BOT)), "rolled back and answered")
            assert deployed.declared() == ["first/*"]


def test_two_servers_on_one_database_and_one_redis_apply_once_and_either_goes_on_without_the_other(
    deployed: Deployment, postgres: None, tmp_path: Path
) -> None:
    other = Deployment.__new__(Deployment)
    other.__dict__ |= {**deployed.__dict__, "clone": tmp_path / "other"}
    deployed.site.git("clone", "--quiet", str(deployed.origin), str(other.clone))
    with ExitStack() as stack:
        redis = stack.enter_context(start_redis(tmp_path))
        shared = ("--database", new_postgres(), "--redis", redis.url, "--look-every", "2s")
        one, two = (stack.enter_context(each.serving(*shared)) for each in (deployed, other))
        until(lambda: idle(one, deployed), "the first looks end")
        deployed.site.write("desired-state/p.yaml", policy("second/*"))
        commit = deployed.push()
        assert send(one, "push", push_event(commit)) == (202, {"status": "accepted"})
        assert send(two, "push", push_event(commit)) == (200, {"status": "duplicate"})
        until(lambda: deployed.declared() == ["second/*"], "applied")
        until(lambda: idle(two, deployed), "the look ends")
        runs = two.ask("GET", "/api/v1/runs?limit=9", token(deployed))[1]["runs"]
        assert [run["commit"] for run in runs].count(commit) == 1
        redis.process.kill()
        one.process.kill()
        one.ends()
        deployed.site.write("desired-state/p.yaml", policy("third/*"))
        deployed.push()
        until(lambda: deployed.declared() == ["third/*"], "the other applies what nobody announces, though Redis is gone")


def states(checks: list[dict[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in checks}


def stands(server: Running) -> dict[str, str]:
    time.sleep(0.3)  # who asks more often is limited
    return states(server.ask("GET", "/health/ready")[1]["checks"])


def test_an_instance_that_goes_down_is_told_by_the_server_and_the_command_in_the_same_words(deployed: Deployment, tmp_path: Path) -> None:
    with ExitStack() as stack:
        eu = stack.enter_context(ExitStack())
        address = eu.enter_context(start_bao_dev(tmp_path / "eu")).address
        text = f"project: genesis\nvault: {{primary: {{}}, eu: {{address: '{address}', auth: {{plan: {{token: env:EU_TOKEN}}}}}}}}\n"
        deployed.site.write("desired-state/environments/dev.yaml", text + "stores: {vault: {mount: genesis}}\n")
        deployed.push()
        deployed.site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")
        deployed.environ["EU_TOKEN"] = deployed.site.environ["EU_TOKEN"] = deployed.environ["VAULT_TOKEN"]
        server = stack.enter_context(deployed.serving())
        until(lambda: stands(server).get("vault eu") == "ok", "it is probed")
        eu.close()
        until(lambda: stands(server)["vault eu"] == "down", "it is down")
        status, ready = server.ask("GET", "/health/ready")
        ran = deployed.site.run("health", "-o", "json")
        assert (status, ready["ready"], ran.code) == (503, False, 1)
        told = server.ask("GET", "/api/v1/health", token(deployed))[1]
        assert states(ready["checks"]) == states(told["checks"]) == states(ran.json["checks"])
        assert address in next(one["error"] for one in told["checks"] if one["name"] == "vault eu")
        assert address not in json.dumps(ready), "anybody may ask that"
        assert 'reconciler_up{name="vault eu"} 0.0' in server.ask("GET", "/metrics", token(deployed))[1]


HOSTS = "kind: network_rule\nname: default\nspec: {hosts: [reconciler.example.com]}\n"


def test_declared_hosts_are_answered_no_others_websockets_are_not_opened_and_half_a_request_is_closed(deployed: Deployment) -> None:
    deployed.site.write("desired-state/hosts.yaml", HOSTS)
    deployed.push()
    deployed.site.apply()
    deployed.site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")
    with deployed.serving() as server:
        asked = {name: server.ask("GET", "/health/live", {"Host": name})[0] for name in ("reconciler.example.com", "evil.example")}
        assert asked == {"reconciler.example.com": 200, "evil.example": 421}
        upgrade = ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        mine = f"X-Vault-Token: {deployed.environ['VAULT_TOKEN']}"
        for path, *proof in (("/health/live",), ("/ui", mine), ("/api/v1/status", mine), ("/webhooks/github", mine), ("/nothing", mine)):
            lines = [f"GET {path} HTTP/1.1", "Host: reconciler.example.com", "Connection: Upgrade, close", *upgrade, *proof, "", ""]
            answer = Served(server.port).send("\r\n".join(lines).encode())
            assert b" 101 " not in answer.partition(b"\r\n")[0], path
            assert b"sec-websocket-accept" not in answer.lower(), path
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: half")
            assert connection.recv(1) == b""
        counted = 'reconciler_blocked_total{by="protocol",status="408"} 1.0'
        until(lambda: counted in server.ask("GET", "/metrics", token(deployed))[1], "half a request is closed and counted")


def test_a_lockdown_is_seen_everywhere_holds_everywhere_and_tightens_what_anybody_may_ask(deployed: Deployment) -> None:
    with deployed.serving() as server:
        until(lambda: idle(server, deployed), "the first looks end")
        assert deployed.site.run("lockdown", "on", "--reason", "a breach").code == 0
        until(lambda: server.ask("GET", "/api/v1/status", token(deployed))[1]["locked_down"], "it is known")
        assert "reconciler_lockdown 1.0" in server.ask("GET", "/metrics", token(deployed))[1]
        assert "a breach" in server.ask("GET", "/ui", token(deployed))[1]
        assert "a breach" in deployed.site.run("lockdown", "status").out
        assert send(server, "push", push_event("a" * 40))[0] == 503
        deployed.site.write("desired-state/p.yaml", policy("second/*"))
        deployed.push()
        assert server.ask("POST", "/api/v1/look", token(deployed))[0] == 202
        until(lambda: idle(server, deployed), "the look ends")
        assert deployed.site.run("apply", "--yes").code == 4
        assert deployed.declared() == ["first/*"]
        headers, text = signed("push", push_event("b" * 40), "another-" + "secret-of-somebody")
        assert server.ask("POST", "/webhooks/github", headers, text)[0] in (401, 503), "a forged one is told no more than a genuine one"
        # 600 a minute are a tenth of that now; an address that has proven itself may ask for more.
        stranger = Served(server.port, source="127.0.0.2")
        assert 429 in {stranger.ask("/openapi.json").status for _ in range(80)}
