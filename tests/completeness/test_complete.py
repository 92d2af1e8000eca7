"""`audit complete`: what is written past the reconciler is named, whatever the store; and what the log tells that is not there."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.audit.redaction import Masks
from reconciler.audit.scribe import About, Scribe
from reconciler.backends.aws.client import AwsClient
from reconciler.backends.vault.client import VaultClient
from reconciler.settings import settings
from reconciler.wiring.auditing import book_of
from reconciler.wiring.stores import environment_on_disk, pool
from tests.cli.site import Site

STORES = """
project: genesis
vault: {primary: {}}
aws: {primary: {region: us-east-1}}
ledger: {file: .reconcile/ledger}
stores:
  vault: {mount: genesis}
  aws: {prefix: genesis/}
  files: {path: .secrets, slots: [{passphrase: {from: env:PASS}}]}
"""
SECRET = """
kind: secret
name: hooks/a
spec: {type: webhook_secret, generate: {length: 40}, rotation: hooks, owner: platform}
---
kind: rotation_policy
name: hooks
spec: {interval_days: 90, overlap_hours: 0}
"""
MOUNT = "kind: vault.secrets_engine\nname: genesis\nspec: {type: kv-v2}\n"


@pytest.fixture
def shop(site: Site, aws: AwsClient, moto: str) -> Site:
    """A site with three stores, and a secret in each."""
    site.environ |= {"AWS_ENDPOINT_URL": moto, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "PASS": "correct horse"}
    site.write("desired-state/environments/dev.yaml", STORES)
    site.write("desired-state/mount.yaml", MOUNT)
    site.commit()
    site.apply()
    for store in ("vault", "aws", "files"):
        assert site.run("secret", "put", "api/x", "value=one", "--store", store).code == 0
    return site


@pytest.fixture
def rotating(shop: Site) -> Site:
    """The same, with a secret that is rotated."""
    shop.write("desired-state/secrets.yaml", SECRET)
    shop.commit()
    shop.apply()
    return shop


def complete(site: Site, code: int = 0) -> Any:
    ran = site.run("audit", "complete", "-o", "json")
    assert ran.code == code, ran.out + ran.err
    return ran.json


def findings(site: Site) -> list[tuple[str, str, str, str]]:
    return [(one["sort"], one["store"], one["path"], one["version"]) for one in complete(site, 1)["findings"]]


def counts(site: Site, store: str) -> dict[str, int]:
    found: dict[str, int] = next(one for one in complete(site)["stores"] if one["store"] == store)
    return {name: found[name] for name in ("secrets", "versions", "matched", "before")}


def test_rotations_puts_and_deletes_have_each_their_outcome_in_every_store(rotating: Site) -> None:
    assert rotating.run("rotate", "--secret-path", "hooks/a").code == 0
    for store in ("vault", "aws", "files"):
        assert rotating.run("secret", "put", "api/x", "value=two", "--store", store).code == 0
        assert rotating.run("secret", "delete", "api/x", "--store", store, "--yes").code == 0
    found = complete(rotating)
    assert found["findings"] == found["unsure"] == found["unread"] == []
    assert counts(rotating, "vault")["matched"] > 10, "the documents of rotations count, too"
    assert counts(rotating, "files") == {"secrets": 1, "versions": 3, "matched": 3, "before": 0}, "a delete is a version without a value"
    assert "each of" in rotating.run("audit", "complete").out
    assert rotating.run("audit", "verify", "--completeness").code == 0


def test_what_is_written_behind_our_back_is_named(shop: Site, vault: VaultClient, aws: AwsClient) -> None:
    vault.write("genesis/data/api/x", {"data": {"value": "theirs-4711"}})
    vault.write("genesis/data/new/one", {"data": {"value": "theirs-4712"}})
    vault.delete("genesis/data/new/one")
    made = aws.change("secretsmanager", "put_secret_value", SecretId="genesis/api/x", SecretString='{"value": "theirs-4713"}')
    assert findings(shop) == [
        ("out of band", "aws", "api/x", made["VersionId"]),
        ("out of band", "vault", "api/x", "2"),
        ("out of band", "vault", "new/one", "1"),
    ]
    ran = shop.run("audit", "complete")
    assert "out of band: vault api/x version 2, made 20" in ran.out
    assert "theirs" not in ran.out
    assert shop.run("audit", "verify", "--completeness").code == 1
    assert shop.run("audit", "verify").code == 0


def test_a_rotation_s_own_document_written_by_others_is_named(rotating: Site, vault: VaultClient) -> None:
    document = vault.read("genesis/data/_rotation/hooks/a")
    assert document is not None
    vault.write("genesis/data/_rotation/hooks/a", {"data": document["data"]})
    assert [one[:3] for one in findings(rotating)] == [("out of band", "vault", "_rotation/hooks/a")]


def test_what_the_log_tells_and_no_store_has_is_named(shop: Site) -> None:
    tell(shop, "secret.put", "vault", "api/x", "7")
    tell(shop, "secret.put", "files", "never/was", "1")
    tell(shop, "secret.put", "vault", "api/x", "1")
    assert sorted(findings(shop)) == [
        ("double", "vault", "api/x", "1"),
        ("missing", "files", "never/was", "1"),
        ("missing", "vault", "api/x", "7"),
    ]


def test_a_history_that_was_taken_away_and_begun_again_is_seen(shop: Site, vault: VaultClient) -> None:
    vault.delete("genesis/metadata/api/x")
    assert findings(shop) == [("missing", "vault", "api/x", "1")]
    vault.write("genesis/data/api/x", {"data": {"value": "theirs"}})
    # The number is the one that the log knows, and minutes have not gone by: only clocks tell them apart.
    assert complete(shop)["findings"] == []
    vault.write("genesis/data/api/x", {"data": {"value": "theirs"}})
    assert findings(shop) == [("out of band", "vault", "api/x", "2")]


def test_a_secret_that_an_apply_took_away_may_begin_again(shop: Site) -> None:
    about = "---\nkind: vault.kv_secret\nname: genesis/api/x\nspec: {max_versions: 5}\n"
    shop.write("desired-state/about.yaml", about)
    shop.commit()
    shop.apply("--allow", "takeover")
    shop.remove("desired-state/about.yaml")
    shop.commit()
    shop.apply("--allow", "irreversible")
    assert shop.run("secret", "put", "api/x", "value=again", "--store", "vault").code == 0
    assert complete(shop)["findings"] == []


def test_values_that_an_apply_makes_are_told_with_their_versions(shop: Site) -> None:
    users = """
kind: vault.auth_method
name: people
spec: {type: userpass}
---
kind: vault.userpass_user
name: people/ada
spec: {password: {generate: {length: 30}, to: "vault:genesis/data/logins#ada"}}
---
kind: aws.ssm_parameter
name: /genesis/pepper
spec: {type: SecureString, value: {generate: {length: 30}, to: "aws:genesis/pepper"}}
---
kind: aws.ssm_parameter
name: /genesis/salt
spec: {type: SecureString, value: {generate: {length: 30}, to: "aws:elsewhere/salt"}}
"""
    shop.write("desired-state/users.yaml", users)
    shop.commit()
    shop.apply()
    another = users[users.index("kind: vault.userpass_user") : users.index("---\nkind: aws")].replace("people/ada", "people/bob")
    shop.write("desired-state/bob.yaml", another)  # he has the same password, and so makes no version
    shop.commit()
    shop.apply()
    assert complete(shop)["findings"] == []
    told = shop.run("audit", "search", "--action", "secret.generate", "-o", "json").json
    assert {(one.get("store"), one["resource"]) for one in told} == {
        ("vault", "logins"),
        ("aws", "pepper"),
        (None, "aws:elsewhere/salt"),
    }
    assert [bool(one.get("ver_to")) for one in told if one["resource"] == "logins"] == [True, False]


@pytest.mark.parametrize(("source", "destination"), [("vault", "files"), ("files", "aws")])
def test_a_migration_is_told_version_by_version(source: str, destination: str, shop: Site) -> None:
    for value in ("two", "three"):
        assert shop.run("secret", "put", "db/x", f"value={value}", "--store", source).code == 0
    assert shop.run("secret", "put", "db/gone", "value=once", "--store", source).code == 0
    started = shop.run("migrate", "start", "--from", source, "--to", destination, "--match", "db/*")
    assert started.code == 0, started.out + started.err
    assert shop.run("secret", "delete", "db/gone", "--yes", "--store", source).code == 0
    verified = shop.run("migrate", "verify")
    assert verified.code == 0, verified.out + verified.err
    found = complete(shop)
    assert found["findings"] == found["unsure"] == []


def test_versions_that_a_store_lets_go_are_not_missed(shop: Site, vault: VaultClient) -> None:
    vault.write("genesis/metadata/api/x", {"max_versions": 2})
    for value in "abcd":
        assert shop.run("secret", "put", "api/x", f"value={value}", "--store", "vault").code == 0
    found = next(one for one in complete(shop)["stores"] if one["store"] == "vault")
    assert found["gone"] == 3


def test_what_is_older_than_the_log_is_not_out_of_band(site: Site, vault: VaultClient) -> None:
    vault.write("sys/mounts/genesis", {"type": "kv-v2"})
    site.write("desired-state/environments/dev.yaml", "project: genesis\nvault: {primary: {}}\nstores: {vault: {mount: genesis}}\n")
    site.commit()
    vault.write("genesis/data/api/x", {"data": {"value": "old"}})
    assert counts(site, "vault") == {"secrets": 1, "versions": 1, "matched": 0, "before": 1}
    assert "nothing was ever recorded" in site.run("audit", "complete").out


def test_what_cannot_be_read_is_not_called_complete(shop: Site) -> None:
    ran = shop.run("audit", "complete", PASS="wrong")
    assert ran.code == 1
    assert "not known to be complete" in ran.out
    assert "not read: files" in ran.out


def tell(site: Site, action: str, store: str, path: str, version: str) -> None:
    """Somebody with the key writes an intent and an outcome of nothing."""
    given = settings(site.repo, None, None, "text")
    environment = environment_on_disk(given)
    clients = pool(given, environment)
    book = book_of(given, environment, clients, writing=True)
    with Scribe(book, About("eve", "machine", "", "secret", "genesis/dev"), Masks()) as scribe:
        scribe.outcome(scribe.intent(action, path, store=store), "applied", ver_to=version)
    clients.close()
