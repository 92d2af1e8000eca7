"""Encryption of the payload, by age: recipients, identities, and streams of any size through little memory."""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import ReconcilerError, Usage
from .damage import Damaged

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from pyrage import x25519

LEAST_RECIPIENTS = 2
IDENTITY = "AGE-SECRET-KEY-"
"""How an identity begins. A text that has this in it is not shown."""
_LIKE_A_RECIPIENT = re.compile(r"age1[0-9a-z]{1,76}")
_CHUNK = 65_536


class Pair(NamedTuple):
    """A new identity, and the recipient that it opens files for."""

    identity: str
    recipient: str

    def __repr__(self) -> str:
        return f"Pair(recipient={self.recipient!r})"


def new_pair() -> Pair:
    from pyrage import x25519

    made = x25519.Identity.generate()
    return Pair(str(made), str(made.to_public()))


def recipients_of(texts: Sequence[str]) -> list[x25519.Recipient]:
    """Those whom a backup is for. Raises Usage: not one, one twice, too few."""
    from pyrage import RecipientError, x25519

    found: dict[str, x25519.Recipient] = {}
    for text in texts:
        try:
            one = x25519.Recipient.from_str(text)
        except RecipientError:
            # Anything else is not shown: it may be the identity, which stands beside the recipient in its file.
            shown = repr(text) if _LIKE_A_RECIPIENT.fullmatch(text) else "what was given"
            raise Usage(f"{shown} is no recipient (age1..., as `reconcile backup key` prints it)") from None
        found[str(one)] = one  # however it was spelled: capital letters make no second person
    if len(found) < LEAST_RECIPIENTS:
        remedy = "`reconcile backup key` makes another; keep the identities in different hands"
        raise Usage(f"a backup is for {LEAST_RECIPIENTS} recipients at least, since a single identity may be lost ({remedy})")
    return [*found.values()]


def identities_of(text: str, where: str) -> list[x25519.Identity]:
    """The identities in a key file, whose other lines are comments. Raises Usage, without what is in it."""
    from pyrage import IdentityError, x25519

    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        found = [x25519.Identity.from_str(line) for line in lines]
    except IdentityError:
        found = []
    if not found:
        raise Usage(f"{where} holds no identity (AGE-SECRET-KEY-1..., as `reconcile backup key` writes it)")
    return found


def seal(lines: Iterable[bytes], sink: io.BufferedIOBase, recipients: Sequence[x25519.Recipient]) -> None:
    """Encrypt lines into a stream as they come. What the lines raise is raised."""
    from pyrage import EncryptError, encrypt_io

    feed = _Feed(iter(lines))
    try:
        encrypt_io(io.BufferedReader(feed, _CHUNK), sink, recipients)
    except (EncryptError, OSError) as error:
        if feed.failure is not None:
            raise feed.failure from None
        raise ReconcilerError(f"the backup could not be encrypted or written: {error}") from None


class _Feed(io.RawIOBase):
    """Lines as a stream. What fails on the way is kept, since the library passes on its text alone."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._left = memoryview(b"")
        self.failure: BaseException | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        try:
            while not self._left:
                self._left = memoryview(next(self._lines))
        except StopIteration:
            return 0
        except BaseException as error:
            self.failure = error
            raise
        room = memoryview(buffer)
        count = min(len(room), len(self._left))
        room[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def unsealed(source: io.BufferedIOBase, identities: Sequence[x25519.Identity]) -> Generator[bytes, None, None]:
    """The payload, line by line. Raises Damaged where it does not end as it was written; until then each chunk is as it was."""
    reading, writing = os.pipe()
    failures: list[str] = []
    thread = threading.Thread(target=_decrypt, args=(source, writing, identities, failures.append), name="age", daemon=True)
    thread.start()
    try:
        with open(reading, "rb") as stream:
            yield from stream
    finally:
        thread.join()  # it ends, since nobody reads from the pipe any more
    if failures:
        raise Damaged("payload", failures[0])


def _decrypt(source: io.BufferedIOBase, writing: int, identities: Sequence[x25519.Identity], fail: Callable[[str], None]) -> None:
    from pyrage import DecryptError, decrypt_io

    try:
        with open(writing, "wb") as sink:
            decrypt_io(source, sink, identities)
    except DecryptError as error:
        foreign = "No matching keys" in str(error)
        fail("it is for other recipients: no identity at hand opens it" if foreign else "its header is not one of age")
    except OSError:
        fail("a chunk of it was altered, moved or cut off")
