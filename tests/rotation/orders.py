"""An application's database: an owner, two users, and the secret that says who logs in."""

from __future__ import annotations

import psycopg

from tests.cli.site import Site
from tests.kinds import postgres
from tests.rotation.kv import read, write

DSN = f"host=127.0.0.1 port={postgres.PORT} dbname=postgres"
FIRST = "first-" + "value-of-orders"


def document(users: str = "orders_a, orders_b", policy: str = "interval_days: 30, overlap_hours: 0, consumer_cache: 0") -> str:
    return f"""
kind: secret
name: db/orders
spec:
  store: vault
  type: database
  rotation: database_passwords
  consumers: [orders-api, orders-worker]
  target: {{engine: postgresql, dsn: "{DSN}", admin: {{from: env:PG_ADMIN}}, owner: orders_owner, users: [{users}]}}
---
kind: rotation_policy
name: database_passwords
spec: {{{policy}}}
"""


def administrator() -> psycopg.Connection:
    return psycopg.connect(f"{DSN} user=vault password={postgres.PASSWORD}", autocommit=True)


def new_database(site: Site, admin: str, *, users: tuple[str, ...] = ("orders_a", "orders_b")) -> None:
    """The owner and the users as an administrator makes them, the first with a password that the store has."""
    with administrator() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'orders%'")
        connection.execute("DROP SCHEMA IF EXISTS reconciler CASCADE")
        for user in ("orders_a", "orders_b"):
            connection.execute(f"DROP ROLE IF EXISTS {user}".encode())
        connection.execute("DROP ROLE IF EXISTS orders_owner")
        connection.execute("CREATE ROLE orders_owner NOLOGIN")
        for user in users:
            connection.execute(f"CREATE ROLE {user} LOGIN IN ROLE orders_owner".encode())
            connection.execute(f"ALTER ROLE {user} SET ROLE orders_owner".encode())
        connection.execute(f"ALTER ROLE orders_a PASSWORD '{FIRST}'".encode())
    site.environ["PG_ADMIN"] = admin
    write(site, "db/orders", {"username": "orders_a", "password": FIRST})


def login(held: dict[str, str]) -> bool:
    try:
        psycopg.connect(DSN, user=held["username"], password=held["password"], connect_timeout=5).close()
    except psycopg.OperationalError as error:
        if "authentication failed" not in str(error):
            raise
        return False
    return True


def value(site: Site) -> dict[str, str]:
    held = read(site, "db/orders")
    assert held is not None
    return held
