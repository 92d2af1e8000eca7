"""Pseudonyms of people: keyed, and each with a key of its own that can be erased.

The log holds pseudonyms alone, and is never changed. Whoever may read the mapping learns the names; once a person's
entry is erased nobody does, not even by trying names, since the key is gone with it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from contextlib import suppress

from ..core.errors import BackendError, Conflict
from .shelf import Shelf

FOLDER = "people/"
PEPPER = "pepper"
LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
_DIGITS = 16


class People:
    """The mapping, on the log's shelf. `spare` keeps what is made while the shelf cannot be reached; None: nothing does."""

    def __init__(self, shelf: Shelf, spare: Shelf | None = None, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._shelf = shelf
        self._spare = spare
        self._random = random
        self._pepper = b""

    def pseudonym(self, name: str) -> str:
        """The pseudonym of a name, made if it has none. Raises BackendError."""
        folder = _folder(name)
        for shelf in self._places():
            with suppress(BackendError):
                known = shelf.keys(folder)
                if known:
                    return known[0].removeprefix(folder)
        key = self._random(32)
        made = hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:_DIGITS]
        self._put(folder + made, json.dumps({"name": name, "key": key.hex()}).encode())
        return made

    def pseudonyms(self, name: str) -> tuple[str, ...]:
        """Every pseudonym that a name has. Raises BackendError."""
        folder = _folder(name)
        return tuple(sorted({key.removeprefix(folder) for shelf in self._places() for key in shelf.keys(folder)}))

    def names(self) -> dict[str, str]:
        """Names by pseudonym, of those that were not erased. Raises BackendError."""
        found: dict[str, str] = {}
        for shelf in self._places():
            for key in shelf.keys(FOLDER):
                kept = shelf.get(key)
                if kept is not None:
                    found[key.rpartition("/")[2]] = str(json.loads(kept.content)["name"])
        return found

    def erase(self, name: str) -> int:
        """Forget a person for good; how many pseudonyms lost their name. Raises BackendError."""
        found = self.pseudonyms(name)
        for shelf in self._places():
            for one in found:
                shelf.delete(_folder(name) + one)
        return len(found)

    def hidden(self, address: str) -> str:
        """An e-mail address as letters: the same for the same address, and not to be guessed without the log's own key."""
        pepper = self._pepper = self._pepper or self._log_key()
        return hmac.new(pepper, address.encode(), hashlib.sha256).hexdigest()[:12].translate(LETTERS)

    def settle(self) -> None:
        """Take to the shelf what was made while it could not be reached. Raises BackendError."""
        if self._spare is None:
            return
        for key in self._spare.keys(""):
            kept = self._spare.get(key)
            if kept is not None:
                with suppress(Conflict):  # a pepper: the shelf has one, and that counts from now on
                    self._shelf.put(key, kept.content, "")
                self._spare.delete(key)

    def _log_key(self) -> bytes:
        for shelf in self._places():
            with suppress(BackendError):
                kept = shelf.get(PEPPER)
                if kept is not None:
                    return bytes(kept.content)
        made = self._random(32).hex().encode()
        try:
            self._put(PEPPER, made)
        except Conflict:  # somebody else was first, and theirs counts
            kept = self._shelf.get(PEPPER)
            return bytes(kept.content) if kept else made
        return made

    def _put(self, key: str, content: bytes) -> None:
        try:
            self._shelf.put(key, content, "")
        except Conflict:
            raise
        except BackendError:
            if self._spare is None:
                raise
            self._spare.put(key, content, "")

    def _places(self) -> tuple[Shelf, ...]:
        return (self._shelf,) if self._spare is None else (self._shelf, self._spare)


def _folder(name: str) -> str:
    return f"{FOLDER}{hashlib.sha256(name.encode()).hexdigest()[:32]}/"
