"""Pairs of headers and body that nobody thought of: each gets one of the known answers, and only what is truly signed comes through.

By default some thousands; `FUZZ_PAIRS=1000000` for as many. The seed of a failure is printed by hypothesis, which repeats it.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reconciler.edge.endpoints import TOKEN

from .senders import SENDERS, UNTIMED, Sender, now
from .stand import Stand

PAIRS = int(os.environ.get("FUZZ_PAIRS", "6000"))
A_SEED = 200  # pairs drawn from one seed
ANSWERS = {200, 202, 400, 401, 405, 413, 415, 503}

UNTIMED_SENDERS = [SENDERS[name] for name in UNTIMED]

Pairs = list[tuple[bytes, bytes]]

CRUMBS = [
    b"", b"\0", b"\xff", b"\xc3\xbc", b" ", b"\t", b",", b".", b"=", b"==", b"v1,", b"v0=", b"t=", b",v1=", b"sha256=", b"sha1=", b"-1", b"1e9",
    b"9" * 20, "٣".encode(), b"A" * 300, b"a" * 70_000, b"{", b"[" * 2000, b'"', b"\\u0000", b"\\ud800", b"\r\n", b"gzip", b"application/json",
]  # fmt: skip


def mutated(dice: random.Random, value: bytes) -> bytes:
    """Change a value a little, or altogether."""
    place = dice.randint(0, len(value))
    match dice.randrange(8):
        case 0:
            return value[:place] + dice.choice(CRUMBS) + value[place:]
        case 1:
            return value[:place]
        case 2:
            return value[place:]
        case 3 if value:
            at = place % len(value)
            return value[:at] + bytes([value[at] ^ 1 << dice.randrange(8)]) + value[at + 1 :]
        case 4:
            return dice.randbytes(dice.randrange(200))
        case 5:
            return value.swapcase()
        case 6:
            return value + value
        case _:
            return dice.choice(CRUMBS)


class Dealt(NamedTuple):
    """A delivery with some of its parts changed, and what its sender truly signed."""

    sender: Sender
    signed: bytes
    moment: int
    body: bytes
    headers: Pairs
    changes: int


def deal(dice: random.Random) -> Dealt:
    """Sign a delivery, then change, drop, double or exchange parts of it."""
    sender = dice.choice(list(SENDERS.values()))
    signed = mutated(dice, sender.body) if dice.random() < 0.2 else sender.body
    moment = now() + dice.choice([0, 0, 0, 250, -250, 400, -(10**9)])
    headers: Pairs = [(b"content-type", b"application/json"), *sender.sign(signed, sender.secret, moment).items()]
    changes = dice.choice([0, 1, 1, 2, 5])
    for _ in range(changes):
        disturb(dice, headers, signed, moment)
    body = mutated(dice, signed) if dice.random() < 0.3 else signed
    return Dealt(sender, signed, moment, body, headers, changes + (body != signed) + (signed != sender.body))


def disturb(dice: random.Random, headers: Pairs, signed: bytes, moment: int) -> None:
    """Change the headers in one place."""
    place = dice.randrange(len(headers)) if headers else 0
    match dice.randrange(6):
        case 0 | 1 if headers:
            headers[place] = (headers[place][0], mutated(dice, headers[place][1]))
        case 2 if headers:
            del headers[place]
        case 3 if headers:
            headers.append((headers[place][0], dice.choice(CRUMBS)))
        case 4:
            other = dice.choice(list(SENDERS.values()))
            headers += other.sign(signed, other.secret, moment).items()
        case _:
            headers.append((dice.choice([b"content-length", b"content-encoding", b"user-agent", b"x"]), dice.choice(CRUMBS)))


async def judged(dealt: Dealt) -> None:
    """Deliver, and hold the answer to what is known of the delivery without any code of the middleware."""
    it = Stand(dealt.sender)
    answer = await it.send(dealt.body, dealt.headers, pieces=1 + len(dealt.body) % 3)
    assert answer.status in ANSWERS, dealt
    assert (answer.status == 401) <= (answer.body == b'{"error": "not authenticated"}')
    assert bool(it.inbox.receipts) == (answer.status == 202), dealt
    fresh = abs(dealt.moment - now()) <= 300 or dealt.sender in UNTIMED_SENDERS
    if answer.status in (200, 202):
        assert fresh, dealt
        assert dealt.body == dealt.signed or TOKEN in dealt.sender.endpoint.algorithms, dealt
    if fresh and not dealt.changes:
        assert answer.status == 202, dealt


async def all_judged(dice: random.Random) -> None:
    for _ in range(A_SEED):
        await judged(deal(dice))


@settings(
    max_examples=max(1, PAIRS // A_SEED), suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.reuse, Phase.generate]
)
@given(st.integers(0, 2**64 - 1))
def test_no_pair_of_headers_and_body_is_a_fault_or_comes_through_unsigned(seed: int) -> None:
    asyncio.run(all_judged(random.Random(seed)))


NAMES = st.sampled_from(sorted({name for sender in SENDERS.values() for name in sender.sign(b"", sender.secret, 0)}))
ANYTHING = st.lists(st.tuples(NAMES | st.binary(max_size=20), st.binary(max_size=200) | st.sampled_from(CRUMBS)), max_size=12)


@given(st.sampled_from(list(SENDERS)), ANYTHING, st.binary(max_size=200))
def test_what_was_never_signed_never_comes_through(name: str, headers: Pairs, body: bytes) -> None:
    it = Stand(SENDERS[name])
    assert it.post(body, headers).status in ANSWERS - {200, 202}
    assert not it.inbox.receipts
