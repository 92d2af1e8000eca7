"""database: PostgreSQL passwords. With two users they alternate, so that old and new are good at once; one user has no overlap."""

from __future__ import annotations

from collections.abc import Mapping

from ..backends.postgres import Postgres
from .generated import Random
from .seen import Probe
from .state import Kept, kept
from .strategy import Call, Fenced, OwnValue
from .targets import Generate, Target

AHEAD = "{}: another rotator is ahead, or did this already"


class Database(OwnValue):
    """The users of one application in one database."""

    tested = True
    undoes = True

    def __init__(self, target: Target, generate: Generate, server: Postgres, random: Random) -> None:
        self._spec = target
        self._generate = generate
        self._server = server
        self._random = random

    @property
    def target(self) -> str:
        return f"postgresql {self._spec.dsn}"

    def make(self, main: Mapping[str, str] | None) -> dict[str, str]:
        kept_keys = {key: value for key, value in (main or {}).items() if key not in ("username", "password")}
        login = {"username": self._next_user(main) if main else self._first_user(), "password": self._random(self._generate.length)}
        return {**self._server.parts(), **kept_keys, **login}

    def identity(self, value: Mapping[str, str]) -> str:
        return value.get("username", "") if len(self._spec.users) > 1 else ""

    def ends(self, value: Mapping[str, str]) -> bool:
        return value.get("username") in self._spec.users

    def apply(self, call: Call, value: Kept, previous: Kept | None) -> None:
        user, password = _login(value)
        self._change(call, user, password)

    def probe(self, call: Call, value: Kept) -> Probe:
        user, password = _login(value)
        if not password:
            return Probe.REFUSED  # PostgreSQL takes no empty one
        accepted = self._server.login(user, password)
        return Probe.UNSURE if accepted is None else Probe.ACCEPTED if accepted else Probe.REFUSED

    def revoke(self, call: Call, value: Kept) -> None:
        user, _ = _login(value)
        self._change(call, user, None)

    def evict(self, call: Call, value: Kept) -> None:
        if not self._server.evict(call.secret, call.fence, _login(value)[0]):
            raise Fenced(AHEAD.format(call.secret))

    def occupied(self) -> str:
        taken = self._server.taken(self._spec.users)
        if not taken.issuperset(self._spec.users):
            return ""
        return f"{self._spec.users[0]} has a password that the store does not know, and somebody may use it"

    def strays(self, *needed: Mapping[str, str] | None) -> tuple[Kept, ...]:
        names = {value.get("username", "") for value in needed if value}
        return tuple(kept({"username": user, "password": ""}, identity=user) for user in self._spec.users if user not in names)

    def fence(self, secret: str) -> int | None:
        return self._server.fence(secret)

    def lingering(self, secret: str, value: Kept) -> bool:
        return self._server.ended(secret) != _login(value)[0]

    def _change(self, call: Call, user: str, password: str | None) -> None:
        if not self._server.set_password(call.secret, call.fence, user, password, owner=self._spec.owner, end_sessions=call.urgent):
            raise Fenced(AHEAD.format(call.secret))

    def _next_user(self, main: Mapping[str, str]) -> str:
        users, was = self._spec.users, main.get("username")
        return users[(users.index(was) + 1) % len(users)] if was in users else users[0]

    def _first_user(self) -> str:
        taken = self._server.taken(self._spec.users)
        return next((user for user in self._spec.users if user not in taken), self._spec.users[0])


def _login(value: Kept) -> tuple[str, str]:
    held = value.value
    return held.get("username", ""), held.get("password", "")
