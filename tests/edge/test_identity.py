"""Principals: by certificate, Vault token and JWT. A real server, a real OpenBao, and keys made for the occasion."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, Router

from reconciler.backends.vault.client import VaultClient
from reconciler.core.auth import Auth
from reconciler.core.errors import Unavailable, Usage
from reconciler.edge import PROTECTED, PUBLIC, ClassifiedRoutes, Principal
from reconciler.edge.asgi import App
from reconciler.edge.certificates import certificate_proof
from reconciler.edge.identity import IdentityMiddleware, Proof
from reconciler.edge.jwts import JwtRules, jwt_proof
from reconciler.edge.scope import PRINCIPAL
from reconciler.edge.tokens import MOST_KEPT, VaultTokens, bearers_of
from reconciler.server.tls import server_context
from reconciler.wiring.proofs import jwts_of, looked_up_in
from tests.server.certificates import DAY, NOW, SERVER, Pair, authority, client, issue
from tests.server.serving import Served, served

URI = "spiffe://genesis/ci"


async def who(request: Request) -> JSONResponse:
    principal = request.scope.get(PRINCIPAL)
    return JSONResponse([principal.kind, principal.name] if principal else None)


def application(*proofs: Proof) -> ClassifiedRoutes:
    routes = [
        PROTECTED(Route("/who", who)),
        PROTECTED.by(f"certificate:{URI}", "vault:*", "jwt:*")(Route("/deploy", who)),
        PUBLIC(Route("/open", who)),
    ]

    def around(app: App) -> App:
        return IdentityMiddleware(app, proofs)

    return ClassifiedRoutes(Router(routes=routes), around=around)


def asked(proof: Proof, scope: dict[str, Any]) -> Principal | None:
    async def ask() -> Principal | None:
        return await proof(scope)

    return asyncio.run(ask())


# Certificates


@pytest.fixture(scope="module")
def ca() -> Pair:
    return authority()


def pin(pair: Pair) -> str:
    der = pair.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


class Mutual:
    """A server that verifies clients, and clients of all sorts."""

    def __init__(self, server: Served, folder: Path, ca: Pair) -> None:
        self.server, self.folder, self.ca = server, folder, ca

    def ask(self, path: str, pair: Pair | None, *headers: str) -> tuple[int, Any]:
        try:
            answer = self.server.ask(path, *headers, context=client(self.folder, self.ca, pair, f"client-{id(pair)}"))
        except ssl.SSLError:
            return 0, None
        return answer.status, json.loads(answer.body) if answer.body else None


@pytest.fixture
def mutual(tmp_path: Path, ca: Pair) -> Iterator[Mutual]:
    (tmp_path / "ca.pem").write_text(ca.pem)
    context = server_context(*issue(ca, names=["localhost"], usage=SERVER).write(tmp_path, "server"), tmp_path / "ca.pem")
    with served(application(certificate_proof()), context) as server:
        yield Mutual(server, tmp_path, ca)


def test_a_certificate_is_known_by_the_uri_of_its_san(mutual: Mutual, ca: Pair) -> None:
    assert mutual.ask("/who", issue(ca, uris=[URI], cn="anything")) == (200, ["certificate", URI])
    assert mutual.ask("/deploy", issue(ca, uris=[URI])) == (200, ["certificate", URI])


def test_without_a_uri_or_with_several_it_is_known_by_its_key(mutual: Mutual, ca: Pair) -> None:
    for pair in (
        issue(ca),
        issue(ca, names=["ci.genesis"]),
        issue(ca, uris=[URI, "spiffe://genesis/admin"]),
        issue(ca, uris=["sha256:" + "0" * 64]),
        issue(ca, uris=["https://a b"]),
    ):
        assert mutual.ask("/who", pair) == (200, ["certificate", pin(pair)])
        assert mutual.ask("/deploy", pair)[0] == 403


def test_the_common_name_is_nobodys_name(mutual: Mutual, ca: Pair) -> None:
    for right_name_wrong_san in (issue(ca, cn=URI), issue(ca, cn=URI, uris=["spiffe://genesis/other"]), issue(ca, names=["ci"], cn=URI)):
        status, said = mutual.ask("/deploy", right_name_wrong_san)
        assert status == 403
        assert said == {"error": "forbidden"}


def test_bad_certificates_prove_nothing(mutual: Mutual, ca: Pair) -> None:
    bad = {
        "none": None,
        "expired": issue(ca, uris=[URI], until=NOW - DAY),
        "of another authority": issue(authority(), uris=[URI]),
        "for servers": issue(ca, uris=[URI], usage=SERVER),
    }
    statuses = {name: mutual.ask("/deploy", pair)[0] for name, pair in bad.items()}
    assert statuses == {"none": 401, "expired": 0, "of another authority": 0, "for servers": 0}


def test_certificates_in_headers_prove_nothing(mutual: Mutual, ca: Pair) -> None:
    good = issue(ca, uris=[URI])
    line = good.pem.replace("\n", "")
    for header in (f"X-Client-Cert: {line}", f"X-Forwarded-Client-Cert: URI={URI}", f"X-SSL-Client-S-DN: CN={URI}"):
        assert mutual.ask("/deploy", None, header)[0] == 401


@pytest.mark.parametrize("by", ["key", "uri"])
def test_a_certificate_that_is_revoked_in_the_desired_state_proves_nothing(tmp_path: Path, ca: Pair, by: str) -> None:
    gone, kept = issue(ca, uris=[URI]), issue(ca, uris=["spiffe://genesis/kept"])
    proof = certificate_proof([pin(gone) if by == "key" else URI])
    assert asked(proof, shown(gone)) is None
    assert asked(proof, shown(kept)) == Principal("certificate", "spiffe://genesis/kept")


def test_a_connection_that_outlives_its_certificate_proves_nothing_more(ca: Pair) -> None:
    moments = [NOW.timestamp(), (NOW + 2 * DAY).timestamp()]
    proof = certificate_proof(clock=lambda: moments.pop(0))
    scope = shown(issue(ca, uris=[URI], until=NOW + DAY))
    assert asked(proof, scope) == Principal("certificate", URI)
    assert asked(proof, scope) is None


def test_scopes_of_other_servers_have_no_certificate(ca: Pair) -> None:
    bare: list[dict[str, Any]] = [{}, {"extensions": {}}, {"extensions": {"tls": {}}}, {"extensions": {"tls": {"client_cert_chain": []}}}]
    for scope in (*bare, shown_text("junk")):
        assert asked(certificate_proof(), scope) is None


def shown(pair: Pair) -> dict[str, Any]:
    return shown_text(pair.pem)


def shown_text(pem: str) -> dict[str, Any]:
    return {"extensions": {"tls": {"client_cert_chain": [pem]}}}


# Vault tokens


def token_of(vault: VaultClient, **options: Any) -> tuple[str, str]:
    auth = vault.write("auth/token/create", {"policies": ["default"], "display_name": "ann", "no_parent": True, **options})["auth"]
    return auth["client_token"], auth["accessor"]


def test_a_vault_token_proves_who_it_is_of(vault: VaultClient) -> None:
    token, accessor = token_of(vault)
    with served(application(VaultTokens(looked_up_in(vault.transport)))) as server:
        for header in (f"X-Vault-Token: {token}", f"Authorization: Bearer {token}", f"authorization: bearer  {token}"):
            answer = server.ask("/deploy", header)
            assert (answer.status, json.loads(answer.body)) == (200, ["vault", f"token-ann/{accessor}"])
        for bad in (
            *(f"X-Vault-Token: {token}x", f"X-Vault-Token: {token[:-1]}", "X-Vault-Token: ", f"Authorization: Basic {token}"),
            *(f"Authorization: {token}", f"X-Vault-Token: {token} {token}", f"Authorization: Bearer {token}\xff", "X-Vault-Token: ../sys"),
            *("X-Vault-Token: hvs.CAESIJ", "X-Vault-Token: b.x", "X-Vault-Token: hvb.AAAAA", "X-Vault-Token: s.", "X-Vault-Token: %00"),
            f"X-Vault-Token: {token}\r\nX-Vault-Token: {token}",
            f"Authorization: Bearer {token}\r\nAuthorization: Bearer {token}",
        ):
            answer = server.ask("/deploy", bad)
            assert (answer.status, answer.body) == (401, b'{"error": "not authenticated"}'), bad


def test_a_token_that_is_revoked_or_over_proves_nothing(vault: VaultClient) -> None:
    token, accessor = token_of(vault)
    now = [0.0]
    tokens = VaultTokens(looked_up_in(vault.transport), clock=lambda: now[0])

    async def story() -> None:
        assert (await tokens.whose(token)) is not None
        await asyncio.to_thread(vault.write, "auth/token/revoke-accessor", {"accessor": accessor})
        now[0] += 10.1
        assert await tokens.whose(token) is None

    asyncio.run(story())


def test_a_principal_shows_no_token_and_keeps_it_for_questions(vault: VaultClient) -> None:
    token, _ = token_of(vault, policies=["default", "reader"])

    async def story() -> Principal | None:
        return await VaultTokens(looked_up_in(vault.transport)).whose(token)

    principal = asyncio.run(story())
    assert principal is not None
    assert principal.policies == ("default", "reader")
    assert principal.token == token
    assert token not in repr(principal)
    assert token not in str(principal)


def test_no_token_is_kept_and_the_principal_has_it_all_the_same() -> None:
    asked_for: list[str] = []

    async def look_up(token: str) -> Principal:
        asked_for.append(token)
        return Principal("vault", "somebody", token=token)

    token = "canary-" + "token"
    tokens = VaultTokens(look_up)
    for _ in range(2):
        principal = asyncio.run(tokens.whose(token))
        assert principal is not None
        assert principal.token == token
    assert asked_for == [token]
    kept: list[object] = [tokens._kept]
    for one in kept:  # grows meanwhile
        assert one != token
        kept.extend(held for held in gc.get_referents(one) if not isinstance(held, type))


def test_vault_is_asked_once_in_a_while_and_for_no_more_than_it_can_answer() -> None:
    asked: list[str] = []
    at_once = [0, 0]

    async def look_up(token: str) -> Principal | None:
        asked.append(token)
        at_once[0] += 1
        at_once[1] = max(at_once)
        await asyncio.sleep(0)
        at_once[0] -= 1
        return Principal("vault", token) if token.startswith("good") else None

    async def story() -> None:
        now = [0.0]
        tokens = VaultTokens(look_up, clock=lambda: now[0])
        for _ in range(5):
            assert await tokens.whose("good-1") == Principal("vault", "good-1")
            assert await tokens.whose("bad-1") is None
        assert asked == ["good-1", "bad-1"]
        tokens.forget("good-1")
        await tokens.whose("good-1")
        assert asked == ["good-1", "bad-1", "good-1"]
        await asyncio.gather(*(tokens.whose(f"bad-{number}") for number in range(MOST_KEPT + 100)))
        assert len(tokens._kept) == MOST_KEPT
        assert at_once[1] <= 8

    asyncio.run(story())


def test_when_vault_does_not_answer_the_request_is_refused_for_now_and_public_routes_go_on() -> None:
    async def look_up(token: str) -> Principal | None:
        raise Unavailable("vault is sealed")

    with served(application(VaultTokens(look_up))) as server:
        answer = server.ask("/who", "X-Vault-Token: hvs.x")
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert b"sealed" not in answer.body
        assert server.ask("/who").status == 401
        assert server.ask("/open", "X-Vault-Token: hvs.x").status == 200


# JWTs

KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(key: ec.EllipticCurvePublicKey, kid: str) -> dict[str, Any]:
    return {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key)), "kid": kid, "alg": "ES256"}


def rsa_jwk(kid: str) -> dict[str, Any]:
    return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key())), "kid": kid, "alg": "RS256"}


KEYS = {"keys": [jwk(KEY.public_key(), "one"), rsa_jwk("two")]}
RULES = JwtRules("https://issuer.example", "reconciler", KEYS)


def claims(**changed: Any) -> dict[str, Any]:
    moment = int(time.time())
    whole = {"iss": "https://issuer.example", "aud": "reconciler", "sub": "repo:genesis/infra", "iat": moment, "exp": moment + 300}
    return {name: value for name, value in {**whole, **changed}.items() if value is not None}


def signed(body: Mapping[str, Any], key: Any = KEY, algorithm: str = "ES256", **headers: Any) -> str:
    return jwt.encode(dict(body), key, algorithm, headers={"kid": "one", **headers})


def proven(token: str, rules: JwtRules = RULES) -> Principal | None:
    return asked(jwt_proof(rules), {"headers": [(b"authorization", f"Bearer {token}".encode())]})


def test_a_jwt_proves_its_subject() -> None:
    assert proven(signed(claims())) == Principal("jwt", "repo:genesis/infra")
    assert proven(signed(claims(aud=["other", "reconciler"]))) == Principal("jwt", "repo:genesis/infra")
    assert proven(signed(claims(), RSA, "RS256", kid="two")) == Principal("jwt", "repo:genesis/infra")
    with served(application(jwt_proof(RULES))) as server:
        assert server.ask("/deploy", f"Authorization: Bearer {signed(claims())}").status == 200
        assert server.ask("/deploy", f"X-Vault-Token: {signed(claims())}").status == 401


def forged() -> dict[str, str]:
    moment = int(time.time())
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    good = signed(claims())
    head, body, signature = good.split(".")
    other_body = jwt.utils.base64url_encode(json.dumps(claims(sub="admin")).encode()).decode()
    return {
        "over": signed(claims(exp=moment - 31)),
        "not yet": signed(claims(nbf=moment + 300)),
        "from the future": signed(claims(iat=moment + 300)),
        "for another": signed(claims(aud="other")),
        "for nobody": signed(claims(aud=None)),
        "by another": signed(claims(iss="https://evil.example")),
        "by nobody": signed(claims(iss=None)),
        "for ever": signed(claims(exp=None)),
        "of nobody": signed(claims(sub=None)),
        "of an odd subject": signed(claims(sub="a b\n")),
        "with another key": signed(claims(), OTHER),
        "with an unknown key": signed(claims(), kid="three"),
        "with another's key": signed(claims(), KEY, kid="two"),
        "with no name of a key": jwt.encode(claims(), KEY, "ES256"),
        "unsigned": unsigned(claims()),
        "with the public key as a secret": hs256(public, claims()),
        "another body": f"{head}.{other_body}.{signature}",
        "no signature": f"{head}.{body}.",
        "a cut signature": good[:-4],
        "its own key": signed(claims(), OTHER, jwk=jwk(OTHER.public_key(), "one"), jku="https://evil.example/keys"),
        "a criticality that nobody knows": signed(claims(), crit=["x-unknown"]),
        "junk": "a.b.c",
        "five parts": f"{good}.a.b",
        "long": f"{head}.{body}{'A' * 9000}.{signature}",
    }


def test_two_keys_of_one_name_prove_nothing() -> None:
    twice = {"keys": [jwk(KEY.public_key(), "one"), jwk(OTHER.public_key(), "one")]}
    assert proven(signed(claims()), RULES._replace(keys=twice)) is None


def unsigned(body: dict[str, Any]) -> str:
    head = jwt.utils.base64url_encode(b'{"alg":"none","typ":"JWT","kid":"one"}')
    return (head + b"." + jwt.utils.base64url_encode(json.dumps(body).encode()) + b".").decode()


def hs256(secret: bytes, body: dict[str, Any]) -> str:
    """A token that takes the public key for a shared one; libraries refuse to make it."""
    import hmac

    head = jwt.utils.base64url_encode(b'{"alg":"HS256","typ":"JWT","kid":"one"}')
    text = head + b"." + jwt.utils.base64url_encode(json.dumps(body).encode())
    return (text + b"." + jwt.utils.base64url_encode(hmac.digest(secret, text, "sha256"))).decode()


def test_forged_and_foreign_tokens_prove_nothing() -> None:
    assert {name: proven(token) for name, token in forged().items()} == dict.fromkeys(forged())


def test_rules_under_which_anybody_could_be_are_no_start() -> None:
    shared = {"keys": [{"kty": "oct", "k": "c2VjcmV0LXRoYXQtaXMtbG9uZy1lbm91Z2gtZm9yLXNoYTI1Ng", "kid": "s", "alg": "HS256"}]}
    for rules, words in (
        (RULES._replace(issuer=""), "need an issuer"),
        (RULES._replace(audience=""), "need an issuer and an audience"),
        (RULES._replace(algorithms=("HS256",)), "cannot be proven by HS256"),
        (RULES._replace(algorithms=("none",)), "cannot be proven by none"),
        (RULES._replace(keys={"keys": []}), "no keys"),
        (RULES._replace(keys={}), "no keys"),
        (RULES._replace(keys=shared), "shared"),
    ):
        with pytest.raises(Usage, match=words):
            jwt_proof(rules)


def test_vault_says_whose_a_jwt_is_where_it_has_the_keys(vault: VaultClient) -> None:
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    vault.write("sys/auth/ci", {"type": "jwt"})
    vault.write("auth/ci/config", {"jwt_validation_pubkeys": [public], "bound_issuer": "https://issuer.example"})
    role = {"role_type": "jwt", "bound_audiences": ["reconciler"], "user_claim": "sub", "bound_subject": "repo:genesis/infra"}
    vault.write("auth/ci/role/plan", {**role, "token_policies": ["reader"]})
    proof = jwts_of(vault.transport, Auth(method="jwt", mount="ci", role="plan"))

    def asking(token: str) -> Principal | None:
        return asked(proof, {"headers": [(b"authorization", f"Bearer {token}".encode())]})

    principal = asking(signed(claims()))
    assert principal is not None
    assert (principal.kind, principal.policies, principal.token) == ("jwt", ("default", "reader"), "")
    assert "-ci-repo:genesis/infra/" in principal.name
    assert vault.list("auth/token/accessors") is None, "what the login yielded is revoked"
    assert asking(signed(claims(sub="repo:genesis/other"))) is None
    # Vault tries its keys whatever a token calls its own, is a minute lenient, and ends by itself what has no end.
    lenient = {"over", "for ever", "with no name of a key", "with an unknown key", "with another's key"}
    refused = {name: token for name, token in forged().items() if name not in lenient}
    assert {name: asking(token) for name, token in refused.items()} == dict.fromkeys(refused)
    assert asking("hvs.x") is None


def test_a_jwt_is_never_shown_to_vault() -> None:
    token = signed(claims())
    assert bearers_of({"headers": [(b"authorization", f"Bearer {token}".encode())]}) == ("", token)
    assert bearers_of({"headers": [(b"authorization", b"Bearer hvs.CAES")]}) == ("hvs.CAES", "")
    assert bearers_of({"headers": [(b"authorization", b"Bearer " + token.encode()), (b"x-vault-token", b"s.x")]}) == ("s.x", token)
