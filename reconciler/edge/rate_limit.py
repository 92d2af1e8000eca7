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
from .asgi import App, Receive, Scope, Send, refuse
from .blocked import Blocked, Observe, log_blocked
from .courses import Asked, Courses, left, pattern, seconds
from .exchange import Exchange, Work
from .limit_keys import address_of, site_of
from .limits import MICROSECONDS, Ban, Check, Counters, Limit, Verdict
from .memory_limits import microseconds
from .networks import Networks
from .reputation import Reputation, Standing
from .scope import PRINCIPAL, WEBHOOK

VITAL = ("/health*", "/webhooks/*")  # refused last in an overload: who watches us, and what would be lost
MOST_WAITING = 1000  # requests held back for their turn at once; past that they are refused, since each holds a connection
JITTER_PERMILLE = 100  # bans last up to a tenth longer, so that those banned together do not come back together
OVERLOAD_SECONDS = 1
_PROOFS = (b"authorization", b"x-vault-token")

BAN = Ban()
NOBODY = Networks(())


class RateLimitMiddleware:
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
        self._app = app
        self._counters = counters
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
        courses = Courses(limits)
        self._classes = {one.name: self._classes.get(one.name) or Gradient2(self._ticks) for one in limits if one.adaptive}
        self._courses, self._ban, self._exempt = courses, ban, exempt
        if ban is not None and ban != self._reputation.ban:
            self._reputation = Reputation(ban, self._clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        course = self._courses.of(scope["path"])
        work = self._classes.get(course.adaptive)
        ip = address_of(scope)
        # Not in front of the limits alone, but of Redis too: what is shed must cost as little as can be.
        if work is not None and work.full(self._vital.fullmatch(scope["path"]) is not None):
            self._observe(Blocked("limit", 503, f"{course.adaptive}: {work.limit} at work already", ip))
            await refuse(scope, send, 503, [(b"retry-after", b"%d" % OVERLOAD_SECONDS)])
            return
        ban = None if ip is None or ip in self._exempt else self._ban
        site = site_of(ip)
        standing = self._reputation.standing(site) if ban else Standing.UNKNOWN
        asked = course.asked[standing]
        verdicts = await self._take(scope, site, asked, ban)
        headers = [(b"ratelimit-policy", course.policy[standing]), (b"ratelimit", left(asked, verdicts))] if asked else []
        if wait := await self._held(verdicts):
            self._observe(Blocked("limit", 429, _reason(asked, verdicts), ip))
            await refuse(scope, send, 429, [(b"retry-after", b"%d" % seconds(wait)), *headers])
            return
        exchange = Exchange(receive, send, headers) if work is None else Work(receive, send, headers, work, self._ticks)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            exchange.end()
        if ban is not None:
            await self._judge(scope, site, ban, exchange.status)

    async def _take(self, scope: Scope, site: bytes, asked: Sequence[Asked], ban: Ban | None) -> Sequence[Verdict]:
        """The verdicts on what is asked, and last the one on the address, if that can be banned."""
        checks = [Check(rule, key_of(scope, site), cost) for rule, key_of, cost, _ in asked]
        if ban is None:
            return await self._counters.take(checks) if checks else ()
        verdicts = await self._counters.take([*checks, Check(ban, site, 0)])
        self._reputation.learn(site, verdicts[-1])
        return verdicts

    async def _held(self, verdicts: Sequence[Verdict]) -> int:
        """Wait for the request's turn. Returns after how many microseconds it may be sent again, if it may not go on; else 0."""
        refused = [verdict.after for verdict in verdicts if not verdict.admitted]
        if refused:
            return max(refused)
        turn = max([verdict.after for verdict in verdicts], default=0)
        if turn == 0:
            return 0
        if self._waiting >= MOST_WAITING:
            return turn
        self._waiting += 1
        try:
            await self._sleep(turn / MICROSECONDS)
        finally:
            self._waiting -= 1
        return 0

    async def _judge(self, scope: Scope, site: bytes, ban: Ban, status: int) -> None:
        """Tell the counters what came of it, where that says something of the address."""
        principal = scope.get(PRINCIPAL)
        if scope.get(WEBHOOK) is not None or (principal is not None and not principal.anonymous):
            if self._reputation.proved(site):
                await self._counters.prove(ban, site)
        elif status == 401 and _tried(scope):
            verdict = await self._counters.strike(ban, site, secrets.randbelow(JITTER_PERMILLE + 1))
            self._reputation.learn(site, verdict)
            if not verdict.admitted:
                self._observe(Blocked("ban", status, f"banned for {seconds(verdict.after)} s", address_of(scope)))

    def _ticks(self) -> float:
        return self._clock() / MICROSECONDS


def _tried(scope: Scope) -> bool:
    return scope["method"] not in ("GET", "HEAD") or any(name in _PROOFS for name, _ in scope["headers"])


def _reason(asked: Sequence[Asked], verdicts: Sequence[Verdict]) -> str:
    refusing = [one.rule.name for one, verdict in zip(asked, verdicts, strict=False) if not verdict.admitted]
    if len(verdicts) > len(asked) and not verdicts[-1].admitted:
        refusing.append("banned")
    return ", ".join(refusing) or "too many wait for their turn"
