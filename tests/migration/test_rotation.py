"""Secrets that rotate: what a rotation writes is copied too, none is torn apart by a cutover, and it goes on in the new store."""

from __future__ import annotations

from typing import Any

from tests.cli.site import Ran, Site

PATH = "hooks/github"
HOOK = """
kind: secret
name: hooks/github
spec: {{store: {store}, type: webhook_secret, generate: {{length: 48}}, rotation: hooks}}
---
kind: rotation_policy
name: hooks
spec: {{interval_days: 90, overlap_hours: {overlap}, consumer_cache: 0}}
"""


def declare(site: Site, store: str, overlap: int = 0) -> None:
    site.write("desired-state/hooks.yaml", HOOK.format(store=store, overlap=overlap))
    site.commit()


def ok(ran: Ran) -> Ran:
    assert ran.code == 0, ran.out + ran.err
    return ran


def got(site: Site, store: str) -> str:
    return ok(site.run("secret", "get", PATH, "--store", store)).out


def status(site: Site) -> Any:
    return ok(site.run("rotate", "status", "-o", "json")).json[0]


def test_a_secret_goes_on_rotating_from_before_a_migration_to_after_it(shop: Site) -> None:
    declare(shop, "files")
    ok(shop.run("apply", "--yes"))
    ok(shop.run("migrate", "start", "--from", "files", "--to", "vault"))
    ok(shop.run("rotate", "--secret-path", PATH))
    assert got(shop, "files") == got(shop, "vault")
    rotated = status(shop)["last_rotated"]
    ok(shop.run("migrate", "cutover", "--yes"))
    refused = shop.run("rotate", "--secret-path", PATH)
    assert refused.code != 0
    assert "files is read-only since the cutover to vault" in refused.out + refused.err
    assert got(shop, "files") == got(shop, "vault")
    declare(shop, "vault")
    assert (status(shop)["phase"], status(shop)["last_rotated"]) == ("IDLE", rotated)
    ok(shop.run("rotate", "--secret-path", PATH))
    assert got(shop, "files") != got(shop, "vault")
    ok(shop.run("migrate", "abort", "--yes"))
    assert got(shop, "files") == got(shop, "vault")


def test_a_cutover_waits_for_a_rotation_that_is_under_way(shop: Site) -> None:
    declare(shop, "files", overlap=1)
    ok(shop.run("apply", "--yes"))
    ok(shop.run("migrate", "start", "--from", "files", "--to", "vault"))
    ok(shop.run("rotate", "--secret-path", PATH))
    assert status(shop)["phase"] == "OVERLAP"
    refused = shop.run("migrate", "cutover", "--yes")
    assert (refused.code, f"_rotation/{PATH}: a rotation is under way, in phase OVERLAP" in refused.err) == (4, True)
    ok(shop.run("migrate", "abort", "--yes"))
    refused = shop.run("migrate", "start", "--from", "files", "--to", "vault")
    assert (refused.code, "a rotation is under way, in phase OVERLAP" in refused.err) == (4, True)
