"""PostgreSQL, as far as the rotation of its passwords needs it. psycopg is imported here alone, and on first use.

A password never travels as text: its SCRAM verifier is made here, since ALTER ROLE stands in the server's log. The fence
and the change are one transaction, so that whoever comes late changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..core.errors import BackendError, Denied, Invalid, Missing, Problem, Unavailable

if TYPE_CHECKING:  # slow to import, and only rotations of databases need it
    import psycopg

CONNECT_SECONDS = 5
ENDING_ATTEMPTS = 100  # a twentieth of a second apart
STATEMENT_MILLISECONDS = 15_000
_NOT_THIS_LOGIN = re.compile(r"password authentication failed|is not permitted to log in|role \".*\" does not exist|28P01")
"""Not 28000, which pg_hba.conf's refusals have too: they are about where somebody comes from, and say nothing of a password."""
_CONNINFO = re.compile(r"^postgres(ql)?://|(^|\s)(user|password|host|service)\s*=")
_UNREFUSED = frozenset({"53300", "57P03", "57P01"})  # too many connections, starting up, shutting down


class Postgres:
    """One database. `administrator` tells `USER:PASSWORD`, a connection string, or a password of `postgres`."""

    def __init__(self, dsn: str, administrator: Callable[[], str]) -> None:
        self._dsn = dsn
        self._administrator = administrator

    def parts(self) -> dict[str, str]:
        """Host, port and database, as consumers are told them."""
        from psycopg.conninfo import conninfo_to_dict

        with _translated("the database's `dsn`"):
            found = conninfo_to_dict(self._dsn)
        return {name: str(value) for name, value in found.items() if name in ("host", "port", "dbname", "sslmode") and value is not None}

    def login(self, user: str, password: str) -> bool | None:
        """Whether this user may log in with this password; None where that cannot be told."""
        import psycopg
        from psycopg.conninfo import make_conninfo

        try:
            psycopg.connect(make_conninfo(self._dsn, user=user, password=password, connect_timeout=CONNECT_SECONDS)).close()
        except psycopg.OperationalError as error:
            refused = error.sqlstate not in _UNREFUSED and refusal(f"{error.sqlstate} {error}")
            return False if refused else None
        return True

    def taken(self, users: Sequence[str]) -> frozenset[str]:
        """Those of the users that somebody can log in as: they have a password or, where that may not be seen, sessions."""
        import psycopg

        with self._connected() as connection:
            try:
                found = connection.execute(
                    "SELECT rolname FROM pg_authid WHERE rolname = ANY(%s) AND rolcanlogin AND rolpassword IS NOT NULL", (list(users),)
                ).fetchall()
            except psycopg.errors.InsufficientPrivilege:
                found = connection.execute(
                    "SELECT DISTINCT usename FROM pg_stat_activity WHERE usename = ANY(%s)", (list(users),)
                ).fetchall()
            return frozenset(str(name) for (name,) in found)

    def fence(self, secret: str) -> int:
        """The newest fence that a change of this secret had; -1 where there was none."""
        with self._connected() as connection:
            if not _has_fences(connection):
                return -1
            row = connection.execute("SELECT fence FROM reconciler.fences WHERE secret = %s", (secret,)).fetchone()
            return int(row[0]) if row else -1

    def set_password(
        self, secret: str, fence: int, user: str, password: str | None, *, owner: str = "", end_sessions: bool = False
    ) -> bool:
        """Give a user a password, or none, which no login matches. False: the fence is not newer than the last, and nothing was changed.

        A user that is missing is made as a member of `owner`, whose rights it takes on at each login. `end_sessions`: those that
        are open end too, which a change of password leaves alone; that they did is noted beside the fence.
        """
        from psycopg import sql

        with self._connected() as connection:
            _prepare(connection)
            name = sql.Identifier(user)
            with connection.transaction():
                if not _passes(connection, secret, fence):
                    return False
                if password is not None:
                    _make_user(connection, user, owner)
                    verifier = connection.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()
                    connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(verifier)))
                elif _has_user(connection, user):
                    # NOLOGIN is looked at last: it also stops whoever began to log in before.
                    without = sql.SQL("NOLOGIN PASSWORD NULL" if end_sessions else "PASSWORD NULL")
                    connection.execute(sql.SQL("ALTER ROLE {} {}").format(name, without))
            if end_sessions:
                _end_sessions(connection, secret, fence, user)
        return True

    def evict(self, secret: str, fence: int, user: str) -> bool:
        """End the sessions of a user whose password was changed. False: the fence is not newer than the last."""
        with self._connected() as connection:
            _prepare(connection)
            if not _passes(connection, secret, fence):
                return False
            _end_sessions(connection, secret, fence, user)
        return True

    def ended(self, secret: str) -> str:
        """The user whose sessions were ended with the last change of this secret; empty where none were, or nobody saw the end of it."""
        with self._connected() as connection:
            if not _has_fences(connection):
                return ""
            row = connection.execute("SELECT ended FROM reconciler.fences WHERE secret = %s", (secret,)).fetchone()
            return str(row[0]) if row else ""

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection]:
        import psycopg

        with _translated("the database"):
            options = f"-c statement_timeout={STATEMENT_MILLISECONDS} -c lock_timeout={STATEMENT_MILLISECONDS}"
            with psycopg.connect(self._conninfo(), connect_timeout=CONNECT_SECONDS, options=options, autocommit=True) as connection:
                yield connection

    def _conninfo(self) -> str:
        from psycopg.conninfo import conninfo_to_dict, make_conninfo

        given = self._administrator()
        if _CONNINFO.search(given):
            return make_conninfo(self._dsn, **{key: value for key, value in conninfo_to_dict(given).items() if value is not None})
        user, colon, password = given.partition(":")
        return make_conninfo(self._dsn, user=user if colon else "postgres", password=password if colon else given)


def refusal(said: str) -> bool:
    """Whether a server's words are about the login, and not about the way to it."""
    return bool(_NOT_THIS_LOGIN.search(said))


def _has_fences(connection: psycopg.Connection) -> bool:
    row = connection.execute("SELECT to_regclass('reconciler.fences')").fetchone()
    return row is not None and row[0] is not None


def _prepare(connection: psycopg.Connection) -> None:
    if _has_fences(connection):
        return
    # One lock, since two that create what does not exist yet fail one of them, IF NOT EXISTS or not.
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(7237512019)")
        connection.execute("CREATE SCHEMA IF NOT EXISTS reconciler")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS reconciler.fences (secret text PRIMARY KEY, fence bigint NOT NULL, ended text NOT NULL DEFAULT '')"
        )


def _passes(connection: psycopg.Connection, secret: str, fence: int) -> bool:
    """Raise the fence, and hold its row to the end of the transaction. False where it is as high already."""
    raised = connection.execute(
        "INSERT INTO reconciler.fences AS held (secret, fence) VALUES (%s, %s) ON CONFLICT (secret) "
        "DO UPDATE SET fence = EXCLUDED.fence, ended = '' WHERE held.fence < EXCLUDED.fence RETURNING fence",
        (secret, fence),
    )
    return raised.fetchone() is not None


def _has_user(connection: psycopg.Connection, user: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,)).fetchone() is not None


def _make_user(connection: psycopg.Connection, user: str, owner: str) -> None:
    from psycopg import sql

    if _has_user(connection, user):
        return
    if not owner:
        raise Missing(f"the database has no user {user} (create it, or name the `owner` whose rights it shall have)", path=user)
    name, whose = sql.Identifier(user), sql.Identifier(owner)
    connection.execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE {}").format(name, whose))
    # What one of the two users makes must belong to both.
    connection.execute(sql.SQL("ALTER ROLE {} SET ROLE {}").format(name, sql.Literal(owner)))


def _end_sessions(connection: psycopg.Connection, secret: str, fence: int, user: str) -> None:
    """End what is logged in as a user, see it gone, and note it. Raises Unavailable. Who logs in from now on is not meant."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    before = row[0] if row else None
    for _ in range(ENDING_ATTEMPTS):
        found = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND backend_start <= %s AND pid <> pg_backend_pid()",
            (user, before),
        ).fetchall()
        if not found:
            connection.execute("UPDATE reconciler.fences SET ended = %s WHERE secret = %s AND fence = %s", (user, secret, fence))
            return
        connection.execute("SELECT pg_sleep(0.05)")
    raise Unavailable(f"the sessions of {user} do not end", path=user)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Let nothing of psycopg out: its errors hold statements and connection strings."""
    import psycopg

    try:
        yield
    except psycopg.errors.InsufficientPrivilege:
        raise Denied(
            f"{what}: the administrator may not do this (it must be able to alter the users, and in an emergency to end their sessions)",
            path=what,
            capability="alter role",
        ) from None
    except psycopg.ProgrammingError as error:
        if error.sqlstate is None:
            raise Invalid([Problem(what, "", "is no connection string")]) from None
        raise BackendError(f"{what}: refuses ({error.sqlstate})", path=what) from None
    except psycopg.OperationalError as error:
        if refusal(f"{error.sqlstate} {error}"):
            raise Denied(f"{what}: does not accept the administrator's login", path=what, capability="login") from None
        raise Unavailable(f"{what}: cannot be reached ({type(error).__name__})", path=what) from None
    except psycopg.Error as error:
        raise Unavailable(f"{what}: failed ({error.sqlstate or type(error).__name__})", path=what) from None
