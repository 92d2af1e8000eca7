"""How people and programs prove who they are to a real `reconcile serve`: a JWT that OpenBao checks, and a session over TLS."""

from __future__ import annotations

import http.client
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from tests.backends.vault_jwt import ISSUER, Issuer
from tests.server.certificates import SERVER, authority, client, issue
from tests.server.deployment import Deployment, Running, until
from tests.server.test_serving import idle

ENVIRONMENT = """\
project: genesis
vault:
  primary:
    auth:
      plan: {method: jwt, mount: ci, role: plan, jwt: env:CI_JWT}
stores: {vault: {mount: genesis}}
"""
PLANNER = 'path "*" { capabilities = ["read", "list"] }\npath "sys/capabilities-self" { capabilities = ["update"] }'


def with_jwt_login(deployed: Deployment, issuer: Issuer) -> None:
    """Let OpenBao take JWTs of an issuer for one subject, and the environment plan by such a login."""
    deployed.vault.write("sys/auth/ci", {"type": "jwt"})
    deployed.vault.write("auth/ci/config", {"jwt_validation_pubkeys": [issuer.public], "bound_issuer": ISSUER})
    deployed.vault.write("sys/policies/acl/planner", {"policy": PLANNER}, method="PUT")
    role = {"role_type": "jwt", "bound_audiences": ["reconciler"], "user_claim": "sub", "bound_subject": "repo:genesis/infra"}
    deployed.vault.write("auth/ci/role/plan", {**role, "token_policies": ["planner"]})
    deployed.site.write("desired-state/environments/dev.yaml", ENVIRONMENT)
    deployed.push("log in by JWT")
    deployed.site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")


def asked(server: Running, jwt: str, path: str = "/api/v1/status") -> int:
    return server.ask("GET", path, {"Authorization": f"Bearer {jwt}"})[0]


def test_a_jwt_that_the_login_of_plans_takes_proves_who_asks_and_no_other_does(deployed: Deployment) -> None:
    issuer, other = Issuer(), Issuer()
    with_jwt_login(deployed, issuer)
    claims = {"sub": "repo:genesis/infra", "aud": "reconciler"}
    good = issuer.issue(**claims)
    with deployed.serving(CI_JWT=good) as server:
        until(lambda: idle(server, deployed), "the first looks end")
        assert [asked(server, good, path) for path in ("/api/v1/status", "/api/v1/runs", "/metrics", "/ui")] == [200] * 4
        head, body, signature = good.split(".")
        wrong = {
            "signed by somebody else": other.issue(**claims),
            "of another subject": issuer.issue(sub="repo:genesis/other", aud="reconciler"),
            "for another audience": issuer.issue(sub="repo:genesis/infra", aud="vault"),
            "of another issuer": issuer.issue(**claims, iss="https://other.example"),
            "over": issuer.issue(**claims, iat=1, exp=1000),
            "with another's body": f"{head}.{issuer.issue(sub='repo:genesis/infra', aud='reconciler', admin=True).split('.')[1]}.{signature}",
            "without a signature": f"{head}.{body}.",
        }
        assert {name: asked(server, one) for name, one in wrong.items()} == dict.fromkeys(wrong, 401)
    assert good not in "".join(server.said)


def test_the_cookie_of_a_session_over_tls_is_for_this_host_over_tls_alone(deployed: Deployment, tmp_path: Path) -> None:
    ca = authority()
    cert, key = issue(ca, names=["localhost"], usage=SERVER).write(tmp_path, "server")
    context = client(tmp_path, ca, None)
    with (
        deployed.serving("--tls-cert", str(cert), "--tls-key", str(key)) as server,
        closing(http.client.HTTPSConnection("localhost", server.port, timeout=60, context=context)) as connection,
    ):
        form = urlencode({"token": deployed.environ["VAULT_TOKEN"], "next": "/ui/runs"})
        sent = {"Origin": f"https://localhost:{server.port}", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/ui/login", form, sent)
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.getheader("location")) == (303, "/ui/runs")
        assert "max-age" in (answer.getheader("strict-transport-security") or "")
        (name, cookie), *more = SimpleCookie(answer.getheader("set-cookie")).items()
        assert (name, more) == ("__Host-reconciler", [])
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (
            True,
            True,
            "strict",
            "/",
            "",
        )
        for shown, status in ((f"{name}={cookie.value}", 200), (f"reconciler={cookie.value}", 401)):
            connection.request("GET", "/ui/runs", headers={"Cookie": shown})
            found = connection.getresponse()
            found.read()
            assert found.status == status, "over TLS a cookie without the prefix, which others could have set, proves nothing"
