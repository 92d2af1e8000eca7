"""What people with tokens of different policies are shown by a real `reconcile serve`, and where on the API each object is looked for."""

from __future__ import annotations

from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.rules import Rule, canonical
from reconciler.access.vault_acl import compiled
from reconciler.core.address import HOME, Address, Place
from reconciler.kinds import KINDS
from reconciler.server.database import SqliteDatabase
from reconciler.server.notes import Notes
from reconciler.wiring import people
from reconciler.wiring.people import MOST_TOKENS, SEEN_SECONDS
from reconciler.wiring.sight import METHOD, Store, places_of
from tests.server.deployment import Deployment, Running, policy, until
from tests.server.test_serving import idle

HEAD = 'path "reconciler/data/genesis/dev/head" { capabilities = ["read"] }\n'
LEDGER = 'path "reconciler/data/genesis/dev/*" { capabilities = ["read"] }\n'
MINE = 'path "sys/policies/acl/p" { capabilities = ["read"] }\npath "genesis/metadata/mine" { capabilities = ["read"] }\n'
OBJECTS = """\
kind: vault.identity_entity
name: robot
spec: {policies: [p, q]}
---
kind: vault.policy
name: q
spec: {rules: [{path: first/*, capabilities: [read]}]}
"""
SECRETS = "---\n".join(
    f"kind: secret\nname: {name}\nspec: {{type: api_key, generate: {{length: 40}}, owner: team, consumers: [app]}}\n"
    for name in ("mine", "theirs")
)


def token_with(deployed: Deployment, name: str, rules: str) -> dict[str, str]:
    deployed.vault.write(f"sys/policies/acl/{name}", {"policy": rules}, method="PUT")
    answer = deployed.vault.write("auth/token/create", {"policies": [name], "no_parent": True})
    return {"X-Vault-Token": answer["auth"]["client_token"]}


def page(server: Running, path: str, token: dict[str, str]) -> tuple[int, str]:
    status, text = server.ask("GET", path, token)
    return status, unescape(str(text))


@pytest.fixture
def several(deployed: Deployment) -> Deployment:
    deployed.site.write("desired-state/objects.yaml", OBJECTS)
    deployed.site.write("desired-state/secrets.yaml", SECRETS)
    deployed.push()
    deployed.site.apply()
    deployed.site.write("desired-state/objects.yaml", OBJECTS.replace("first/*", "second/*"))
    deployed.site.write("desired-state/p.yaml", policy("second/*"))
    deployed.push()
    deployed.site.apply()
    deployed.site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")
    return deployed


def test_each_person_is_shown_what_their_own_token_may_read_and_how_much_there_is_besides(several: Deployment) -> None:
    root = {"X-Vault-Token": several.environ["VAULT_TOKEN"]}
    team = token_with(several, "team", HEAD + MINE)
    reader = token_with(several, "reader", LEDGER)
    nobody = token_with(several, "nobody", MINE)
    with several.serving() as server:
        until(lambda: idle(server, several), "the first looks end")
        everything = page(server, "/ui/resources", root)[1]
        assert all(name in everything for name in ("vault.policy/p", "vault.policy/q", "webhook/github", "vault.identity_entity/robot"))
        assert "may not read" not in everything
        mine = page(server, "/ui/resources", team)[1]
        assert ("vault.policy/p" in mine, "vault.policy/q" in mine, "webhook/github" in mine, "robot" in mine) == (
            True,
            False,
            False,
            False,
        )
        count = len(everything.split("<tbody>")[1].split("<tr>")) - 1
        assert f"{count - 2} more that your token may not read" in mine, "all but the policy and the secret"
        theirs = page(server, "/ui/resources", reader)[1]
        assert ("webhook/github" in theirs, "vault.policy/p" in theirs) == (True, False)
        assert page(server, "/ui/resources", nobody)[0] == 403

        asked = {name: page(server, f"/ui/resources?q={name}", team)[1] for name in ("policy/q", "policy/none")}
        assert asked["policy/q"].replace("policy/q", "policy/none") == asked["policy/none"], "a search confirms no name"
        assert page(server, "/ui/resources/vault.policy/p", team)[0] == 200
        assert page(server, "/ui/resources/vault.policy/q", team)[1] == page(server, "/ui/resources/vault.policy/none", team)[1]

        run = server.ask("GET", "/api/v1/runs?limit=1", root)[1]["runs"][0]["id"]
        text = page(server, f"/ui/runs/{run}", team)[1]
        assert ("vault.policy/p" in text, "vault.policy/q" in text, "1 more that your token may not read" in text) == (True, False, True)
        told = server.ask("GET", f"/api/v1/runs/{run}", team)[1]
        assert ([one["address"] for one in told["objects"]], told["hidden"]) == (["vault.policy/p"], 1)

        text = page(server, "/ui/secrets", team)[1]
        assert (">mine<" in text, ">theirs<" in text, "1 more that your token may not read" in text) == (True, False, True)
        told = server.ask("GET", "/api/v1/secrets", team)[1]
        assert ([one["path"] for one in told["rows"]], told["hidden"]) == (["mine"], 1)

        text = page(server, "/ui/access?path=second/x", team)[1]
        assert ("robot" in text, "1 more that your token may not read" in text) == (False, True)
        knows = token_with(several, "knows", HEAD + MINE + 'path "identity/entity/name/robot" { capabilities = ["read"] }')
        text = page(server, "/ui/access?path=second/x", knows)[1]
        assert ("robot" in text, "vault.policy/p, 1 more" in text, "vault.policy/q" in text) == (True, True, False)
        assert "vault.policy/p, vault.policy/q" in page(server, "/ui/access?path=second/x", root)[1]


def test_drift_names_only_what_a_token_may_read(several: Deployment) -> None:
    root = {"X-Vault-Token": several.environ["VAULT_TOKEN"]}
    team = token_with(several, "team", HEAD + MINE)
    for name in ("p", "q"):
        several.vault.write(f"sys/policies/acl/{name}", {"policy": 'path "drifted/*" { capabilities = ["read"] }'}, method="PUT")
    with several.serving() as server:
        until(lambda: idle(server, several), "the first looks end")
        assert server.ask("GET", "/api/v1/drift", root)[1]["addresses"] == ["vault.policy/p", "vault.policy/q"]
        told = server.ask("GET", "/api/v1/drift", team)[1]
        assert (told["count"], told["addresses"], told["hidden"]) == (2, ["vault.policy/p"], 1)
        assert server.ask("GET", "/api/v1/status", team)[1]["drift"]["addresses"] == ["vault.policy/p"]
        text = page(server, "/ui", team)[1]
        assert ("vault.policy/p" in text, "vault.policy/q" in text, "1 more that your token may not read" in text) == (True, False, True)


def test_metrics_and_why_drift_cannot_be_told_are_for_who_may_read_the_ledgers_state(several: Deployment) -> None:
    """Both may name what somebody may not read: the metrics every secret."""
    nobody, team, reader = (token_with(several, name, rules) for name, rules in (("n", MINE), ("t", HEAD + MINE), ("r", LEDGER)))
    why = {"at": 1.0, "known": False, "why": "vault.policy/q may not be read"}
    with several.serving() as server:
        until(lambda: idle(server, several), "the first looks end")
        with closing(SqliteDatabase(several.clone / ".reconcile" / "serve.sqlite")) as database:
            Notes(database).write("drift", why)
            with database.transaction() as run:
                run("UPDATE events SET outcome = %s WHERE finished IS NOT NULL", f"drift cannot be told: {why['why']}")
        assert [server.ask("GET", "/metrics", one)[0] for one in (nobody, team, reader)] == [403, 403, 200]
        for token, told in ((team, False), (reader, True)):
            assert ("vault.policy/q" in page(server, "/ui", token)[1]) is told
            assert (server.ask("GET", "/api/v1/drift", token)[1]["why"] is not None) is told
            outcomes = [one["outcome"] for one in server.ask("GET", "/api/v1/events", token)[1]["events"]]
            assert any("vault.policy/q" in one for one in outcomes) is told
            assert (server.ask("GET", "/api/v1/status", token)[1]["drift"]["why"] is not None) is told


def mounts(kind: str, _place: Place) -> set[str]:
    return {"approle", "team/ldap"} if kind == METHOD else {"kv", "team/kv", "pki"}


@pytest.mark.parametrize("kind", [name for name, one in KINDS.items() if one.backend == "vault"])
def test_every_object_is_looked_for_where_its_kind_is_read(kind: str) -> None:
    one = KINDS[kind]
    name = "kv/x" if any("{" in path for path in one.paths) else "x"
    paths = [path.replace("{mount}", "kv").replace("{name}", name) for path in (*one.paths, *one.looks)]
    paths += ["kv/data/*"] if kind == "vault.kv_secret" else []
    known = compiled(canonical(Rule(path=path, capabilities=("read",)) for path in paths))
    (place, *more) = places_of(Address(kind, name), HOME.instance, mounts, Store())
    assert [path for path in (place, *more) if known.find(path) is None] == []
    (inner, *_) = places_of(Address(kind, name, Place("primary", "team")), HOME.instance, mounts, Store())
    assert inner == f"team/{place}"
    assert places_of(Address(kind, name, Place("other")), HOME.instance, mounts, Store()) == ()


@pytest.mark.parametrize(
    ("address", "paths"),
    [
        (Address("vault.policy", "p"), ("sys/policies/acl/p",)),
        (Address("vault.approle_role", "approle/ci"), ("auth/approle/role/ci",)),
        (Address("vault.auth_config", "team/ldap"), ("auth/team/ldap/config",)),
        (Address("vault.kv_secret", "team/kv/a/b"), ("team/kv/metadata/a/b", "team/kv/data/a/b")),
        (Address("vault.kv_secret", "kv/config/b"), ("kv/metadata/config/b", "kv/data/config/b")),
        (Address("vault.engine_config", "kv"), ("kv/config",)),
        (Address("vault.engine_config", "pki/urls"), ("pki/config/urls",)),
        (Address("vault.engine_config", "pki/config/urls"), ("pki/config/urls",)),
        (Address("vault.identity_entity", "a@b"), ("identity/entity/name/a@b",)),
        (Address("vault.secrets_engine", "team/kv"), ("sys/mounts/team/kv",)),
        (Address("vault.object", "unmanaged/+/x*"), ("unmanaged/+/x*",)),
        (Address("secret", "db/orders"), ("stores/metadata/db/orders", "stores/data/db/orders")),
        (Address("webhook", "github"), ()),
        (Address("aws.secret", "x"), ()),
    ],
    ids=str,
)
def test_an_object_is_looked_for_at_its_own_path(address: Address, paths: tuple[str, ...]) -> None:
    assert places_of(address, "primary", mounts, Store("primary", "stores")) == paths


def test_what_was_answered_is_kept_for_a_moment_and_of_so_many() -> None:
    now = [0.0]
    kept: Any = people._Kept(lambda: now[0])
    kept.keep("one", {"a": True})
    now[0] = SEEN_SECONDS - 1
    kept.keep("one", {"b": False})
    assert kept.of("one") == {"a": True, "b": False}
    now[0] = SEEN_SECONDS
    assert kept.of("one") == {}, "what was learned later ends with what was learned first"
    kept.keep("one", {"b": True})
    assert kept.of("one") == {"b": True}
    for number in range(MOST_TOKENS):
        kept.keep(str(number), {})
    assert kept.of("one") == {}


def test_the_example_in_the_document_opens_the_pages() -> None:
    text = Path(__file__).parents[2].joinpath("docs", "dashboard.md").read_text()
    assert HEAD.strip().replace("/dev/", "/prod/") in text
