"""PostgreSQL passwords, on a real server."""

from __future__ import annotations

from functools import partial

import psycopg
import pytest

from reconciler.backends.postgres import Postgres
from reconciler.core.errors import Denied, Missing, Unavailable
from tests.cli.site import Site
from tests.kinds import postgres
from tests.rotation.orders import DSN, FIRST, administrator, document, login, new_database, value


@pytest.fixture
def orders(site: Site, database: str) -> Site:
    new_database(site, database)
    site.write("desired-state/orders.yaml", document())
    site.commit()
    return site


def rotate(site: Site, *arguments: str) -> str:
    ran = site.run("rotate", "--secret-path", "db/orders", *arguments)
    assert ran.code == 0, ran.out + ran.err
    return ran.out


def test_two_users_alternate_and_the_old_password_ends(orders: Site) -> None:
    seen = [value(orders)]
    for _ in range(3):
        rotate(orders)
        seen.append(value(orders))
        assert [login(one) for one in seen] == [False] * (len(seen) - 1) + [True]
    assert [one["username"] for one in seen] == ["orders_a", "orders_b", "orders_a", "orders_b"]
    assert (seen[-1]["host"], seen[-1]["dbname"]) == ("127.0.0.1", "postgres")


def test_old_and_new_are_both_good_in_the_overlap(orders: Site) -> None:
    orders.write("desired-state/orders.yaml", document(policy="interval_days: 30, overlap_hours: 1"))
    orders.commit()
    before = value(orders)
    assert "both good" in rotate(orders)
    assert login(before)
    assert login(value(orders))


def test_one_user_is_rotated_too(site: Site, database: str) -> None:
    new_database(site, database)
    site.write("desired-state/orders.yaml", document(users="orders_a"))
    site.commit()
    before = value(site)
    rotate(site)
    assert value(site)["username"] == "orders_a"
    assert login(value(site))
    assert not login(before)


def test_a_user_that_is_missing_is_made_with_the_rights_of_the_owner(site: Site, database: str) -> None:
    new_database(site, database, users=("orders_a",))
    site.write("desired-state/orders.yaml", document())
    site.commit()
    rotate(site)
    held = value(site)
    with psycopg.connect(DSN, user=held["username"], password=held["password"]) as connection:
        row = connection.execute("SELECT current_user, session_user").fetchone()
    assert row == ("orders_owner", "orders_b")


def test_an_emergency_ends_the_sessions_and_sees_the_leaked_password_refused(orders: Site) -> None:
    orders.write("desired-state/orders.yaml", document(policy="interval_days: 30, overlap_hours: 24"))
    orders.commit()
    leaked = value(orders)
    thief = psycopg.connect(DSN, user=leaked["username"], password=leaked["password"])
    said = rotate(orders, "--emergency", "--leaked", "current")
    assert "the leaked value is refused after" in said
    assert not login(leaked)
    with thief, pytest.raises(psycopg.OperationalError):
        thief.execute("SELECT 1")
    assert login(value(orders))


def test_the_password_is_kept_as_a_scram_verifier(orders: Site) -> None:
    rotate(orders)
    with administrator() as connection:
        row = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'orders_b'").fetchone()
    assert row is not None
    assert str(row[0]).startswith("SCRAM-SHA-256$")


def test_a_fence_is_good_for_one_change_and_older_ones_change_nothing(site: Site, database: str) -> None:
    new_database(site, database)
    server = Postgres(DSN, lambda: database)
    assert server.fence("x") == -1
    assert server.set_password("x", 5, "orders_a", "five")
    assert not server.set_password("x", 5, "orders_a", "again")
    assert not server.set_password("x", 4, "orders_a", None)
    assert server.login("orders_a", "five") is True
    assert server.login("orders_a", FIRST) is False
    assert server.fence("x") == 5
    assert server.set_password("x", 6, "orders_a", None)
    assert server.login("orders_a", "five") is False
    assert server.set_password("y", 1, "orders_b", "other"), "each secret has its own fence"


def test_what_goes_wrong_is_said_without_a_password(site: Site, database: str) -> None:
    new_database(site, database)
    canary = "canary-" + "of-the-administrator"
    with pytest.raises(Denied, match="administrator's login") as denied:
        Postgres(DSN, lambda: f"vault:{canary}").fence("x")
    assert canary not in str(denied.value)
    with pytest.raises(Unavailable, match="cannot be reached"):
        Postgres("host=127.0.0.1 port=1 dbname=x", lambda: database).fence("x")
    with pytest.raises(Missing, match="has no user nobody_here"):
        Postgres(DSN, lambda: database).set_password("z", 1, "nobody_here", "value")
    assert Postgres("host=127.0.0.1 port=1 dbname=x", lambda: database).login("a", "b") is None


def test_the_administrators_login_is_read_in_every_spelling(site: Site, database: str) -> None:
    new_database(site, database)
    user, _, password = database.partition(":")
    for spelled in (database, f"user={user} password={password}", f"postgresql://{user}:{password}@127.0.0.1:{postgres.PORT}/postgres"):
        assert Postgres(DSN, partial(str, spelled)).fence("x") == -1
