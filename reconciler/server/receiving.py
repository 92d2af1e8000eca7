"""The endpoint behind the signatures: an event is on the disk before its sender hears 202."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping

from ..core.errors import Unavailable
from ..edge.asgi import Receive, Scope, Send, answer, refuse
from ..edge.endpoints import Endpoint, Receipt
from ..edge.replay import Claim, Standing
from ..edge.scope import WEBHOOK
from .events import MOST_OPEN, Events
from .intake import news_of

COUNTED_SECONDS = 1.0
_RETRY = ((b"retry-after", b"5"),)


class EventMemory:
    """The events as the memory of replays: what is kept is seen, on every replica, and nothing else need be remembered."""

    def __init__(self, events: Events, *, once: bool = True) -> None:
        self._events = events
        self._once = once

    async def claim(self, key: str) -> Claim:
        known = self._once and await asyncio.to_thread(self._events.knows, key)
        return Claim(Standing.SEEN if known else Standing.NEW, key)

    async def handled(self, claim: Claim) -> None:
        """The row is the memory."""

    async def release(self, claim: Claim) -> None:
        """Nothing was claimed: of two copies at once, the unique key lets one in."""


class Receiver:
    """ASGI endpoint of all webhooks. `heard` is told of each outcome. `once`: a copy is a duplicate."""

    def __init__(
        self,
        events: Events,
        endpoints: Mapping[str, Endpoint],
        branch: str,
        *,
        wake: Callable[[], None],
        heard: Callable[[str, str], None],
        once: bool = True,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._events = events
        self._schemes = {endpoint.name: endpoint.scheme for endpoint in endpoints.values()}
        self._branch = branch
        self._wake = wake
        self._heard = heard
        self._once = once
        self._ticks = ticks
        self._counted = -COUNTED_SECONDS
        self._full = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        receipt: Receipt = scope[WEBHOOK]
        news = news_of(receipt, self._schemes[receipt.webhook], self._branch)
        if news is None:
            await self._say(send, receipt, 200, "ignored")
            return
        if not self._once:
            news = news._replace(key=f"{news.key}/{secrets.token_hex(8)}")
        try:
            if await self._is_full():
                await self._refuse(scope, send, receipt, "full")
                return
            added = await asyncio.to_thread(self._events.add, news)
        except Unavailable:
            await self._refuse(scope, send, receipt, "unavailable")
            return
        self._wake()
        await self._say(send, receipt, 202 if added else 200, "accepted" if added else "duplicate")

    async def _is_full(self) -> bool:
        if self._ticks() - self._counted >= COUNTED_SECONDS:
            self._counted = self._ticks()
            self._full = await asyncio.to_thread(self._events.open) >= MOST_OPEN
        return self._full

    async def _say(self, send: Send, receipt: Receipt, status: int, word: str) -> None:
        self._heard(receipt.webhook, word)
        await answer(send, status, b'{"status": "%s"}' % word.encode())

    async def _refuse(self, scope: Scope, send: Send, receipt: Receipt, word: str) -> None:
        self._heard(receipt.webhook, word)
        await refuse(scope, send, 503, _RETRY)
