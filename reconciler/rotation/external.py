"""external: a command or a web service makes values good, tries them and ends them.

A command is called `ARGV... apply|probe|revoke`, with JSON on standard input and nothing on its command line or in its
environment: exit 0 done or valid, 1 definitely not, 73 no room for another value, anything else try again. A web service
gets the same by POST, and answers 507 where it has no room.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from ..core.errors import Unavailable
from .generated import Random, renewed
from .seen import Probe
from .state import Kept
from .strategy import Call, Definite, NoLogins, OwnValue
from .targets import Generate


class Speaks(Protocol):
    """Carries one request to the outside: True for yes, False for definitely not, None for try again. Raises Full."""

    def __call__(self, verb: str, sent: bytes) -> bool | None: ...


class External(OwnValue, NoLogins):
    """What accepts the value is somebody else's, and honours the fence if it can."""

    tested = True
    undoes = True

    def __init__(self, name: str, generate: Generate, speak: Speaks, random: Random) -> None:
        self.target = name
        self._generate = generate
        self._speak = speak
        self._random = random

    def make(self, main: Mapping[str, str] | None) -> dict[str, str]:
        return renewed(main, self._generate, self._random)

    def identity(self, value: Mapping[str, str]) -> str:
        return ""

    def ends(self, value: Mapping[str, str]) -> bool:
        return True

    def apply(self, call: Call, value: Kept, previous: Kept | None) -> None:
        self._must("apply", call, value, previous)

    def probe(self, call: Call, value: Kept) -> Probe:
        said = self._speak("probe", _sent(call, value, None))
        return Probe.UNSURE if said is None else Probe.ACCEPTED if said else Probe.REFUSED

    def revoke(self, call: Call, value: Kept) -> None:
        self._must("revoke", call, value, value)

    def fence(self, secret: str) -> int | None:
        return None

    def _must(self, verb: str, call: Call, value: Kept, previous: Kept | None) -> None:
        said = self._speak(verb, _sent(call, value, previous))
        if said is None:
            raise Unavailable(f"{self.target}: `{verb}` gave no answer yet", path=self.target)
        if not said:
            raise Definite(f"{self.target}: `{verb}` was refused")


def _sent(call: Call, value: Kept, previous: Kept | None) -> bytes:
    about = {
        "secret": call.secret,
        "rid": call.rid,
        "fence": call.fence,
        "value": value.value,
        "previous": previous.value if previous else None,
    }
    return json.dumps(about).encode()
