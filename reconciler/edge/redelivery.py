"""Handling a delivery once: claim it, hand it on, and remember it only when the application has it safe."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..core.errors import Unavailable
from .asgi import App, Message, Receive, Scope, Send
from .bodies import first
from .replay import Claim, ReplayMemory, Standing

# A copy that arrives while the first is being stored waits for the outcome: "duplicate" must mean that the event is safe.
_PAUSES = (0.02, 0.05, 0.1, 0.25, 0.5, 1.0)

Sleep = Callable[[float], Awaitable[None]]
log = logging.getLogger(__name__)


async def claim_when_free(memory: ReplayMemory, key: str, sleep: Sleep = asyncio.sleep) -> Claim:
    """Claim `key`, waiting about two seconds for another's claim to end."""
    claim = await memory.claim(key)
    for pause in _PAUSES:
        if claim.standing is not Standing.BUSY:
            break
        await sleep(pause)
        claim = await memory.claim(key)
    return claim


class Delivery:
    """A claimed delivery on its way to the application."""

    def __init__(self, memory: ReplayMemory, claim: Claim) -> None:
        self._memory = memory
        self._claim = claim
        self._accepted = False

    async def release(self) -> None:
        try:
            await self._memory.release(self._claim)
        except Unavailable as error:
            log.warning("a claim could not be released and ends by itself: %s", error)

    async def hand_on(self, app: App, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
        """Call the application with the body that was read. Its 2xx says that the event is stored; without one, it is released."""

        def send_on(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start" and 200 <= message["status"] < 300:
                return self._accept(send, message)
            return send(message)

        try:
            await app(scope, first({"type": "http.request", "body": body, "more_body": False}, receive), send_on)
        finally:
            if not self._accepted:
                await self.release()

    async def _accept(self, send: Send, message: Message) -> None:
        self._accepted = True
        try:
            await self._memory.handled(self._claim)
        except Unavailable as error:
            # The event is stored, so the sender must not hear otherwise. The queue's own unique key is what is left.
            log.warning("a delivery could not be remembered: %s", error)
        await send(message)
