"""A migration seen from machines and commits whose environment's file declares other stores, and by secrets that it does not move."""

from __future__ import annotations

from tests.cli.site import Site
from tests.cli.test_secret import ENVIRONMENT, process
from tests.migration.desks import declare
from tests.migration.test_commands import got, ok, put

LEFT = ("migrate", "start", "--from", "files", "--to", "vault")


def declare_only(site: Site, *names: str) -> None:
    """The environment's file with these stores and no others."""
    lines = ENVIRONMENT.format(order=", ".join(names), write="primary").splitlines()
    others = tuple(f"  {name}: " for name in ("vault", "aws", "files") if name not in names)
    site.write("desired-state/environments/dev.yaml", "\n".join(line for line in lines if not line.startswith(others)) + "\n")


def moved(site: Site, *way: str) -> None:
    put(site, "db/orders", "one")
    ok(site.run(*LEFT, *way))
    ok(site.run("migrate", "cutover", "--yes"))


def test_secrets_are_written_when_the_source_is_declared_no_more(shop: Site) -> None:
    moved(shop)
    declare_only(shop, "vault", "aws")
    ok(shop.run("secret", "put", "db/orders", "value=two"))
    assert ok(shop.run("secret", "get", "db/orders")).out == "two\n"


def test_a_commit_from_before_the_migration_writes_nothing_into_the_store_that_was_left(shop: Site) -> None:
    moved(shop, "--match", "db/*")
    for stores in (["files"], ["files", "aws"]):
        declare_only(shop, *stores)
        for words in (("put", "db/orders", "value=lost"), ("delete", "db/orders", "--yes")):
            refused = shop.run("secret", *words)
            assert (refused.code, "the environment's file here declares no store vault" in refused.err) == (4, True), refused.err
        ok(shop.run("secret", "put", "api/claude", "value=is not moved"))
    declare(shop)
    assert (got(shop, "db/orders", "files"), got(shop, "db/orders", "vault")) == ("one", "one")
    ok(shop.run("migrate", "verify"))


def test_secrets_that_are_not_moved_are_read_and_written_as_ever(shop: Site) -> None:
    put(shop, "api/claude", "of the files")
    ok(shop.run("secret", "put", "api/claude", "value=of vault's own", "--store", "vault"))
    moved(shop, "--match", "db/*")
    ok(shop.run("secret", "put", "db/orders", "value=two"))
    ran = process(shop, "secret", "exec", "db/orders", "api/claude", "--", "sh", "-c", "echo $DB_ORDERS, $API_CLAUDE")
    assert ok(ran).out == "two, of the files\n"
    declare(shop, write="dual")
    ok(shop.run("secret", "put", "api/claude", "value=both"))
    assert (got(shop, "api/claude", "files"), got(shop, "api/claude", "vault")) == ("both", "both")
