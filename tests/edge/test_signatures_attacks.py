"""What strangers send: each is refused with the one answer that its status has, and the application hears of none."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from reconciler.edge.asgi import Message, Receive, Scope, Send
from reconciler.edge.scope import PRINCIPAL, PeerAddress
from reconciler.edge.signatures import SignatureMiddleware

from .senders import OTHER_SECRET, SECRET, SENDERS, TIMED, Headers, github_sha1, gitlab_token, now, standard, stripe
from .stand import PATH, Stand, held, request_scope, stand

REFUSED = b'{"error": "not authenticated"}'
SIGNATURE = {
    "github": b"x-hub-signature-256",
    "github, SHA-1 declared": b"x-hub-signature",
    "gitlab": b"webhook-signature",
    "gitlab, token": b"x-gitlab-token",
    "standard": b"webhook-signature",
    "standard, svix's headers": b"svix-signature",
    "stripe": b"stripe-signature",
    "slack": b"x-slack-signature",
    "shopify": b"x-shopify-hmac-sha256",
    "generic": b"x-signature",
    "generic, timed": b"x-signature",
}
SIGNED = tuple(name for name in SENDERS if name != "gitlab, token")  # its token says nothing of the body

CHANGED: dict[str, Callable[[bytes], bytes]] = {
    "one bit flipped": lambda body: bytes([body[0] ^ 1]) + body[1:],
    "last bit flipped": lambda body: body[:-1] + bytes([body[-1] ^ 1]),
    "written again, with blanks": lambda body: json.dumps(json.loads(body)).encode(),
    "a line's end behind it": lambda body: body + b"\n",
    "empty": lambda _: b"",
    "cut": lambda body: body[:-1],
}

BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "a blank": lambda _: b" ",
    "one character short": lambda value: value[:-1],
    "one character long": lambda value: value + b"0",
    "not hex and not base64": lambda value: value[:-5] + b"~zz~!",
    "not ASCII": lambda value: value[:-3] + b"\xff\xfe\xc3\xbc",
    "NUL in it": lambda value: value + b"\0",
    "64 KB": lambda _: b"a" * 65536,
    "64 KB behind the real one": lambda value: value + b"a" * 65536,
    "in capitals": lambda value: value.upper(),
    "backwards": lambda value: value[::-1],
    "all zero": lambda value: b"0" * len(value),
    "the right length, in digits of another script": lambda value: ("٣" * len(value)).encode(),
}

PREFIXES = [b"sha512=", b"md5=", b"none=", b"", b"SHA256=", b"sha256:", b"sha256==", b"=", b"sha1="]


def refused(it: Stand, body: bytes, headers: Headers) -> bool:
    """Whether the one answer of failed proofs was given, and nothing else happened."""
    answer = it.post(body, headers)
    assert PRINCIPAL not in it.scope
    assert not it.inbox.receipts
    return (answer.status, answer.body, set(answer.headers)) == (401, REFUSED, {b"content-type", b"content-length"})


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_body_is_refused(name: str, change: str) -> None:
    it = stand(name)
    body, headers = it.signed()
    assert refused(it, CHANGED[change](body), headers)


@pytest.mark.parametrize("name", SENDERS)
@pytest.mark.parametrize("breakage", BROKEN)
def test_a_broken_signature_is_refused(name: str, breakage: str) -> None:
    it = stand(name)
    body, headers = it.signed()
    broken = BROKEN[breakage](headers[SIGNATURE[name]])
    if name == "stripe":  # the time is in the same header, and a broken one is malformed
        moment, signature, _ = headers[SIGNATURE[name]].split(b",")
        broken = moment + b",v1=" + BROKEN[breakage](signature.removeprefix(b"v1="))
    assert refused(it, body, {**headers, SIGNATURE[name]: broken})


@pytest.mark.parametrize("name", SENDERS)
def test_without_any_header_of_its_scheme_a_delivery_is_refused(name: str) -> None:
    it = stand(name)
    body, headers = it.signed()
    assert refused(it, body, {})
    del headers[SIGNATURE[name]]
    assert refused(it, body, headers)


@pytest.mark.parametrize("name", SENDERS)
def test_another_secret_proves_nothing(name: str) -> None:
    it = stand(name)
    secret = b"whsec_" + base64.b64encode(OTHER_SECRET)
    assert refused(it, it.sender.body, it.sender.sign(it.sender.body, secret, now()))


@pytest.mark.parametrize("prefix", PREFIXES)
def test_no_prefix_but_the_declared_one_is_taken(prefix: bytes) -> None:
    it = stand("github")
    body, headers = it.signed()
    digest = headers[b"x-hub-signature-256"].partition(b"=")[2]
    assert refused(it, body, {**headers, b"x-hub-signature-256": prefix + digest})


def test_sha1_proves_nothing_where_sha256_is_declared() -> None:
    it = stand("github")
    sha1 = github_sha1(it.sender.body, SECRET, now())
    assert refused(it, it.sender.body, sha1)
    assert refused(it, it.sender.body, {**sha1, b"x-hub-signature-256": sha1[b"x-hub-signature"]})


def test_an_algorithm_is_believed_in_its_own_header_alone() -> None:
    it = stand("github", replace(SENDERS["github"].endpoint, algorithms=("sha256", "sha1")))
    body, headers = it.signed()
    assert refused(it, body, {b"x-github-event": b"push", b"x-hub-signature": headers[b"x-hub-signature-256"]})


def test_the_scheme_is_never_taken_from_a_header() -> None:
    for other in SENDERS:
        it = stand("github")
        sender = SENDERS[other]
        if sender.endpoint.scheme != "github":
            assert refused(it, sender.body, sender.sign(sender.body, sender.secret, now()))


@pytest.mark.parametrize("junk", [b"v1,!!!!", b"v1,", b"v1", b",", b"v1,AAAA", b"v2,%s", b"%s", b"v1,%s=", b"v1, %s", b"v1,%s,", b"V1,%s"])
def test_junk_in_a_list_of_signatures_proves_nothing(junk: bytes) -> None:
    it = stand("standard")
    body, headers = it.signed()
    real = headers[b"webhook-signature"].removeprefix(b"v1,")
    assert refused(it, body, {**headers, b"webhook-signature": junk.replace(b"%s", real)})


def test_base64_without_its_padding_proves_nothing() -> None:
    for name in ("standard", "shopify"):
        it = stand(name)
        body, headers = it.signed()
        assert headers[SIGNATURE[name]].endswith(b"=")
        assert refused(it, body, {**headers, SIGNATURE[name]: headers[SIGNATURE[name]].rstrip(b"=")})


def test_of_ten_thousand_signatures_eight_are_looked_at() -> None:
    body, headers = stand("standard").signed()
    real, wrong = headers[b"webhook-signature"], b"v1," + b"A" * 43 + b"="
    for place in range(10):
        it = stand("standard")
        many = b" ".join([wrong] * place + [real] + [wrong] * 9_999)
        assert it.post(body, {**headers, b"webhook-signature": many}).status == (202 if place < 8 else 401)
    moment, _, first = stripe(b"{}", SENDERS["stripe"].secret, now())[b"stripe-signature"].partition(b",")
    it = stand("stripe")
    assert it.post(b"{}", {b"stripe-signature": moment + b",v1=0" * 7 + b"," + first}).status == 202
    assert it.post(b"[]", {b"stripe-signature": moment + b",v1=0" * 10_000 + b"," + first}).status == 401


@pytest.mark.parametrize("header", sorted(set(SIGNATURE.values())))
def test_two_headers_that_could_disagree_are_malformed(header: bytes) -> None:
    it = stand(next(name for name, carrier in SIGNATURE.items() if carrier == header))
    body, headers = it.signed()
    assert it.post(body, [*headers.items(), (header, b"another")]).status == 400
    assert it.post(body, [*headers.items(), (header, headers[header])]).status == 400


def test_two_times_in_the_header_of_stripe_are_malformed() -> None:
    it = stand("stripe")
    body, headers = it.signed()
    for doubled in (headers[b"stripe-signature"] + b",t=%d" % now(), b"t=%d," % (now() - 1) + headers[b"stripe-signature"]):
        assert it.post(body, {b"stripe-signature": doubled}).status == 400
    assert not it.inbox.receipts


# What a lenient reader would take for a number. None of them is signed, so that only the form can be what is wrong.
TIMES = [b"1e9", b"+17", b"-1", b"17.5", b"0x10", b" 17", b"17 ", b"1_000", "١٢٣".encode(), b"9" * 20, b"007", b"now", b"\xff", b"1\0"]


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize("time", TIMES)
def test_a_timestamp_that_is_not_plain_seconds_is_malformed(name: str, time: bytes) -> None:
    it = stand(name)
    body, headers = it.signed(moment=1_234_567)
    headers = {header: value.replace(b"1234567", time) for header, value in headers.items()}
    assert it.post(body, headers).status == 400
    assert not it.inbox.receipts


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize(("seconds", "status"), [(-301, 401), (-300, 202), (0, 202), (300, 202), (301, 401), (10**9, 401)])
def test_a_timestamp_may_be_five_minutes_off_and_no_more(name: str, seconds: int, status: int) -> None:
    it = stand(name, clock=lambda: 1_800_000_000.999)
    assert it.post(*it.signed(moment=1_800_000_000 + seconds)).status == status


@pytest.mark.parametrize("name", TIMED)
def test_a_timestamp_cannot_be_exchanged(name: str) -> None:
    it = stand(name, clock=lambda: 1_800_000_900.0)
    body, headers = it.signed(moment=1_800_000_000)
    moved = {header: value.replace(b"1800000000", b"1800000900") for header, value in headers.items()}
    assert moved != headers
    assert refused(it, body, moved)


@pytest.mark.parametrize("identity", [b"msg.1", b".", b"a b", b"a\tb", "ü".encode(), b"\0", b"a" * 257, b"x" * 65536])
def test_an_id_that_could_be_read_in_two_ways_is_malformed(identity: bytes) -> None:
    # "a.1" + "." + "2." + body and "a" + "." + "1.2." + body are the same bytes.
    for name in ("standard", "gitlab"):
        it = stand(name)
        assert it.post(it.sender.body, standard(it.sender.body, it.sender.secret, now(), identity)).status == 400


def test_parts_of_a_signed_message_cannot_move_between_id_time_and_body() -> None:
    it = stand("standard")
    headers = standard(b'1.{"a":1}', it.sender.secret, now(), b"msg")
    assert refused(it, b'{"a":1}', headers)


def test_a_token_of_gitlab_is_compared_whole() -> None:
    it = stand("gitlab, token")
    for token in (SECRET[:-1], SECRET + b"x", SECRET.lower(), b"", SECRET[:1], SECRET + b"\0"):
        assert refused(it, it.sender.body, gitlab_token(b"", token, 0))


def test_each_failed_proof_has_its_reason_for_the_operator_alone() -> None:
    it = stand("github")
    body, headers = it.signed()
    refused(it, body, {})
    refused(it, body + b"\n", headers)
    assert [notice.reason for notice in it.notices] == [
        "no x-hub-signature-256",
        "the signature is not that of the body under any valid secret",
    ]
    assert {str(notice.address) for notice in it.notices} == {"192.0.2.1"}


def test_no_notice_quotes_what_was_sent() -> None:
    it = stand("standard")
    marked = b"attacker-said-this"
    it.post(marked, {b"webhook-id": marked, b"webhook-timestamp": b"%d" % now(), b"webhook-signature": marked})
    it.post(marked, {b"webhook-id": marked, b"webhook-timestamp": marked, b"webhook-signature": marked})
    it.post(marked, standard(marked, it.sender.secret, now(), marked))
    assert [notice.status for notice in it.notices] == [401, 400, 400]
    assert "attacker" not in repr(it.notices)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "DELETE", "TRACE", "post", "FOO"])
def test_only_a_post_can_deliver(method: str) -> None:
    it = stand("github")
    body, headers = it.signed()
    answer = it.post(body, {**headers, b"x-http-method-override": b"POST"}, method=method)
    assert (answer.status, answer.headers[b"allow"]) == (405, b"POST")
    assert not it.inbox.receipts


def test_another_user_agent_is_refused() -> None:
    endpoint = replace(SENDERS["github"].endpoint, user_agent="^GitHub-Hookshot/")
    body, headers = stand("github").signed()
    assert stand("github", endpoint).post(body, headers).status == 202
    for agent in (b"curl/8", b"", b"xGitHub-Hookshot/", b"\xff"):
        assert refused(stand("github", endpoint), body, {**headers, b"user-agent": agent})
    del headers[b"user-agent"]
    assert refused(stand("github", endpoint), body, headers)


def test_an_address_outside_the_webhooks_networks_is_refused() -> None:
    endpoint = replace(SENDERS["github"].endpoint, networks=(ip_network("192.30.252.0/22"), ip_network("2606:50c0::/32")))
    body, headers = stand("github").signed()
    for client, status in [("192.30.253.9", 202), ("192.30.251.9", 401), ("2606:50c0::1", 202), ("2606:50c1::1", 401), ("", 401)]:
        assert stand("github", endpoint).post(body, headers, client=(client, 1)).status == status
    assert stand("github", endpoint).post(body, headers, client=None).status == 401
    # Behind a trusted proxy, the peer that was resolved counts and not the proxy.
    peer = {"reconciler.peer": PeerAddress(ip_address("192.30.253.9"))}
    assert stand("github", endpoint).post(body, headers, client=("10.0.0.1", 1), **peer).status == 202


def test_a_websocket_to_an_endpoint_is_closed() -> None:
    it = stand("github")
    scope = {**request_scope([]), "type": "websocket"}
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    asyncio.run(it.app(scope, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_a_body_that_breaks_off_is_no_body_even_where_it_is_signed_so_far() -> None:
    it = stand("github")
    body, headers = it.signed()
    arriving: list[Message] = [{"type": "http.request", "body": body, "more_body": True}, {"type": "http.disconnect"}]
    sent: list[Message] = []

    async def receive() -> Message:
        return arriving.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(it.app(request_scope(list(headers.items())), receive, send))
    assert not it.inbox.receipts
    assert (sent, it.notices) == ([], []), "there is nobody to answer, and nothing to tell of"


def test_other_paths_pass_untouched() -> None:
    it = stand("github")
    untouched: list[Scope] = []

    async def application(scope: Scope, _receive: Receive, _send: Send) -> None:
        untouched.append(scope)

    middleware = SignatureMiddleware(application, {PATH: it.sender.endpoint}, it.memory, held())
    for path in ("/", PATH + "/", PATH.upper(), "//webhooks/it", PATH + ";x", "/webhooks/./it"):
        scope = request_scope([], path=path)
        asyncio.run(middleware(scope, None, None))  # type: ignore[arg-type]  # it must touch neither
        assert "reconciler.webhook" not in scope, "without a receipt no endpoint does anything"
    assert len(untouched) == 6
