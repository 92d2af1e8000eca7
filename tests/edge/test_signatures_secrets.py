"""Secrets in time: two while one rotates, none after its end, and no service without one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from reconciler.core.errors import Invalid, Unavailable
from reconciler.edge.asgi import Message, Receive, Scope, Send
from reconciler.edge.endpoints import Endpoint, SchemeName, TimedSecret
from reconciler.edge.proof import MOST_SECRETS
from reconciler.edge.signatures import SignatureMiddleware

from .senders import OTHER_SECRET, SECRET, SENDERS, STANDARD_SECRET, github, standard
from .stand import PATH, Stand, held, stand, start_and_stop

T = 1_800_000_000.0
STRANGE_SECRET = b"a secret that was never anybody's"


class Clock:
    def __init__(self) -> None:
        self.now = T - 10

    def __call__(self) -> float:
        return self.now


def rotating() -> tuple[Stand, Clock]:
    clock = Clock()
    return stand("github", secrets=held(TimedSecret(SECRET, not_after=T), TimedSecret(OTHER_SECRET)), clock=clock), clock


def answered(it: Stand, secret: bytes, body: bytes) -> int:
    return it.post(body, github(body, secret, 0, b"deployment")).status


def test_two_secrets_are_valid_while_one_rotates_and_one_from_its_end_on() -> None:
    it, clock = rotating()
    seen = []
    for clock.now in (T - 10, T - 0.001, T, T + 10):
        body = b'{"deployment":%d}' % int(clock.now * 1000)
        seen.append((answered(it, SECRET, body), answered(it, OTHER_SECRET, body + b" "), answered(it, STRANGE_SECRET, body)))
    assert seen == [(202, 202, 401)] * 2 + [(401, 202, 401)] * 2


def test_a_secret_that_comes_or_goes_in_the_store_counts_from_the_next_request_on() -> None:
    stored = [TimedSecret(SECRET)]

    async def secrets_at(_path: str) -> Sequence[TimedSecret]:
        return stored

    it = stand("github", secrets=secrets_at)
    assert (answered(it, SECRET, b'{"deployment":1}'), answered(it, OTHER_SECRET, b'{"deployment":2}')) == (202, 401)
    stored.append(TimedSecret(OTHER_SECRET))
    assert (answered(it, SECRET, b'{"deployment":3}'), answered(it, OTHER_SECRET, b'{"deployment":4}')) == (202, 202)
    del stored[0]
    assert (answered(it, SECRET, b'{"deployment":5}'), answered(it, OTHER_SECRET, b'{"deployment":6}')) == (401, 202)


def test_when_the_last_secret_has_ended_nothing_is_proven() -> None:
    it = stand("github", secrets=held(TimedSecret(SECRET, not_after=T)), clock=lambda: T)
    assert it.post(*it.signed()).status == 401
    assert it.notices[0].reason == "no secret is valid now"


def test_a_sender_that_signs_with_both_secrets_is_believed_by_either() -> None:
    new = b"whsec_" + b"C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
    body = b"{}"
    for known in (STANDARD_SECRET, new):
        it = stand("standard", secrets=held(TimedSecret(known)))
        signed = [standard(body, secret, int(T)) for secret in (STANDARD_SECRET, new)]
        it = stand("standard", secrets=held(TimedSecret(known)), clock=lambda: T)
        headers = {**signed[0], b"webhook-signature": b" ".join(one[b"webhook-signature"] for one in signed)}
        assert it.post(body, headers).status == 202


def test_an_empty_or_short_secret_in_the_store_proves_nothing() -> None:
    for short in (b"", b"x", b"fifteen letters"):
        it = stand("github", secrets=held(TimedSecret(short), TimedSecret(SECRET)))
        assert answered(it, short, b'{"deployment":1}') == 401
        assert answered(it, SECRET, b'{"deployment":2}') == 202


def test_more_secrets_than_could_be_afforded_are_not_tried() -> None:
    many = [TimedSecret(b"secret number %04d, long enough" % number) for number in range(1000)]
    it = stand("github", secrets=held(*many))
    answers = [answered(it, secret.value, b'{"deployment":%d}' % number) for number, secret in enumerate(many[: MOST_SECRETS + 1])]
    assert answers == [202] * MOST_SECRETS + [401]


def test_while_the_store_is_away_senders_are_asked_to_come_again() -> None:
    async def away(_path: str) -> Sequence[TimedSecret]:
        raise Unavailable("vault primary is sealed")

    it = stand("github", secrets=away)
    answer = it.post(*it.signed())
    assert (answer.status, answer.body, answer.headers[b"retry-after"]) == (503, b'{"error": "unavailable"}', b"5")
    assert "sealed" in it.notices[0].reason


WRONG_SECRETS = {
    "none": ([], "no secret at hooks/github is valid"),
    "one that has ended": ([TimedSecret(SECRET, 1.0)], "no secret at hooks/github is valid"),
    "an empty one": ([TimedSecret(b"")], "is of 0 bytes"),
    "a short one": ([TimedSecret(b"hunter2")], "is of 7 bytes"),
    "a short one beside a good one": ([TimedSecret(SECRET), TimedSecret(b"hunter2")], "is of 7 bytes"),
}


async def start(middleware: SignatureMiddleware) -> list[str]:
    """Start a service as a server does; return what it said."""
    sent: list[str] = []
    pending: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Message:
        return pending.pop(0)

    async def send(message: Message) -> None:
        sent.append(message["type"] + " " + message.get("message", ""))

    await middleware({"type": "lifespan"}, receive, send)
    return [said.strip() for said in sent]


async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "lifespan"
    await start_and_stop(receive, send)


@pytest.mark.parametrize("wrong", WRONG_SECRETS)
def test_a_service_does_not_start_without_good_secrets(wrong: str) -> None:
    secrets, words = WRONG_SECRETS[wrong]
    middleware = SignatureMiddleware(quiet, {PATH: SENDERS["github"].endpoint}, stand("github").memory, held(*secrets))
    (said,) = asyncio.run(start(middleware))
    assert said.startswith("lifespan.startup.failed webhook/github: ")
    assert words in said
    assert "hunter2" not in said
    with pytest.raises(Invalid, match=words):
        asyncio.run(middleware.check())


def test_a_service_does_not_start_while_the_store_is_away() -> None:
    async def away(_path: str) -> Sequence[TimedSecret]:
        raise Unavailable("vault primary is sealed")

    middleware = SignatureMiddleware(quiet, {PATH: SENDERS["github"].endpoint}, stand("github").memory, away)
    (said,) = asyncio.run(start(middleware))
    assert said == "lifespan.startup.failed webhook/github: its secret cannot be read: vault primary is sealed"


def test_a_signing_key_that_is_no_base64_is_named_at_the_start() -> None:
    middleware = SignatureMiddleware(quiet, {PATH: SENDERS["standard"].endpoint}, stand("standard").memory, held(TimedSecret(SECRET)))
    (said,) = asyncio.run(start(middleware))
    assert said.endswith("webhook/orders: the secret at hooks/orders is not base64, as signing keys of this scheme are")


def test_every_problem_is_named_at_once() -> None:
    endpoints = {"/a": replace(SENDERS["github"].endpoint, name="a"), "/b": replace(SENDERS["github"].endpoint, name="b")}
    middleware = SignatureMiddleware(quiet, endpoints, stand("github").memory, held())
    with pytest.raises(Invalid) as caught:
        asyncio.run(middleware.check())
    assert [problem.address for problem in caught.value.problems] == ["webhook/a", "webhook/b"]


def test_with_good_secrets_the_application_starts_and_stops() -> None:
    middleware = SignatureMiddleware(quiet, {PATH: SENDERS["github"].endpoint}, stand("github").memory, held(TimedSecret(SECRET)))
    assert asyncio.run(start(middleware)) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


DECLARED_WRONG: list[tuple[SchemeName, dict[str, object], str]] = [
    ("github", {"algorithms": ()}, "nothing would be checked"),
    ("github", {"algorithms": ("sha512",)}, "github has no algorithm 'sha512'"),
    ("github", {"algorithms": ("none",)}, "no algorithm 'none'"),
    ("gitlab", {"algorithms": ("sha256", "token")}, "token stands alone"),
    ("github", {"secret": ""}, "no secret"),
    ("standard", {"tolerance": 0}, "tolerance must be 1 to 3600"),
    ("standard", {"tolerance": 10**9}, "tolerance must be 1 to 3600"),
    ("standard", {"header": "X-Other"}, "webhook or svix"),
    ("github", {"header": "X-Other"}, "header belongs to scheme generic"),
    ("slack", {"prefix": "v1=", "encoding": "base64"}, "prefix belongs to scheme generic; encoding belongs"),
    ("generic", {}, "needs the header"),
    ("generic", {"header": "X Y"}, "header is no name of a header"),
    ("generic", {"header": "X-A", "timestamp_header": "x-a"}, "cannot be one header"),
    ("generic", {"header": "X-A", "algorithms": ("sha1", "sha256")}, "one header carries one algorithm"),
    ("generic", {"header": "X-A", "prefix": "ü"}, "prefix is not ASCII"),
    ("github", {"user_agent": "("}, "no regular expression"),
]


@pytest.mark.parametrize(("scheme", "wrong", "words"), DECLARED_WRONG)
def test_an_endpoint_that_could_not_be_checked_as_declared_is_no_endpoint(scheme: SchemeName, wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Endpoint(**{"name": "it", "scheme": scheme, "secret": "hooks/it", **wrong})  # type: ignore[arg-type]  # wrong on purpose
