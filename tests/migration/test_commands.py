"""`reconcile migrate` between real stores, behind the real command line."""

from __future__ import annotations

import pytest

from reconciler.backends.aws.client import AwsClient
from reconciler.backends.vault.client import VaultClient
from reconciler.ledger.kv import KvShelf
from reconciler.wiring.migrating import lock_of
from reconciler.wiring.stores import encrypted_files
from tests.cli.site import Ran, Site
from tests.cli.test_secret import typed
from tests.migration.desks import declare, settings_of

CANARY = "canary-8Kd3-qPz7Ws1"
WAYS = [("files", "vault"), ("vault", "aws"), ("aws", "files")]
"""Each store once as the source and once as the destination."""


def ok(ran: Ran) -> Ran:
    assert ran.code == 0, ran.out + ran.err
    return ran


def put(site: Site, path: str, *values: str) -> None:
    """With check-and-set: moto leaves AWSCURRENT on two versions where a plain put follows a move of labels."""
    for value in values:
        known = site.run("secret", "versions", path, "-o", "json")
        newest = known.json[0]["version"] if known.code == 0 else "0"
        ok(site.run("secret", "put", path, f"value={value}", "--cas", newest))


def got(site: Site, path: str, store: str) -> str:
    return str(ok(site.run("secret", "get", path, "--store", store)).out).removesuffix("\n")


def values(site: Site, path: str, store: str) -> list[str]:
    """All that can be read, oldest first."""
    found = ok(site.run("secret", "versions", path, "--store", store, "-o", "json")).json
    numbered = sorted((one for one in found if one["readable"]), key=lambda one: int(one["version"]) if one["version"].isdigit() else 0)
    return [ok(site.run("secret", "get", path, "--store", store, "--version", one["version"])).out.removesuffix("\n") for one in numbered]


@pytest.mark.parametrize(("source", "destination"), WAYS)
def test_secrets_move_from_store_to_store_and_back(shop: Site, source: str, destination: str) -> None:
    declare(shop, f"{source}, {destination}")
    put(shop, "db/orders", "one", "two")
    put(shop, "api/claude", CANARY)
    way = ("--from", source, "--to", destination)
    assessed = ok(shop.run("migrate", "assess", *way, "-o", "json")).json
    assert (assessed["movable"], assessed["versions"]) == (True, 3)
    started = ok(shop.run("migrate", "start", *way, "-o", "json")).json
    assert (started["phase"], started["versions"], started["failed"]) == ("dual", 3, [])
    assert got(shop, "db/orders", destination) == "two"
    put(shop, "db/orders", "three")
    put(shop, "new/one", "first")
    put(shop, "short/lived", "first")
    ok(shop.run("secret", "delete", "short/lived", "--yes"))
    assert (got(shop, "db/orders", destination), got(shop, "new/one", destination)) == ("three", "first")
    verified = ok(shop.run("migrate", "verify", "-o", "json"))
    # AWS itself keeps the newest two: of the one that made room, files has what it had.
    assert (verified.json["ok"], verified.json["equal"]) == (True, {"files": 5, "vault": 5, "aws": 4}[source])
    cut = ok(shop.run("migrate", "cutover", "--yes"))
    put(shop, "db/orders", "four")
    assert ok(shop.run("secret", "get", "db/orders")).out == "four\n"
    assert (got(shop, "db/orders", destination), got(shop, "db/orders", source)) == ("four", "three")
    refused = shop.run("secret", "put", "db/orders", "value=five", "--store", source)
    assert (refused.code, f"{source} is read-only since the cutover to {destination}" in refused.err) == (4, True)
    assert ok(shop.run("migrate", "verify", "-o", "json")).json["ok"]
    back = ok(shop.run("migrate", "abort", "--yes", "-o", "json")).json
    assert (back["phase"], back["versions"]) == ("aborted", 1)
    assert got(shop, "db/orders", source) == "four"
    put(shop, "db/orders", "five")
    assert (got(shop, "db/orders", source), got(shop, "db/orders", destination)) == ("five", "four")
    ok(shop.run("secret", "delete", "new/one", "--yes"))
    assert ok(shop.run("audit", "verify"))
    ok(shop.run("audit", "complete"))
    shown = [cut.out, cut.err, verified.out, shop.run("audit", "export").out]
    assert not any(CANARY in text for text in shown)


def test_what_a_destination_cannot_hold_is_said_at_once_and_nothing_is_written(shop: Site, vault: VaultClient, aws: AwsClient) -> None:
    put(shop, "ok", "one")
    put(shop, "many", *map(str, range(15)))
    for path, value in (("large", {"value": "x" * 70_000}), ("name ünï", {"value": "x"})):
        with encrypted_files(settings_of(shop)) as store:
            store.put(path, value)
            store.annotate(path, {"note": "a, b"})
    for store_name, words in {
        "vault": ["many: it has 15 versions, and vault keeps 10 (--versions 10 moves the newest of each"],
        "aws": [
            "large: version 1: aws holds values of 65,536 bytes at most",
            "large: metadata 'note' is no tag",
            "many: it has 15 versions, and aws keeps 14",
            "name ünï: version 1: aws cannot hold a secret of this name",
        ],
    }.items():
        way = ("--from", "files", "--to", store_name)
        assessed, refused = shop.run("migrate", "assess", *way), shop.run("migrate", "start", *way)
        assert (assessed.code, refused.code) == (1, 4)
        assert all(one in assessed.out and one in refused.err for one in words), assessed.out + refused.err
    assert (vault.list("genesis/metadata"), list(aws.pages("secretsmanager", "list_secrets", "SecretList"))) == (None, [])
    assert shop.run("migrate", "status", "-o", "json").json == {"phase": "none"}
    assert ok(shop.run("migrate", "start", "--from", "files", "--to", "vault", "--versions", "10", "-o", "json")).json["versions"] == 13
    assert values(shop, "many", "vault") == [str(number) for number in range(5, 15)]


def test_what_others_wrote_into_a_store_arrives_or_says_why_not(shop: Site, vault: VaultClient, aws: AwsClient) -> None:
    declare(shop, "vault, aws, files")
    vault.write("genesis/data/odd", {"data": {"port": 5432, "hosts": ["a", "b"]}})
    vault.write("genesis/data/empty", {"data": {}})
    vault.write("genesis/data/blank", {"data": {"value": ""}})
    found = shop.run("migrate", "assess", "--from", "vault", "--to", "files")
    assert (found.code, "empty: version 1: a secret is a map of at least one name" in found.out) == (1, True)
    assert "note: odd: version 1: it holds numbers, lists or maps, which arrive as their JSON text" in found.out
    vault.delete("genesis/metadata/empty")
    ok(shop.run("migrate", "start", "--from", "vault", "--to", "files"))
    assert ok(shop.run("secret", "get", "odd", "--store", "files", "-o", "json")).json == {"port": "5432", "hosts": '["a","b"]'}
    assert ok(shop.run("secret", "get", "blank", "--store", "files", "-o", "json")).json == {"value": ""}
    ok(shop.run("migrate", "abort", "--yes"))
    aws.change("secretsmanager", "create_secret", Name="genesis/binary", SecretBinary=b"\x00\x01")
    refused = shop.run("migrate", "start", "--from", "aws", "--to", "files")
    assert (refused.code, "binary: holds binary content in aws, not text" in refused.err) == (4, True)


def test_a_cutover_asks_and_two_at_once_are_refused(shop: Site, vault: VaultClient) -> None:
    put(shop, "db/orders", CANARY)
    ok(shop.run("migrate", "start", "--from", "files", "--to", "vault"))
    assert shop.run("migrate", "cutover").code == 2
    code, shown = typed(shop, "n\n", "migrate", "cutover")
    assert (code, "Let vault decide over 1 secrets, and write to files no more?" in shown) == (0, True), shown
    assert "merge `order: [vault, files]`" in shown
    shelf = KvShelf(vault, "reconciler", "genesis/dev", lambda _seconds: None)
    with lock_of(shelf).acquire("somebody", "run"):
        for words in (("start", "--from", "files", "--to", "vault"), ("cutover", "--yes"), ("abort", "--yes")):
            ran = shop.run("migrate", *words)
            assert (ran.code, "another `reconcile migrate` is at work: somebody on " in ran.err) == (4, True)
    assert ok(shop.run("migrate", "status", "-o", "json")).json["phase"] == "dual"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("start", "--from", "files", "--to", "files"), 2, "from one store to another"),
        (("start", "--from", "files", "--to", "redis"), 2, "the environment declares no store 'redis'"),
        (("verify",), 4, "no migration is under way"),
        (("cutover", "--yes"), 4, "no migration is under way"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(shop: Site, words: tuple[str, ...], code: int, says: str) -> None:
    ran = shop.run("migrate", *words)
    assert (ran.code, says in ran.err) == (code, True), ran.err


def test_an_environment_that_writes_to_all_stores_is_refused(shop: Site) -> None:
    declare(shop, write="dual")
    ran = shop.run("migrate", "start", "--from", "files", "--to", "vault")
    assert (ran.code, "write `write: primary` first" in ran.err) == (4, True)


def test_a_lockdown_stops_a_migration_too(shop: Site) -> None:
    ok(shop.run("lockdown", "on", "--reason", "leak"))
    ran = shop.run("migrate", "start", "--from", "files", "--to", "vault")
    assert (ran.code, "locked down since" in ran.err) == (4, True)
