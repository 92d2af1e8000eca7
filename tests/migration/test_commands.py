"""`reconcile migrate` between real stores, behind the real command line."""

from __future__ import annotations

import pytest

from tests.cli.site import Ran, Site
from tests.migration.desks import declare

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
    assert (got(shop, "db/orders", destination), got(shop, "new/one", destination)) == ("three", "first")
    verified = ok(shop.run("migrate", "verify", "-o", "json"))
    # AWS itself keeps the newest two: of the one that made room, files has what it had.
    assert (verified.json["ok"], verified.json["equal"]) == (True, 4 if source == "aws" else 5)
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
    assert ok(shop.run("audit", "verify"))
    shown = [cut.out, cut.err, verified.out, shop.run("audit", "export").out]
    assert not any(CANARY in text for text in shown)
