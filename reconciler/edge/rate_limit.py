"""`RateLimitMiddleware`: how much one sender may ask, how much is taken on at once, and who is not listened to for a while.

    before, after = split(limits)
    inner = RateLimitMiddleware(app, after, counters, ban=None)
    app = RateLimitMiddleware(SignatureMiddleware(inner, ...), before, counters)

* A refusal is 429 with `Retry-After`: who waits exactly that long is admitted, unless the limit was used up otherwise meanwhile.
* Every answer on a limited path carries `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
* What cannot be answered in time is 503: each adaptive limit is a class of routes whose work at once is limited by how fast it is done.
* A 401 is a failed proof of its address, and a principal or a webhook's receipt in the scope a proof: see limits.Ban. A plain GET that
  brings no credentials fails nothing: that is how a browser comes to a login.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence

from .adaptive import Gradient2
from .asgi import App, Headers, Message, Receive, Scope, Send, refuse
from .at_work import ANSWERS, at_work
from .blocked import Blocked, Observe, log_blocked
from .courses import Course, Courses, Lane, pattern, seconds
from .layers import Layer, entrance
from .limit_keys import address_of, site_key
from .limits import MICROSECONDS, Ban, Counters, Limit, Verdict
from .memory_limits import MemoryCounters, microseconds
from .networks import Networks
from .reputation import Reputation, Standing
from .scope import PEER, PRINCIPAL, WEBHOOK

VITAL = ("/health*", "/webhooks/*")  # refused last in an overload: who watches us, and what would be lost
MOST_WAITING = 1000  # requests held back for their turn at once; past that they are refused, since each holds a connection
JITTER_PERMILLE = 100  # bans last up to a tenth longer, so that those banned together do not come back together
OVERLOAD_SECONDS = b"1"
BAN = Ban()
NOBODY = Networks(())

_COUNTED = ("http", "websocket")
_READING = ("GET", "HEAD")
_CREDENTIALS = (b"authorization", b"x-vault-token")


class RateLimitMiddleware(Layer):
    """ASGI middleware. Counts in `counters`, which several of them may share.

    `ban`: who is not listened to, and for how long; None for one that stands behind another, which sees to that. `exempt`: networks
    never banned. `vital`: patterns of paths that are refused last in an overload. `clock` in microseconds. Raises ValueError for two
    limits of one name.
    """

    def __init__(
        self,
        app: App,
        limits: Sequence[Limit],
        counters: Counters,
        *,
        ban: Ban | None = BAN,
        exempt: Networks = NOBODY,
        vital: Sequence[str] = VITAL,
        observe: Observe = log_blocked,
        clock: Callable[[], int] = microseconds,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._app = entrance(app)
        self._counters = counters
        # Counts in memory can be asked without a coroutine, which would take as long as they do.
        self._memory = counters if isinstance(counters, MemoryCounters) else None
        self._vital = pattern(vital)
        self._observe = observe
        self._clock = clock
        self._sleep = sleep
        self._waiting = 0
        self._classes: dict[str, Gradient2] = {}
        self._reputation = Reputation(ban or BAN, clock)
        self.renew(limits, ban=ban, exempt=exempt)

    def renew(self, limits: Sequence[Limit], *, ban: Ban | None = BAN, exempt: Networks = NOBODY) -> None:
        """Take other limits from the next request on. What is counted of those that stay the same stays."""
        classes = {one.name: self._classes.get(one.name) or Gradient2(self._ticks) for one in limits if one.adaptive}
        self._courses = Courses(limits, classes, ban)
        self._classes, self._ban, self._exempt = classes, ban, exempt or None
        if ban is not None and ban != self._reputation.ban:
            self._reputation = Reputation(ban, self._clock)

    def enter(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] not in _COUNTED:
            return self._app(scope, receive, send)
        path = scope["path"]
        course = self._courses.by_path.get(path) or self._courses.of(path)
        # Before Redis is asked too: what is shed must cost as little as can be.
        if course.work is not None and course.work.full(self._vital.fullmatch(path) is not None):
            return self._shed(course, course.work, scope, send)
        peer = scope.get(PEER)
        site = site_key(scope) if peer is None else peer.site
        known = self._reputation
        if self._exempt is None and site not in known.trusted and site not in known.suspect:
            lane = course.unknown
        else:
            lane = course.lanes[self._standing(scope, site)]
        if self._memory is not None and lane.alone is not None:
            rule, key_of, cost = lane.alone
            verdict = self._memory.take_one(rule, site if key_of is None else key_of(scope, site), cost, lane.ban, site)
            if verdict is not None and verdict[0]:
                return self._hand_on(course, scope, receive, send, site, lane.read_one(verdict))
        return self._ask(course, lane, scope, receive, send, site)

    def _hand_on(self, course: Course, scope: Scope, receive: Receive, send: Send, site: bytes, told: Headers) -> Awaitable[None]:
        """Have a request answered, tell its sender what is left to him, and learn from the answer who he is."""

        # Not a coroutine: it hands on the one it would wait for.
        def answer(message: Message) -> Awaitable[None]:
            if message["type"] not in ANSWERS:
                return send(message)
            status = 0
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *told]
            if status == 401 or PRINCIPAL in scope or WEBHOOK in scope:
                return self._judge(scope, site, status, send, message)
            return send(message)

        if course.work is None:
            return self._app(scope, receive, answer)
        return at_work(self._app, course.work, self._ticks, scope, receive, answer)

    async def _ask(self, course: Course, lane: Lane, scope: Scope, receive: Receive, send: Send, site: bytes) -> None:
        told = await self._asked(lane, scope, send, site)
        if told is not None:
            await self._hand_on(course, scope, receive, send, site, told)

    def _shed(self, course: Course, work: Gradient2, scope: Scope, send: Send) -> Awaitable[None]:
        self._observe(Blocked("limit", 503, f"{course.name}: {work.limit} at work already", address_of(scope)))
        return refuse(scope, send, 503, ((b"retry-after", OVERLOAD_SECONDS),))

    async def _asked(self, lane: Lane, scope: Scope, send: Send, site: bytes) -> Headers | None:
        """Ask all there is to ask. Returns what the sender is to be told beside his answer; None if he was refused."""
        checks = lane.checks(scope, site)
        if not checks:
            return ()
        verdicts = await self._counters.take(checks)
        at_once, told = lane.read(verdicts)
        if lane.is_news(verdicts):
            self._reputation.learn(site, verdicts[0])
        if at_once or not (wait := await self._held(verdicts)):
            return told
        self._observe(Blocked("limit", 429, _reason(lane, verdicts), address_of(scope)))
        await refuse(scope, send, 429, [(b"retry-after", b"%d" % seconds(wait)), *told])
        return None

    def _standing(self, scope: Scope, site: bytes) -> Standing:
        if self._exempt is not None and (ip := address_of(scope)) is not None and ip in self._exempt:
            return Standing.EXEMPT
        return self._reputation.standing(site)

    async def _held(self, verdicts: Sequence[Verdict]) -> int:
        """Wait for the request's turn. Returns after how many microseconds it may be sent again, if it may not go on; else 0."""
        refused = [verdict.after for verdict in verdicts if not verdict.admitted]
        if refused:
            return max(refused)
        turn = max(verdict.after for verdict in verdicts)
        if self._waiting >= MOST_WAITING:
            return turn
        self._waiting += 1
        try:
            await self._sleep(turn / MICROSECONDS)
        finally:
            self._waiting -= 1
        return 0

    async def _judge(self, scope: Scope, site: bytes, status: int, send: Send, message: Message) -> None:
        await self._learn(scope, site, status)
        await send(message)

    async def _learn(self, scope: Scope, site: bytes, status: int) -> None:
        """Tell the counters what came of a request, where that says something of its address."""
        ban, principal, ip = self._ban, scope.get(PRINCIPAL), address_of(scope)
        if ban is None or ip is None:
            return
        if scope.get(WEBHOOK) is not None or (principal is not None and not principal.anonymous):
            if self._reputation.proved(site):
                await self._counters.prove(ban, site)
        elif status == 401 and _tried(scope) and self._standing(scope, site) != Standing.EXEMPT:
            verdict = await self._counters.strike(ban, site, secrets.randbelow(JITTER_PERMILLE + 1))
            self._reputation.learn(site, verdict)
            if not verdict.admitted:
                self._observe(Blocked("ban", status, f"banned for {seconds(verdict.after)} s", ip))

    def _ticks(self) -> float:
        return self._clock() / MICROSECONDS


def _tried(scope: Scope) -> bool:
    return scope["method"] not in _READING or any(name in _CREDENTIALS for name, _ in scope["headers"])


def _reason(lane: Lane, verdicts: Sequence[Verdict]) -> str:
    refusing = [name for name, verdict in zip(lane.names, verdicts, strict=True) if not verdict.admitted]
    return ", ".join(refusing) or "too many wait for their turn"
