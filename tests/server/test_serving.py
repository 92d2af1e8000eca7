"""`reconcile serve` as a process, on a real OpenBao: what a webhook sets off, and what stops and kills do to it."""

from __future__ import annotations

import http.client
import os
import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.server.deployment import Deployment, Running, ask_on, comment_event, policy, pull_event, push_event, signed, until
from tests.server.forges import BOT, StandIn, forge_server


@pytest.fixture
def forge() -> Iterator[StandIn]:
    with forge_server("github") as state:
        state.roles = {"alice": "write", "olga": "maintain"}
        yield state


def send(server: Running, event: str, body: object) -> tuple[int, object]:
    headers, text = signed(event, body)
    return server.ask("POST", "/webhooks/github", headers, text)


def token(deployed: Deployment) -> dict[str, str]:
    return {"X-Vault-Token": deployed.environ["VAULT_TOKEN"]}


def idle(server: Running, deployed: Deployment) -> bool:
    status, answer = server.ask("GET", "/api/v1/status", token(deployed))
    assert status == 200, answer
    return bool(answer["events_open"] == 0)


def test_a_merge_is_applied_when_its_webhook_comes_and_only_then(deployed: Deployment) -> None:
    with deployed.serving() as server:
        until(lambda: idle(server, deployed), "the first looks end")
        deployed.site.write("desired-state/p.yaml", policy("second/*"))
        commit = deployed.push()
        headers, text = signed("push", push_event(commit), "another-" + "secret-of-somebody")
        assert server.ask("POST", "/webhooks/github", headers, text) == (401, {"error": "not authenticated"})
        assert send(server, "ping", {"zen": "x", "hook_id": 1, "hook": {}}) == (200, {"status": "ignored"})
        assert deployed.declared() == ["first/*"]
        assert send(server, "push", push_event(commit)) == (202, {"status": "accepted"})
        until(lambda: deployed.declared() == ["second/*"], "applied")
        assert send(server, "push", push_event(commit)) == (200, {"status": "duplicate"})
        until(lambda: idle(server, deployed), "the look ends")
        tip = server.ask("GET", "/api/v1/status", token(deployed))[1]["tip"]
        assert (tip["commit"], tip["state"]) == (commit, "applied")
        assert (deployed.clone / "desired-state/p.yaml").read_text() == policy("second/*"), "HEAD follows the branch"
        metrics = server.ask("GET", "/metrics", token(deployed))[1]
        assert 'reconciler_webhooks_total{outcome="accepted",webhook="github"} 1.0' in metrics
        assert 'reconciler_webhooks_total{outcome="refused",webhook="github"} 1.0' in metrics
        server.process.send_signal(signal.SIGTERM)
        assert server.ends() == 0
    assert "Traceback" not in "".join(server.said)


def test_what_is_declared_of_the_server_is_in_effect_after_its_apply_and_no_connection_is_dropped(deployed: Deployment) -> None:
    with deployed.serving() as server:
        until(lambda: idle(server, deployed), "the first looks end")
        kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        assert ask_on(kept, "GET", "/health/live")[0] == 200
        mine = kept.sock.getsockname()
        assert ask_on(kept, "GET", "/metrics")[0] == 401
        deployed.site.write("desired-state/edge.yaml", "kind: route\nname: metrics\nspec: {path: /metrics, access: public}\n")
        commit = deployed.push()
        assert send(server, "push", push_event(commit))[0] == 202
        until(lambda: ask_on(kept, "GET", "/metrics")[0] == 200, "the route is public")
        assert kept.sock.getsockname() == mine
        kept.close()
        deployed.site.write("desired-state/edge.yaml", "kind: network_rule\nname: all\nspec: {deny_countries: [KP]}\n")
        assert send(server, "push", push_event(deployed.push()))[0] == 202
        status = until(
            lambda: (found := server.ask("GET", "/api/v1/status", token(deployed))[1])["problems"] and found, "the problem is told"
        )
        assert "countries" in status["problems"][0]
        assert server.ask("GET", "/metrics")[0] == 200, "what was in effect stays"


def test_a_pull_request_is_planned_its_merge_applied_and_a_comment_rolls_it_back(deployed: Deployment, forge: StandIn) -> None:
    deployed.use_forge(forge)
    deployed.site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")
    with deployed.serving() as server:
        until(lambda: idle(server, deployed), "the first looks end")
        deployed.site.write("desired-state/p.yaml", policy("second/*"))
        head = deployed.push(branch="refs/pull/7/head")
        forge.open_pull(7, head)
        assert send(server, "pull_request", pull_event("opened", 7))[0] == 202
        until(lambda: forge.verdicts(head).get("reconcile plan dev") == "success", "planned")
        (body,) = forge.bodies(7)
        assert "second/*" in body
        assert deployed.declared() == ["first/*"]
        merged = deployed.push("merge")
        forge.merge(7, merged)
        assert send(server, "pull_request", pull_event("closed", 7))[0] == 202
        until(lambda: forge.verdicts(merged).get("reconcile apply dev") == "success", "applied and told")
        assert deployed.declared() == ["second/*"]
        forge.say(7, "olga", "/reconcile rollback")
        assert send(server, "issue_comment", comment_event(7, "/reconcile rollback"))[0] == 202
        until(lambda: any("back at" in one for one in forge.bodies(7, BOT)), "rolled back and answered")
        assert deployed.declared() == ["first/*"]
        until(lambda: idle(server, deployed), "all looks end")
        runs = server.ask("GET", "/api/v1/runs?limit=2", token(deployed))[1]["runs"]
        assert [one["sort"] for one in runs] == ["rollback", "apply"]
        assert server.ask("GET", f"/api/v1/runs/{runs[0]['id']}", token(deployed))[1]["objects"][0]["address"] == "vault.policy/p"


def planned_on(forge: StandIn, head: str) -> bool:
    return forge.verdicts(head).get("reconcile plan dev") == "success"


def test_two_merges_of_which_the_server_hears_at_once_are_both_applied_as_they_were_reviewed(deployed: Deployment, forge: StandIn) -> None:
    deployed.use_forge(forge)
    site = deployed.site
    site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")
    base = site.git("rev-parse", "HEAD").strip()
    with deployed.serving() as server:
        until(lambda: idle(server, deployed), "the first looks end")
        for number, name in ((7, "one"), (8, "two")):
            site.git("checkout", "--quiet", "-b", name, base)
            site.write(f"desired-state/{name}.yaml", policy(f"{name}/*").replace("name: p", f"name: {name}"))
            head = deployed.push(branch=f"refs/pull/{number}/head")
            forge.open_pull(number, head)
            assert send(server, "pull_request", pull_event("opened", number))[0] == 202
            until(partial(planned_on, forge, head), "planned")
        site.git("checkout", "--quiet", "main")
        for number, name in ((7, "one"), (8, "two")):
            site.git("merge", "--quiet", "--no-ff", "--no-edit", name)
            forge.merge(number, site.git("rev-parse", "HEAD").strip())
        site.git("push", "--quiet", "origin", "main")
        assert send(server, "pull_request", pull_event("closed", 8))[0] == 202
        tip = site.git("rev-parse", "HEAD").strip()
        until(lambda: forge.verdicts(tip).get("reconcile apply dev") == "success", "both are applied")
        assert all(deployed.vault.read(f"sys/policies/acl/{name}") for name in ("one", "two"))
        assert any("Applied" in one for one in forge.bodies(7, BOT))


def many(count: int, mark: str) -> str:
    """Policies that take a while to apply."""
    return "---\n".join(
        f"kind: vault.policy\nname: many-{number}\nspec: {{rules: [{{path: {mark}/*, capabilities: [read]}}]}}\n" for number in range(count)
    )


def names(deployed: Deployment, mark: str) -> int:
    found = deployed.vault.list("sys/policies/detailed/acl")
    return sum(mark in str(one.get("policy")) for one in found.key_info.values()) if found else 0


MANY = 250


@pytest.mark.parametrize("way", ["SIGTERM once", "SIGTERM twice", "kill -9"])
def test_a_stop_in_the_middle_of_an_apply_loses_nothing(deployed: Deployment, way: str) -> None:
    deployed.site.write("desired-state/many.yaml", many(MANY, "one"))
    with deployed.serving() as server:
        until(lambda: idle(server, deployed), "the first looks end")
        commit = deployed.push()
        assert send(server, "push", push_event(commit))[0] == 202
        until(lambda: names(deployed, "one/*") > 0, "the apply has begun")
        if way == "kill -9":
            server.process.kill()
        else:
            server.process.send_signal(signal.SIGTERM)
            if way == "SIGTERM twice":
                time.sleep(0.05)
                server.process.send_signal(signal.SIGTERM)
        code = server.ends()
    assert code == (-signal.SIGKILL if way == "kill -9" else 0), "".join(server.said)
    if way == "SIGTERM once":
        assert names(deployed, "one/*") == MANY
    with deployed.serving() as after:
        until(lambda: names(deployed, "one/*") == MANY, "the next server goes on")
        until(lambda: idle(after, deployed), "all is done")
        tip = after.ask("GET", "/api/v1/status", token(deployed))[1]["tip"]
        assert (tip["commit"], tip["state"]) == (commit, "applied")


def test_an_event_that_was_accepted_is_looked_at_by_the_next_server(deployed: Deployment) -> None:
    with deployed.serving() as server:
        until(lambda: idle(server, deployed), "the first looks end")
        os.kill(server.process.pid, signal.SIGSTOP)
        deployed.site.write("desired-state/p.yaml", policy("second/*"))
        commit = deployed.push()
        os.kill(server.process.pid, signal.SIGCONT)
        assert send(server, "push", push_event(commit))[0] == 202
        server.process.kill()
        server.ends()
    with deployed.serving("--look-every", "1d"):
        until(lambda: deployed.declared() == ["second/*"], "applied")


def refusal(deployed: Deployment, *arguments: str, **environ: str) -> tuple[int, str]:
    with deployed.start(*arguments, **environ) as process:
        _, said = process.communicate(timeout=60)
    return process.returncode, said


def test_what_would_not_be_safe_is_refused_at_the_start(deployed: Deployment) -> None:
    code, said = refusal(deployed, "--host", "0.0.0.0")
    assert (code, "TLS is off" in said) == (2, True), said
    code, said = refusal(deployed, "--tls-cert", str(deployed.clone / "desired-state/p.yaml"))
    assert (code, "go together" in said) == (2, True), said
    deployed.site.run("secret", "put", "webhooks/github", "value=short")
    code, said = refusal(deployed)
    assert code == 1
    assert "webhook/github" in said
    assert "short" not in said.replace("shorter", "").replace("too short", "")


def test_two_servers_do_not_share_one_file(deployed: Deployment) -> None:
    with deployed.serving():
        code, said = refusal(deployed)
    assert (code, "postgresql" in said) == (2, True), said


def test_a_clone_with_uncommitted_changes_is_refused(deployed: Deployment) -> None:
    (deployed.clone / "desired-state/p.yaml").write_text(policy("mine/*"))
    code, said = refusal(deployed)
    assert (code, "uncommitted" in said) == (2, True), said
    assert (deployed.clone / "desired-state/p.yaml").read_text() == policy("mine/*")


def test_a_port_that_is_taken_is_said(deployed: Deployment) -> None:
    with deployed.serving() as server:
        code, said = refusal(deployed, "--port", str(server.port), "--database", f"sqlite:///{deployed.clone}/other.sqlite")
    assert (code, "cannot be listened on" in said) == (2, True), said


def test_checking_is_switched_off_in_dev_alone(deployed: Deployment) -> None:
    with deployed.serving(RECONCILE_WEBHOOK_HMAC_ENABLED="0", RECONCILE_WEBHOOK_REPLAY_PROTECTION="0") as server:
        headers, text = signed("push", push_event("a" * 40))
        del headers["X-Hub-Signature-256"]
        for _ in range(2):
            assert server.ask("POST", "/webhooks/github", headers, text) == (202, {"status": "accepted"})
    for path in (deployed.clone, deployed.site.repo):
        (path / "desired-state/environments/prod.yaml").write_text((path / "desired-state/environments/dev.yaml").read_text())
    deployed.push()
    deployed.site.git("-C", str(deployed.clone), "add", "--all")
    deployed.site.git("-C", str(deployed.clone), "commit", "--quiet", "--message", "prod")
    for switch in ("HMAC_ENABLED", "REPLAY_PROTECTION"):
        code, said = refusal(deployed, RECONCILE_ENV="prod", **{f"RECONCILE_WEBHOOK_{switch}": "0"})
        assert (code, "only in dev" in said) == (2, True), said


def test_a_lockdown_stops_webhooks_and_applies_and_is_seen(deployed: Deployment) -> None:
    with deployed.serving() as server:
        until(lambda: idle(server, deployed), "the first looks end")
        deployed.site.write("desired-state/p.yaml", policy("second/*"))
        commit = deployed.push()
        assert deployed.site.run("lockdown", "on", "--reason", "breach").code == 0
        until(lambda: send(server, "push", push_event(commit))[0] == 503, "no webhook is taken")
        assert "breach" in server.ask("GET", "/api/v1/status", token(deployed))[1]["locked_down"]
        assert server.ask("POST", "/api/v1/look", token(deployed))[0] == 202
        until(lambda: idle(server, deployed), "the look ends")
        assert deployed.declared() == ["first/*"]
        assert deployed.site.run("lockdown", "off").code == 0
        until(lambda: send(server, "push", push_event(commit))[0] in (202, 200), "webhooks are taken")
        assert server.ask("POST", "/api/v1/look", token(deployed))[0] == 202
        until(lambda: deployed.declared() == ["second/*"], "applied")
    with deployed.serving("--webhook-emergency-mode") as server:
        assert send(server, "push", push_event("b" * 40))[0] == 503


def test_a_person_sees_what_their_token_may(deployed: Deployment) -> None:
    stranger = deployed.vault.write("auth/token/create", {"policies": ["default"], "no_parent": True})["auth"]["client_token"]
    deployed.vault.write(
        "sys/policies/acl/reader", {"policy": 'path "reconciler/data/genesis/dev/*" { capabilities = ["read"] }'}, method="PUT"
    )
    reader = deployed.vault.write("auth/token/create", {"policies": ["reader"], "no_parent": True})["auth"]["client_token"]
    with deployed.serving() as server:
        for given, wanted in (("", 401), ("s.made-up", 401), (stranger, 403), (reader, 200)):
            headers = {"X-Vault-Token": given} if given else {}
            assert server.ask("GET", "/api/v1/status", headers)[0] == wanted, given
