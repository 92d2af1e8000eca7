"""Reading a body as it comes: under a cap, an absolute deadline and a share of memory, with the MACs updating."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from .asgi import Message, Receive
from .refusals import Refusal

MOST_UNPROVEN = 256 * 1024 * 1024  # bytes in memory of senders that have proven nothing yet: ten of the largest bodies

Update = Callable[[bytes], object]


class Gone(Exception):
    """The sender went away: there is nobody to answer."""


class Room:
    """The memory that unproven bodies share. One event loop's; not safe in threads."""

    def __init__(self, size: int = MOST_UNPROVEN) -> None:
        self._free = size

    def take(self, count: int) -> None:
        if count > self._free:
            raise Refusal(503, "bodies on their way take up all the memory set aside for them")
        self._free -= count

    def give(self, count: int) -> None:
        self._free += count


async def read_body(receive: Receive, updates: Sequence[Update], room: Room, *, largest: int, deadline: float) -> bytes:
    """Return the whole body, each piece of which has gone through `updates`. Raises Refusal or Gone.

    `deadline` is in seconds from now, however the body trickles.
    """
    taken = 0
    pieces: list[bytes] = []
    try:
        async with asyncio.timeout(deadline):
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise Gone
                piece: bytes = message.get("body", b"")
                if taken + len(piece) > largest:
                    raise Refusal(413, "the body is longer than is taken")
                room.take(len(piece))
                taken += len(piece)
                for update in updates:
                    update(piece)
                pieces.append(piece)
                more = message.get("more_body", False)
    except TimeoutError:
        raise Refusal(408, "the body was not there in time") from None
    finally:
        room.give(taken)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def first(message: Message, receive: Receive) -> Receive:
    """Return a `receive` that gives `message`, then what `receive` does."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return message

    return receive_again
