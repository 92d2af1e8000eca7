"""A database secret on a real PostgreSQL and a real store, and whoever is logged in with one of its values."""

from __future__ import annotations

import uuid
from contextlib import suppress

import psycopg

from reconciler.backends.postgres import Postgres
from reconciler.rotation.database import Database
from reconciler.rotation.policy import PolicySpec, SecretSpec
from reconciler.rotation.targets import Generate, Target
from reconciler.secrets.sources import random_text
from reconciler.secrets.store import SecretStore
from tests.rotation.orders import DSN
from tests.rotation.rig import Rig


def logins(store: SecretStore, admin: str, count: int) -> Rig:
    """A secret with users of its own, which the owner `rig_owner` has."""
    mark = uuid.uuid4().hex[:10]
    names = tuple(f"rig_{mark}_{letter}" for letter in "abc"[:count])
    target = Target(engine="postgresql", dsn=DSN, users=names, owner="rig_owner")
    spec = SecretSpec(type="database", target=target, rotation="p")
    strategy = Database(target, Generate(), Postgres(DSN, lambda: admin), random_text)
    policy = PolicySpec(interval_days=30, overlap_hours=1, retries=2)
    return Rig(store, strategy, spec, policy, path=f"db/{mark}")


class Thief:
    """Somebody who knows a value, and is logged in with it if that is possible."""

    def __init__(self, value: dict[str, str]) -> None:
        self._value = value
        self._session: psycopg.Connection | None = None
        with suppress(psycopg.OperationalError):
            self._session = self._login()

    def _login(self) -> psycopg.Connection:
        return psycopg.connect(DSN, user=self._value["username"], password=self._value["password"], connect_timeout=5)

    @property
    def gets_in(self) -> bool:
        try:
            self._login().close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def is_in(self) -> bool:
        """Whether the session from before is still good for anything."""
        if self._session is None:
            return False
        try:
            self._session.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def leave(self) -> None:
        if self._session is not None:
            self._session.close()
