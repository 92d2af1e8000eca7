"""`SignatureMiddleware`: nothing reaches a webhook's endpoint but what its sender signed, once, and in JSON that all readers read alike.

The order is that of the cost to who receives it: headers, then the body with its MAC, then the memory of replays, then its meaning.
What is wrong is told to `observe`, for the operator, and to the sender in one word.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from ..core.errors import BackendError, Invalid, Problem
from .asgi import App, Receive, Scope, Send, answer, refuse
from .bodies import Gone, Room, first, read_body
from .endpoints import Endpoint, Receipt, TimedSecret
from .layers import Layer, entrance
from .meaning import Aside, meaning
from .proof import Gate, peer_address, wrong_secret
from .redelivery import Delivery, Sleep, claim_when_free
from .refusals import Refusal, unproven
from .replay import Claim as Claimed
from .replay import ReplayMemory, Standing
from .schemes import Found
from .scope import PRINCIPAL, WEBHOOK, Address

RETRY_SECONDS = 5  # what is unavailable is asked for again after this
_BROKEN_OFF = (408, 413)  # the rest of the body is not waited for

Secrets = Callable[[str], Awaitable[Sequence[TimedSecret]]]
"""Gives the secrets at a path in the stores: two while one rotates. Called for every request, so it should remember."""

log = logging.getLogger(__name__)


class Notice(NamedTuple):
    """A request that did not reach the application, for audit and metrics. `status` is what the sender got.

    `word` is `duplicate` or `ignored` where the status is 200, else "".
    """

    webhook: str
    status: int
    reason: str
    address: Address | None
    word: str = ""


def log_notice(notice: Notice) -> None:
    level = logging.INFO if notice.status == 200 else logging.WARNING
    log.log(level, "webhook/%s: %d to %s: %s", notice.webhook, notice.status, notice.address or "an unknown address", notice.reason)


class SignatureMiddleware(Layer):
    """ASGI middleware. `endpoints` are by whole path, that of a mount included; every other path passes untouched.

    An application behind it finds a Receipt at `scope["reconciler.webhook"]`, and may read the body again. It answers 2xx when the
    event is safely stored, and only then: anything else, or an exception, and a second delivery of the same event is let through.
    """

    def __init__(
        self,
        app: App,
        endpoints: Mapping[str, Endpoint],
        memory: ReplayMemory,
        secrets: Secrets,
        *,
        observe: Callable[[Notice], None] = log_notice,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
        room: Room | None = None,
    ) -> None:
        self._app = entrance(app)
        self._gates = {path: Gate(endpoint) for path, endpoint in endpoints.items()}
        self._memory = memory
        self._secrets = secrets
        self._observe = observe
        self._clock = clock
        self._sleep = sleep
        self._room = room or Room()

    def enter(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        gate = self._gates.get(scope.get("path", ""))
        if gate is not None:
            return self._guard(gate, scope, receive, send)
        if scope["type"] == "lifespan":
            return self._start(scope, receive, send)
        return self._app(scope, receive, send)

    async def check(self) -> None:
        """Raise Invalid, with every problem, when an endpoint has no secret that its senders could be proven by."""
        problems = [problem for gate in self._gates.values() for problem in await self._problems(gate.endpoint, gate)]
        if problems:
            raise Invalid(problems)

    async def _problems(self, endpoint: Endpoint, gate: Gate) -> list[Problem]:
        address = f"webhook/{endpoint.name}"
        try:
            held = await self._secrets(endpoint.secret)
        except BackendError as error:
            return [Problem("", address, f"its secret cannot be read: {error}")]
        if not any(secret.not_after is None or self._clock() < secret.not_after for secret in held):
            return [Problem("", address, f"no secret at {endpoint.secret} is valid: nothing could be checked", "write one to the store")]
        return [
            Problem("", address, f"the secret at {endpoint.secret} {wrong}")
            for secret in held
            if (wrong := wrong_secret(gate, secret.value))
        ]

    async def _start(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse to start without secrets, then let the application start."""
        message = await receive()
        try:
            await self.check()
        except Invalid as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await self._app(scope, first(message, receive), send)

    async def _guard(self, gate: Gate, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request to an endpoint, or hand it on with its receipt."""
        try:
            receipt, delivery = await self._received(gate, scope, receive)
        except Refusal as refusal:
            self._tell(gate, scope, refusal.status, refusal.reason)
            await refuse(scope, send, refusal.status, _headers(scope, refusal.status))
            return
        except Aside as aside:
            self._tell(gate, scope, 200, aside.reason, aside.word)
            await answer(send, 200, b'{"status": "%s"}' % aside.word.encode())
            return
        except Gone:
            return
        scope[WEBHOOK] = receipt
        await delivery.hand_on(self._app, scope, receive, send, receipt.body)

    async def _received(self, gate: Gate, scope: Scope, receive: Receive) -> tuple[Receipt, Delivery]:
        if scope["type"] != "http" or scope["method"] != "POST":
            raise Refusal(405, "not a POST")
        found = gate.found(scope)
        body, key = await self._proven(gate, scope, found, receive)
        # In place, for what stands around this class: who is proven is not banned for what others do behind the same address.
        scope[PRINCIPAL] = gate.principal
        delivery = Delivery(self._memory, await self._claimed(key))
        scheme = gate.scheme
        try:
            parsed, event = meaning(gate.endpoint, _text(found, scheme.event), body, form=gate.is_form(found))
        except (Refusal, Aside):
            await delivery.release()
            raise
        return Receipt(gate.endpoint.name, _text(found, scheme.delivery), event, body, parsed, key), delivery

    async def _proven(self, gate: Gate, scope: Scope, found: Found, receive: Receive) -> tuple[bytes, str]:
        """Return the body and its replay key once both signature and time are proven."""
        endpoint = gate.endpoint
        gate.admit(scope, found)
        claim = gate.scheme.read(found)
        gate.fit(found)
        try:
            held = await self._secrets(endpoint.secret)
        except BackendError as error:
            raise Refusal(503, f"the secret cannot be read: {error}") from None
        macs = gate.macs(held, claim, self._clock())
        updates = [mac.inner.update for mac in macs if mac.inner is not None]
        body = await read_body(receive, updates, self._room, largest=endpoint.largest, deadline=endpoint.deadline)
        digest = gate.proven(claim, macs)
        if digest is None:
            raise unproven("the signature is not that of the body under any valid secret" if macs else "no secret is valid now")
        if claim.timestamp is not None and abs(int(self._clock()) - claim.timestamp) > endpoint.tolerance:
            raise unproven("the timestamp is too far from now")
        return body, gate.replay_key(claim, digest, body)

    async def _claimed(self, key: str) -> Claimed:
        try:
            claimed = await claim_when_free(self._memory, key, self._sleep)
        except BackendError as error:
            raise Refusal(503, str(error)) from None
        if claimed.standing is Standing.SEEN:
            raise Aside("duplicate", claimed.standing.value)
        if claimed.standing is not Standing.NEW:
            raise Refusal(503, claimed.standing.value)
        return claimed

    def _tell(self, gate: Gate, scope: Scope, status: int, reason: str, word: str = "") -> None:
        self._observe(Notice(gate.endpoint.name, status, reason, peer_address(scope), word))


def _text(found: Found, name: bytes) -> str:
    return found.get(name, b"").decode()  # plain ASCII: `fit` has seen to it


def _headers(scope: Scope, status: int) -> list[tuple[bytes, bytes]]:
    if status == 405:
        return [(b"allow", b"POST")]
    if status == 503:
        return [(b"retry-after", b"%d" % RETRY_SECONDS)]
    # HTTP/2 has no such header, and no need of one.
    return [(b"connection", b"close")] if status in _BROKEN_OFF and scope["http_version"].startswith("1") else []
