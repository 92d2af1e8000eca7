"""Logins, on a real OpenBao: made once, renewed, revoked."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.backends.vault.login import Login
from reconciler.core.auth import Auth
from reconciler.core.errors import BackendError, Denied

from .vault_faults import Fault, answer, standing_before
from .vault_jwt import Issuer
from .vault_tls import self_signed

MARKS = {"reconciler_commit": "4f2c1ab", "reconciler_run": "run-1"}
CHILDREN = 'path "auth/token/create" { capabilities = ["update"] }'


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def approle(vault: VaultClient) -> dict[str, str]:
    """An AppRole role `ci` of ten minutes whose policy allows child tokens; what the environment needs to use it."""
    vault.write("sys/policies/acl/children", {"policy": CHILDREN})
    vault.write("sys/auth/approle", {"type": "approle"})
    vault.write("auth/approle/role/ci", {"token_policies": ["children"], "token_ttl": "10m", "token_max_ttl": "1h"})
    role_id = (vault.read("auth/approle/role/ci/role-id") or {})["role_id"]
    secret_id = vault.write("auth/approle/role/ci/secret-id", {})["secret_id"]
    return {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": secret_id}


@pytest.fixture
def jwt(vault: VaultClient, issuer: Issuer) -> None:
    vault.write("sys/auth/jwt", {"type": "jwt"})
    vault.write("auth/jwt/config", {"jwt_validation_pubkeys": [issuer.public]})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": ["default"], "token_ttl": "5m"}
    vault.write("auth/jwt/role/plan", role)


def whoami(client: VaultClient, login: Login) -> dict[str, Any]:
    found = connect(client.transport, login.token).read("auth/token/lookup-self")
    assert found is not None
    return found


def tokens(client: VaultClient) -> int:
    listing = client.list("auth/token/accessors")
    return len(listing.keys) if listing else 0


@pytest.mark.parametrize("name", ["BAO_TOKEN", "VAULT_TOKEN"])
def test_the_token_of_the_environment_is_used_and_not_revoked(vault: VaultClient, name: str) -> None:
    token = vault.write("auth/token/create", {"ttl": "5m"})["auth"]["client_token"]
    login = Login(vault.transport, Auth(), {name: token})
    assert whoami(vault, login)["id"] == token
    login.close()
    assert connect(vault.transport, token).read("auth/token/lookup-self")


def test_the_token_that_the_cli_left_is_used(vault: VaultClient, tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text("root\n")
    assert whoami(vault, Login(vault.transport, Auth(), {"HOME": str(tmp_path)}))["id"] == "root"


def test_without_any_token_the_remedy_is_given(vault: VaultClient, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match=r"no Vault token \(set VAULT_TOKEN, run `bao login`"):
        Login(vault.transport, Auth(), {"HOME": str(tmp_path)}).token()


def test_a_wrong_token_is_told_at_once(vault: VaultClient) -> None:
    with pytest.raises(BackendError, match="the Vault token is not valid") as caught:
        Login(vault.transport, Auth(), {"VAULT_TOKEN": "hvs.canary"}).token()
    assert "canary" not in str(caught.value)


def test_a_token_that_may_not_look_itself_up_works(vault: VaultClient) -> None:
    made = vault.write("auth/token/create", {"policies": ["x"], "no_default_policy": True, "ttl": "5m"})
    token = made["auth"]["client_token"]
    assert Login(vault.transport, Auth(), {"VAULT_TOKEN": token}).token() == token


def test_login_by_approle_is_made_once_and_revoked_at_the_end(vault: VaultClient, approle: dict[str, str]) -> None:
    before = tokens(vault)
    login = Login(vault.transport, Auth(method="approle"), approle)
    with ThreadPoolExecutor(8) as threads:
        assert len({*threads.map(lambda _: login.token(), range(50))}) == 1
    assert whoami(vault, login)["path"] == "auth/approle/login"
    assert tokens(vault) == before + 1
    login.close()
    assert tokens(vault) == before


def test_a_login_whose_token_was_revoked_is_made_anew_where_that_is_wanted(
    vault: VaultClient, approle: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciler.backends.vault.validity.KNOWN_SECONDS", 0)
    login = Login(vault.transport, Auth(method="approle"), approle)
    client = connect(vault.transport, login.token, refused=login.forget)
    first = login.token()
    with pytest.raises(Denied):  # which is no reason to think ill of the token
        client.read("sys/mounts")
    assert login.token() == first
    vault.write("auth/token/revoke", {"token": first})
    with pytest.raises(BackendError, match="the Vault token is not valid"):
        client.read("auth/token/lookup-self")
    assert client.read("auth/token/lookup-self")
    assert login.token() != first


def test_a_token_that_another_process_puts_into_a_file_is_read_again_when_the_first_is_over(vault: VaultClient, tmp_path: Path) -> None:
    file = tmp_path / "token"
    first, second = (vault.write("auth/token/create", {"ttl": "5m"})["auth"]["client_token"] for _ in range(2))
    file.write_text(first)
    login = Login(vault.transport, Auth(token=f"file:{file}"), {})
    client = connect(vault.transport, login.token, refused=login.forget)
    assert client.read("auth/token/lookup-self")
    file.write_text(second)
    vault.write("auth/token/revoke", {"token": first})
    with pytest.raises(BackendError, match="the Vault token is not valid"):
        client.read("auth/token/lookup-self")
    assert (client.read("auth/token/lookup-self") or {})["id"] == second


def test_credentials_may_lie_in_files(vault: VaultClient, approle: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "secret-id").write_text(approle["VAULT_SECRET_ID"] + "\n")
    auth = Auth(method="approle", mount="approle/", role_id=approle["VAULT_ROLE_ID"], secret_id=f"file:{tmp_path}/secret-id")
    login = Login(vault.transport, auth, {})
    assert login.token()
    login.close()


def test_a_login_that_is_refused_says_why_and_shows_no_credential(vault: VaultClient, approle: dict[str, str]) -> None:
    environ = {**approle, "VAULT_SECRET_ID": "canary-secret-id"}
    with pytest.raises(
        BackendError, match=r"login by approle at auth/approle was refused: invalid role or secret ID .*check `auth`"
    ) as caught:
        Login(vault.transport, Auth(method="approle"), environ).token()
    assert not isinstance(caught.value, Denied)
    assert "canary" not in str(caught.value)


def test_a_credential_that_is_not_there_is_named(vault: VaultClient, approle: dict[str, str]) -> None:
    del approle["VAULT_SECRET_ID"]
    with pytest.raises(BackendError, match="login by approle: the environment variable VAULT_SECRET_ID is not set"):
        Login(vault.transport, Auth(method="approle"), approle).token()
    with pytest.raises(BackendError, match="the file /absent/id cannot be read: No such file"):
        Login(vault.transport, Auth(method="approle", secret_id="file:/absent/id"), approle).token()


@pytest.mark.usefixtures("jwt")
def test_login_by_jwt_from_the_environment(vault: VaultClient, issuer: Issuer) -> None:
    auth = Auth(method="jwt", role="plan", jwt="env:ID_TOKEN")
    login = Login(vault.transport, auth, {"ID_TOKEN": issuer.issue(aud="vault")})
    assert whoami(vault, login)["path"] == "auth/jwt/login"
    login.close()


@pytest.mark.usefixtures("jwt")
@pytest.mark.parametrize(
    ("role", "audience", "words"),
    [("nope", "vault", 'role "nope" could not be found'), ("plan", "other", "audience")],
    ids=["role", "audience"],
)
def test_a_jwt_login_with_a_wrong_role_or_audience_is_told(
    vault: VaultClient, issuer: Issuer, role: str, audience: str, words: str
) -> None:
    token = issuer.issue(aud=audience)
    with pytest.raises(BackendError, match=f"login by jwt at auth/jwt as role {role} was refused: .*{words}") as caught:
        Login(vault.transport, Auth(method="jwt", role=role, jwt="env:T"), {"T": token}).token()
    assert token not in str(caught.value)


@pytest.mark.usefixtures("jwt")
def test_github_is_asked_for_an_identity_token_with_the_audience(vault: VaultClient, issuer: Issuer) -> None:
    with standing_before("", answer(502), answer(200, json.dumps({"value": issuer.issue(aud="vault")}))) as github:
        environ = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"{github.address}/token?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "canary"}
        login = Login(vault.transport, Auth(method="jwt", role="plan", audience="vault"), environ)
        assert whoami(vault, login)["meta"]["role"] == "plan"
        assert github.seen[-1].startswith("GET /token?api-version=2.0&audience=vault HTTP/1.1")
        assert "Authorization: bearer canary" in github.seen[-1]
        login.close()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [(403, "", "status 403"), (302, "", "status 302"), (200, "{}", "without a token"), (200, "<p>", "without a token")],
)
def test_what_github_answers_otherwise_is_told(vault: VaultClient, status: int, body: str, words: str) -> None:
    with standing_before("", answer(status, body, "Location: http://127.0.0.1:1/")) as github:
        environ = {"ACTIONS_ID_TOKEN_REQUEST_URL": github.address, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "canary"}
        with pytest.raises(BackendError, match=f"GitHub's identity service.*{words}") as caught:
            Login(vault.transport, Auth(method="jwt", role="plan"), environ).token()
        assert "canary" not in str(caught.value)
        assert len(github.seen) == 1


def test_outside_of_github_the_job_permission_is_named(vault: VaultClient) -> None:
    with pytest.raises(BackendError, match=r"ACTIONS_ID_TOKEN_REQUEST_URL is not set .*id-token: write"):
        Login(vault.transport, Auth(method="jwt", role="plan"), {}).token()


def test_login_by_a_kubernetes_service_account(vault: VaultClient, issuer: Issuer, tmp_path: Path) -> None:
    account = {"namespace": "ci", "serviceaccount": {"name": "reconciler", "uid": "1"}}
    token = issuer.issue(**{"aud": ["vault"], "sub": "system:serviceaccount:ci:reconciler", "kubernetes.io": account})
    (tmp_path / "token").write_text(token)
    status = {"authenticated": True, "audiences": ["vault"], "user": {"username": "system:serviceaccount:ci:reconciler", "uid": "1"}}
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}
    with standing_before("", answer(201, json.dumps(review), "Content-Type: application/json")) as cluster:
        vault.write("sys/auth/k8s", {"type": "kubernetes"})
        config = {"kubernetes_host": cluster.address, "token_reviewer_jwt": token, "disable_local_ca_jwt": True}
        vault.write("auth/k8s/config", {**config, "kubernetes_ca_cert": self_signed(tmp_path, "cluster").certificate.read_text()})
        role = {"bound_service_account_names": ["reconciler"], "bound_service_account_namespaces": ["ci"], "token_ttl": "5m"}
        vault.write("auth/k8s/role/ci", role)
        login = Login(vault.transport, Auth(method="kubernetes", mount="k8s", role="ci", service_account=f"file:{tmp_path}/token"), {})
        assert whoami(vault, login)["meta"]["service_account_name"] == "reconciler"
        login.close()


def test_the_auth_method_may_lie_in_another_namespace_than_the_instance(vault: VaultClient, approle: dict[str, str]) -> None:
    own = vault.transport.pool.connection.namespace
    vault.write("sys/namespaces/team", {})
    inner = vault.transport.pool.connection._replace(namespace=f"{own}/team")
    transport = type(vault.transport)(inner)
    login = Login(transport, Auth(method="approle", namespace=own), approle, marks=MARKS)
    assert whoami(vault, login)["meta"] == MARKS  # made where the login was
    login.close()
    transport.close()


def test_the_commit_rides_in_a_child_token_which_goes_with_its_parent(vault: VaultClient, approle: dict[str, str]) -> None:
    before = tokens(vault)
    login = Login(vault.transport, Auth(method="approle"), approle, marks=MARKS)
    found = whoami(vault, login)
    assert found["meta"] == MARKS
    assert found["display_name"] == "token-reconciler"
    assert found["policies"] == ["children", "default"]
    assert tokens(vault) == before + 2
    login.close()
    assert tokens(vault) == before


def test_the_child_of_a_given_token_is_revoked_and_the_given_one_not(vault: VaultClient) -> None:
    vault.write("sys/policies/acl/children", {"policy": CHILDREN})
    token = vault.write("auth/token/create", {"policies": ["children"], "ttl": "5m"})["auth"]["client_token"]
    before = tokens(vault)
    login = Login(vault.transport, Auth(), {"VAULT_TOKEN": token}, marks=MARKS)
    assert whoami(vault, login)["meta"] == MARKS
    assert tokens(vault) == before + 1
    login.close()
    assert tokens(vault) == before


@pytest.mark.parametrize("role", [{"token_policies": ["default"]}, {"token_type": "batch"}], ids=["not permitted", "batch token"])
def test_where_no_child_can_be_made_the_login_itself_is_used(vault: VaultClient, approle: dict[str, str], role: dict[str, Any]) -> None:
    vault.write("auth/approle/role/ci", role)
    login = Login(vault.transport, Auth(method="approle"), approle, marks=MARKS)
    assert whoami(vault, login)["path"] == "auth/approle/login"
    login.close()


def test_a_long_run_renews_after_two_thirds_of_the_time(vault: VaultClient, approle: dict[str, str]) -> None:
    clock = Clock()
    login = Login(vault.transport, Auth(method="approle"), approle, clock=clock, marks=MARKS)
    token = login.token()
    asked = vault.requests
    clock.now += 390
    assert login.token() == token
    assert vault.requests == asked
    clock.now += 20
    with ThreadPoolExecutor(8) as threads:
        assert {*threads.map(lambda _: login.token(), range(50))} == {token}
    assert vault.requests == asked + 2  # the login and its child
    login.close()


def test_a_login_that_came_to_its_maximum_is_made_anew(vault: VaultClient, approle: dict[str, str]) -> None:
    clock = Clock()
    login = Login(vault.transport, Auth(method="approle"), approle, clock=clock)
    first = login.token()
    vault.write("auth/approle/role/ci", {"token_ttl": "2s", "token_max_ttl": "2s"})
    clock.now += 450
    assert login.token() not in ("", first)
    login.close()


@pytest.mark.usefixtures("jwt")
def test_a_login_whose_credential_is_used_up_lasts_to_its_end(vault: VaultClient, issuer: Issuer) -> None:
    vault.write(
        "auth/jwt/role/plan",
        {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_type": "batch", "token_ttl": "5m"},
    )
    clock = Clock()
    environ = {"T": issuer.issue(aud="vault")}
    login = Login(vault.transport, Auth(method="jwt", role="plan", jwt="env:T"), environ, clock=clock)
    token = login.token()
    environ["T"] = issuer.issue(aud="vault", exp=1)
    clock.now += 290
    assert login.token() == token
    clock.now += 11
    with pytest.raises(BackendError, match="was refused"):
        login.token()


def test_a_given_token_that_cannot_be_renewed_is_used_to_its_end(vault: VaultClient) -> None:
    made = vault.write("auth/token/create", {"ttl": "5m", "renewable": False})
    clock = Clock()
    login = Login(vault.transport, Auth(), {"VAULT_TOKEN": made["auth"]["client_token"]}, clock=clock)
    login.token()
    clock.now += 290
    assert login.token() == made["auth"]["client_token"]


def test_a_child_that_was_lost_is_made_anew(vault: VaultClient, approle: dict[str, str]) -> None:
    clock = Clock()
    login = Login(vault.transport, Auth(method="approle"), approle, clock=clock, marks=MARKS)
    first = login.token()
    vault.write("auth/token/revoke", {"token": first})
    clock.now += 450
    assert login.token() != first
    assert whoami(vault, login)["meta"] == MARKS
    login.close()


def test_ending_a_run_does_not_wait_for_a_server_that_is_gone(vault: VaultClient, approle: dict[str, str]) -> None:
    drops: list[Fault] = ["drop unheard"] * 9
    with standing_before(vault.transport.address, "pass", *drops) as front:
        transport = type(vault.transport)(vault.transport.pool.connection._replace(address=front.address))
        login = Login(transport, Auth(method="approle"), approle)
        login.token()
        asked = transport.requests
        login.close()
        assert transport.requests <= asked + 2
        transport.close()


@pytest.mark.parametrize(
    "given",
    [
        {"method": "ldap"},
        {"method": "jwt"},
        {"method": "kubernetes"},
        {"method": "approle", "secret_id": "s3cr3t-in-clear"},
        {"method": "jwt", "role": "x", "jwt": "eyJhbGciOi"},
        {"metod": "token"},
    ],
    ids=str,
)
def test_an_auth_that_cannot_work_or_holds_a_credential_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Auth.model_validate(given)
