"""The middleware: what senders are told, who is banned and who never is, and what is shed when too much comes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.edge import RateLimitMiddleware
from reconciler.edge.asgi import Message, Receive, Scope, Send
from reconciler.edge.blocked import Blocked
from reconciler.edge.endpoints import TimedSecret
from reconciler.edge.limits import Algorithm, Ban, Limit, split
from reconciler.edge.memory_limits import MemoryCounters
from reconciler.edge.networks import Networks
from reconciler.edge.rate_limit import BAN, MOST_WAITING
from reconciler.edge.replay import LocalReplayMemory
from reconciler.edge.scope import PRINCIPAL, Principal
from reconciler.edge.signatures import SignatureMiddleware

from .limited import SECOND, Clock
from .senders import SENDERS
from .stand import PATH, Answer, Inbox, call, held, request_scope

HOUR = 3600


@dataclass
class Service:
    """A service behind the middleware. `status`: what it answers; `principal`: who it finds out has asked."""

    limits: Sequence[Limit]
    ban: Ban | None = None
    exempt: str = ""
    status: int = 200
    principal: Principal | None = None
    clock: Clock = field(default_factory=Clock)
    blocked: list[Blocked] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    asked: int = 0
    work: Callable[[Receive], Awaitable[object]] | None = None

    def __post_init__(self) -> None:
        self.counters = MemoryCounters(clock=self.clock)
        self.app = RateLimitMiddleware(
            self.serve,
            self.limits,
            self.counters,
            ban=self.ban,
            exempt=Networks([ip_network(self.exempt)] if self.exempt else []),
            observe=self.blocked.append,
            clock=self.clock,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        await asyncio.sleep(0)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        if self.principal is not None:
            scope[PRINCIPAL] = self.principal
        if self.work is not None:
            await self.work(receive)
        await send({"type": "http.response.start", "status": self.status, "headers": [(b"x-of", b"the service")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def ask(self, ip: str = "192.0.2.1", headers: Sequence[tuple[bytes, bytes]] = (), **scope: object) -> Answer:
        return await call(self.app, {**request_scope(list(headers)), "method": "GET", "path": "/v1/x", "client": (ip, 5), **scope}, [b""])

    def get(self, ip: str = "192.0.2.1", headers: Sequence[tuple[bytes, bytes]] = (), **scope: object) -> Answer:
        return asyncio.run(self.ask(ip, headers, **scope))

    def statuses(self, times: int, ip: str = "192.0.2.1", headers: Sequence[tuple[bytes, bytes]] = (), **scope: object) -> list[int]:
        return [self.get(ip, headers, **scope).status for _ in range(times)]


limit_values = st.builds(
    Limit,
    st.just("one"),
    st.integers(1, 7),
    st.floats(0.5, 90),
    st.integers(0, 9),
    st.sampled_from(Algorithm),
)


@given(limit=limit_values, gaps=st.lists(st.floats(0, 40), max_size=12))
def test_who_retries_exactly_after_the_retry_after_is_admitted(limit: Limit, gaps: list[float]) -> None:
    service = Service([limit])

    async def ask_and_wait() -> None:
        for gap in gaps:
            service.clock.now += int(gap * SECOND)
            for _ in range(3):
                answer = await service.ask()
                if answer.status == 429:
                    service.clock.now += int(answer.headers[b"retry-after"]) * SECOND
                    assert (await service.ask()).status == 200

    asyncio.run(ask_and_wait())


def test_answers_carry_what_is_left_as_the_draft_has_it() -> None:
    service = Service([Limit("orchestration", 3, 60, burst=2), Limit("all", 9, HOUR, key="header:X-Team")])
    first, _, refused = (service.get(headers=[(b"x-team", b"a")]) for _ in range(3))
    assert first.headers[b"ratelimit-policy"] == b'"orchestration";q=3;w=60, "orchestration burst";q=2;w=40, "all";q=9;w=3600'
    assert first.headers[b"ratelimit"] == b'"orchestration";r=2;t=60, "orchestration burst";r=1;t=20, "all";r=8;t=3600'
    assert first.headers[b"x-of"] == b"the service"
    assert refused.status == 429
    assert refused.headers[b"ratelimit"] == b'"orchestration";r=1;t=60, "orchestration burst";r=0;t=20, "all";r=7;t=3600'
    assert refused.headers[b"retry-after"] == b"20"
    assert refused.body == b'{"error": "too many requests"}'
    assert service.blocked == [Blocked("limit", 429, "orchestration burst", service.blocked[0].address)]
    assert service.asked == 2, "what is refused goes no further"


def test_paths_without_a_limit_are_left_alone_and_patterns_match_whole_paths() -> None:
    service = Service([Limit("v1", 1, HOUR, routes=("/v1/*", "/exactly"))])
    for path, limited in {"/v1/a/b\n": True, "/v1/": True, "/exactly": True, "/v1": False, "/exactly/not": False, "/x/v1/a": False}.items():
        assert (b"ratelimit" in service.get(path=path, client=(f"192.0.2.{len(path)}", 1)).headers) == limited, path


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_address_is_counted_by_itself_and_ipv6_by_its_64(one: str, other: str, same: bool) -> None:
    service = Service([Limit("one", 1, HOUR)])
    assert service.get(one).status == 200
    assert service.get(other).status == (429 if same else 200)


def test_ipv6_client_that_moves_inside_its_64_has_one_bucket() -> None:
    service = Service([Limit("one", 5, HOUR)])
    assert [service.get(f"2001:db8::{number:x}").status for number in range(1, 50)].count(200) == 5


def test_keys_of_headers_never_meet_whatever_is_in_them() -> None:
    service = Service([Limit("one", 1, HOUR, key="header:X-Key")])
    nasty = [[b"a/b"], [b"a", b"b"], [b"a\0b\0"], [b""], [b"\xff\xfe"], [b"k" * 10_000_000], [b"k" * 9_999_999], [b"a"], [b"=a"], [b"#a"]]
    for first in (200, 429):
        assert [service.get(headers=[(b"x-key", value) for value in values]).status for values in nasty] == [first] * len(nasty)
    assert service.get().status == 200, "who sends none is counted by address"
    assert service.get().status == 429


def test_principals_and_webhooks_have_limits_of_their_own() -> None:
    service = Service([Limit("one", 1, HOUR, key="principal")])
    somebody = {PRINCIPAL: Principal("vault", "a/b")}
    assert [service.get(ip, **somebody).status for ip in ("192.0.2.1", "192.0.2.2")] == [200, 429]  # type: ignore[arg-type]  # part of a scope
    assert service.get(**{PRINCIPAL: Principal("jwt", "a/b")}).status == 200  # type: ignore[arg-type]  # part of a scope
    assert service.statuses(2) == [200, 429]


def test_other_limits_count_from_the_next_request_on_and_the_same_go_on() -> None:
    service = Service([Limit("kept", 2, HOUR, routes=("/v1/*",))])
    assert service.statuses(2) == [200, 200]
    service.app.renew([Limit("kept", 2, HOUR, routes=("/v1/*",)), Limit("new", 1, HOUR, routes=("/v2/*",))], ban=None)
    assert service.get().status == 429
    assert service.statuses(2, path="/v2/x") == [200, 429]
    with pytest.raises(ValueError, match="two limits have one name: new"):
        service.app.renew([Limit("new", 1), Limit("new", 2)])
    assert service.get().status == 429, "what cannot be taken over changes nothing"


def test_leaky_bucket_holds_requests_back_for_their_turn_and_never_more_than_so_many() -> None:
    service = Service([Limit("one", MOST_WAITING * 2, MOST_WAITING * 2, algorithm=Algorithm.LEAKY_BUCKET)])

    async def all_at_once() -> list[Answer]:
        return await asyncio.gather(*(service.ask() for _ in range(MOST_WAITING + 5)))

    answers = asyncio.run(all_at_once())
    assert service.slept[:3] == [1.0, 2.0, 3.0]
    assert [answer.status for answer in answers].count(429) == 4
    assert service.blocked[0].reason == "too many wait for their turn"
    service.clock.now += 3 * MOST_WAITING * SECOND
    assert service.get().status == 200


def test_websocket_is_counted_when_it_opens_and_lifespans_are_none_of_ours() -> None:
    service = Service([Limit("one", 1, HOUR)])
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def open_and_start() -> None:
        for scope in ({"type": "websocket", "path": "/v1/x", "headers": [], "client": ("192.0.2.1", 5)}, {"type": "lifespan"}):
            await service.app(scope, send, send)  # type: ignore[arg-type]  # nothing is received

    assert service.get().status == 200
    asyncio.run(open_and_start())
    assert [message["type"] for message in sent] == ["websocket.close", "http.response.start", "http.response.body"]


def test_address_that_fails_again_and_again_is_banned_for_ever_longer_and_forgiven_in_time() -> None:
    service = Service([], Ban(after=3), status=401)
    bans = []
    for _ in range(4):
        assert service.statuses(3, method="POST") == [401] * 3
        refused = service.get(method="POST")
        assert refused.status == 429
        bans.append(int(refused.headers[b"retry-after"]))
        service.clock.now += bans[-1] * SECOND
    # Each is twice the one before, and up to a tenth longer.
    assert all(60 * 2**number <= ban <= 66 * 2**number for number, ban in enumerate(bans))
    assert [blocked.status for blocked in service.blocked if blocked.by == "ban"] == [401] * 4
    assert re.fullmatch(r"banned for \d+ s", service.blocked[0].reason)
    service.clock.now += sum(bans) * SECOND  # a ban is forgotten after as long again as it lasted
    service.statuses(3, method="POST")
    assert 60 <= int(service.get().headers[b"retry-after"]) <= 66
    assert service.asked == 5 * 3, "who is banned is not heard"


def test_failed_proof_counts_even_if_its_answer_is_never_read() -> None:
    service = Service([], Ban(after=3), status=401)

    async def unread(_message: Message) -> None:
        await asyncio.Event().wait()

    async def run() -> int:
        scopes = [{**request_scope([]), "client": ("192.0.2.1", 5)} for _ in range(3)]
        stuck = [asyncio.ensure_future(service.app(scope, asyncio.Event().wait, unread)) for scope in scopes]  # type: ignore[arg-type]  # not called
        await asyncio.sleep(0)
        status = (await service.ask(method="POST")).status
        for one in stuck:
            one.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)
        return status

    assert asyncio.run(run()) == 429


def test_ban_never_lasts_longer_than_the_longest() -> None:
    service = Service([], Ban(after=1, longest=100 * SECOND), status=401)
    for _ in range(6):
        service.get(method="POST")
        wait = int(service.get().headers[b"retry-after"])
        service.clock.now += wait * SECOND
    assert wait == 100


def test_neighbours_and_exempt_networks_are_not_banned() -> None:
    service = Service([], Ban(after=2), exempt="198.51.100.0/24", status=401)
    assert service.statuses(4, method="POST")[-1] == 429
    assert service.get("192.0.2.2", method="POST").status == 401
    assert service.statuses(9, "198.51.100.7", method="POST") == [401] * 9
    assert service.statuses(9, "not an address", method="POST") == [401] * 9


def test_browser_without_credentials_fails_no_proof_and_one_with_wrong_ones_does() -> None:
    service = Service([], Ban(after=2), status=401)
    assert service.statuses(9) == [401] * 9
    assert service.statuses(3, headers=[(b"authorization", b"Bearer no")]) == [401, 401, 429]


def test_address_that_proved_itself_is_never_banned_and_has_ten_times_the_limit() -> None:
    service = Service([Limit("one", 3, HOUR)], Ban(after=2), principal=Principal("certificate", "spiffe://genesis/ci"))
    service.get()
    service.principal, service.status = None, 401
    assert service.statuses(31, method="POST") == [401] * 30 + [429]
    assert service.get().headers[b"ratelimit-policy"] == b'"one*10";q=30;w=3600'
    service.clock.now += 25 * HOUR * SECOND
    assert service.statuses(3, method="POST") == [401, 401, 429], "trust lasts a day"


def test_proof_by_another_replica_counts_too() -> None:
    one, other = Service([], Ban(after=2)), Service([], Ban(after=2), status=401)
    other.app._counters = one.counters
    one.principal = Principal("vault", "somebody")
    one.get()
    assert other.statuses(9, method="POST") == [401] * 9


def test_requests_of_an_address_that_failed_lately_count_twice() -> None:
    service = Service([Limit("one", 7, HOUR)], Ban(after=9), status=401)
    assert service.statuses(2, method="POST") == [401] * 2
    service.status = 200
    assert service.statuses(4) == [200, 200, 429, 429]


@dataclass
class Hooks:
    """Limits before and behind the signatures of one webhook."""

    limits: Sequence[Limit]
    ban: Ban = BAN

    def __post_init__(self) -> None:
        self.sender = SENDERS["github"]
        self.inbox = Inbox()
        before, after = split(self.limits)
        counters = MemoryCounters(clock=Clock())
        inner = RateLimitMiddleware(self.inbox, after, counters, ban=None)
        signed = SignatureMiddleware(inner, {PATH: self.sender.endpoint}, LocalReplayMemory(), held(TimedSecret(self.sender.secret)))
        self.app = RateLimitMiddleware(signed, before, counters, ban=self.ban)

    async def send(self, number: int, good: bool) -> int:
        body = self.sender.body[:-1] + b',"n":%d}' % number
        headers = self.sender.sign(body if good else b"another", self.sender.secret, 0)
        return (await call(self.app, request_scope(list(headers.items())), [body])).status


def test_thousand_bad_macs_from_an_address_do_not_keep_a_good_sender_behind_it_out() -> None:
    hooks = Hooks([Limit("one", 200, 60)])

    async def both() -> list[int]:
        good = [await hooks.send(0, good=True)]
        for number in range(1, 101):
            bad = [await hooks.send(number, good=False) for _ in range(10)]
            assert set(bad) == {401}
            good.append(await hooks.send(number, good=True))
        return good

    assert asyncio.run(both()) == [202] * 101
    assert len(hooks.inbox.bodies) == 101


def test_bad_macs_from_an_address_of_nobody_good_are_soon_not_even_checked() -> None:
    hooks = Hooks([])

    async def send() -> list[int]:
        return [await hooks.send(number, good=False) for number in range(50)]

    assert asyncio.run(send()) == [401] * 10 + [429] * 40


def test_unproven_senders_cannot_use_up_the_limit_of_a_webhook() -> None:
    hooks = Hooks([Limit("hook", 3, HOUR, key="webhook")], Ban(after=1000))

    async def send() -> list[int]:
        for number in range(50):
            assert await hooks.send(number, good=False) == 401
        return [await hooks.send(number, good=True) for number in range(4)]

    assert asyncio.run(send()) == [202, 202, 202, 429]


def test_what_is_at_work_is_limited_and_the_vital_is_refused_last() -> None:
    limits = [Limit("busy", 10_000, routes=("/v1/*", "/webhooks/*"), adaptive=True)]
    service = Service(limits)

    async def flood() -> tuple[list[int], list[int], list[int]]:
        gate = asyncio.Event()
        service.work = lambda _receive: gate.wait()
        running = [asyncio.create_task(service.ask(f"10.0.{number}.1", path="/v1/x")) for number in range(30)]
        await asyncio.sleep(0)
        hooks = [asyncio.create_task(service.ask(f"10.1.{number}.1", path="/webhooks/x")) for number in range(80)]
        free = asyncio.create_task(service.ask(path="/elsewhere"))
        await asyncio.sleep(0)
        gate.set()
        return (
            [task.status for task in await asyncio.gather(*running)],
            [task.status for task in await asyncio.gather(*hooks)],
            [(await free).status],
        )

    ordinary, vital, free = asyncio.run(flood())
    assert ordinary == [200] * 20 + [503] * 10
    assert vital == [200] * 60 + [503] * 20
    assert free == [200]
    service.work = None
    assert service.get().status == 200, "what ended makes room"
    assert service.blocked[0].reason == "busy: 20 at work already"


def test_senders_who_take_their_time_do_not_fill_a_class() -> None:
    service = Service([Limit("busy", 10_000, adaptive=True)])

    async def slow_senders() -> list[int]:
        gate = asyncio.Event()

        async def receive() -> Message:
            await gate.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(_message: Message) -> None: ...

        service.work = lambda receive: receive()
        scopes = [{**request_scope([]), "client": (f"10.0.{number}.1", 5)} for number in range(50)]
        slow = [asyncio.create_task(service.app(scope, receive, send)) for scope in scopes]
        await asyncio.sleep(0)
        answers = [(await service.ask("10.1.0.1")).status for _ in range(5)]
        gate.set()
        await asyncio.gather(*slow)
        return answers

    assert asyncio.run(slow_senders()) == [200] * 5


def test_service_that_fails_makes_room_for_the_next() -> None:
    service = Service([Limit("busy", 10_000, adaptive=True)])

    async def fail(_receive: Receive) -> None:
        raise RuntimeError("a mistake in the service")

    service.work = fail
    for _ in range(50):
        with pytest.raises(RuntimeError):
            service.get()
    service.work = None
    assert service.get().status == 200
