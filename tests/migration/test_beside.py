"""What else changes stores, beside a migration: it takes nothing from it that it needs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.cli.site import Site
from tests.migration.test_commands import ok, put, values
from tests.retention.test_commands import PHRASE, secret

START = ("migrate", "start", "--from", "files", "--to", "vault")


def look(site: Site, *arguments: str) -> Any:
    return ok(site.run("retention", "-o", "json", *arguments)).json


def test_retention_lets_no_version_go_that_a_migration_compares_or_goes_back_to(shop: Site) -> None:
    shop.environ["STORE_PASSPHRASE"] = PHRASE
    secret(shop, "db/orders", 400, 300, 1)
    shop.commit()
    assert [(one["name"], one["version"]) for one in look(shop)["going"]] == [("db/orders", "1")]
    ok(shop.run(*START))
    for verb in ("verify", "cutover"):
        found = look(shop, "--yes")
        assert (found["going"], found["done"]) == ([], [])
        assert re.match("the migration from files to vault, begun .* is in force", found["staying"][0]["reason"])
        ok(shop.run("migrate", verb, *(["--yes"] if verb == "cutover" else [])))
    assert look(shop, "--yes")["going"] == [], "the source of a migration is never deleted"
    assert len(values(shop, "db/orders", "files")) == 3


def test_a_restore_waits_for_the_end_of_a_migration(shop: Site, tmp_path: Path) -> None:
    put(shop, "db/orders", "one")
    identity = tmp_path / "ops.key"
    recipients = [ok(shop.run("backup", "key", str(file))).out.strip() for file in (identity, tmp_path / "safe.key")]
    shop.commit()
    to = [word for one in recipients for word in ("--recipient", one)]
    file = tmp_path / "all.backup"
    ok(shop.run("backup", "--out", str(file), *to))
    ok(shop.run(*START))
    refused = shop.run("restore", str(file), "--identity", str(identity), "--yes")
    assert (refused.code, "is in force (finish it with `reconcile migrate cutover`" in refused.err) == (4, True), refused.err
    ok(shop.run("migrate", "cutover", "--yes"))
    assert shop.run("restore", str(file), "--identity", str(identity), "--plan").code == 0
