"""Published signatures, each through the whole middleware: a body that is no JSON is proven first, and malformed (400) then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.edge import proof
from reconciler.edge.endpoints import Endpoint, TimedSecret
from reconciler.edge.scope import PRINCIPAL

from .senders import STANDARD_SECRET, stripe
from .stand import Stand, held, stand

GITHUB = Endpoint("github", "github", "s")
GITHUB_SHA1 = replace(GITHUB, algorithms=("sha1",))
JEFE, COUNTED = b"Jefe", bytes(range(1, 26))
LARGER = b"Test Using Larger Than Block-Size Key - Hash Key First"
LARGER_DATA = (
    b"This is a test using a larger than block-size key and a larger than block-size data. "
    b"The key needs to be hashed before being used by the HMAC algorithm."
)
NOTHING = b"what do ya want for nothing?"

# RFC 4231, cases 1 to 4, 6 and 7 (5 is of a truncated MAC): key, message, SHA-256, SHA-512.
RFC_4231 = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
     "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"),
    (JEFE, NOTHING, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
     "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
     "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"),
    (COUNTED, b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
     "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"),
    (b"\xaa" * 131, LARGER, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
     "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"),
    (b"\xaa" * 131, LARGER_DATA, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
     "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58"),
]  # fmt: skip
RFC_4231_TRUNCATED = {"sha256": "a3b6167473100ee06e0c796c2955552b", "sha512": "415fad6271580a531d4179bc891d87a6"}

# RFC 2202, cases 1 to 7 of SHA-1.
RFC_2202 = [
    (b"\x0b" * 20, b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
    (JEFE, NOTHING, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    (b"\xaa" * 20, b"\xdd" * 50, "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
    (COUNTED, b"\xcd" * 50, "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
    (b"\x0c" * 20, b"Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"),
    (b"\xaa" * 80, LARGER, "aa4ae5e15272d00e95705637ce8a3b55ed402112"),
    (b"\xaa" * 80, b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data", "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"),
]  # fmt: skip

# Secret, body, algorithm, hex: the documentation of GitHub, the tests of octokit and of adnanh/webhook.
OF_GITHUB = [
    (b"It's a Secret to Everybody", b"Hello, World!", "sha256", "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
    (b"mysecret", b'{"foo":"bar"}', "sha256", "4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3"),
    (b"secret", b'{"a": "z"}', "sha256", "f417af3a21bd70379b5796d5f013915e7029f62c580fb0f500f59a35a6f04c89"),
    (b"secret", b'{"a": "z"}', "sha1", "b17e04cbb22afa8ffbff8796fc1894ed27badd9e"),
    (b"secret", b"", "sha256", "f9e66e179b6747ae54108f82f8ade8b3c25d76fd30afde6c395822c530196169"),
]


@pytest.fixture(autouse=True)
def _published_secrets_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "SHORTEST_SECRET", 1)


def proven(it: Stand, body: bytes, headers: dict[bytes, bytes]) -> bool:
    """Whether the sender was believed, whatever became of the body."""
    status = it.post(body, headers).status
    assert (status == 401) != (PRINCIPAL in it.scope)
    return status != 401


def generic(algorithm: str, secret: bytes) -> Stand:
    endpoint = Endpoint("own", "generic", "s", algorithms=(algorithm,), header="X-Signature")
    return stand("generic", endpoint, secrets=held(TimedSecret(secret)))


@pytest.mark.parametrize(("secret", "body", "algorithm", "expected"), OF_GITHUB)
def test_published_signatures_of_github_hold(secret: bytes, body: bytes, algorithm: str, expected: str) -> None:
    it = stand("github", GITHUB if algorithm == "sha256" else GITHUB_SHA1, secrets=held(TimedSecret(secret)))
    header = b"x-hub-signature" if algorithm == "sha1" else b"x-hub-signature-256"
    assert proven(it, body, {header: f"{algorithm}={expected}".encode()})
    assert not proven(it, body + b"\n", {header: f"{algorithm}={expected}".encode()})


@pytest.mark.parametrize(("secret", "body", "sha256", "sha512"), RFC_4231)
def test_the_cases_of_rfc_4231_hold(secret: bytes, body: bytes, sha256: str, sha512: str) -> None:
    assert proven(generic("sha256", secret), body, {b"x-signature": sha256.encode()})
    assert proven(generic("sha512", secret), body, {b"x-signature": sha512.encode()})


@pytest.mark.parametrize("algorithm", RFC_4231_TRUNCATED)
def test_a_truncated_signature_proves_nothing(algorithm: str) -> None:
    it = generic(algorithm, b"\x0c" * 20)
    assert not proven(it, b"Test With Truncation", {b"x-signature": RFC_4231_TRUNCATED[algorithm].encode()})


@pytest.mark.parametrize(("secret", "body", "sha1"), RFC_2202)
def test_the_cases_of_rfc_2202_hold(secret: bytes, body: bytes, sha1: str) -> None:
    assert proven(generic("sha1", secret), body, {b"x-signature": sha1.encode()})


def test_the_published_signature_of_standard_webhooks_holds_at_its_time() -> None:
    it = stand("standard", secrets=held(TimedSecret(STANDARD_SECRET)), clock=lambda: 1614265330.9)
    headers = {
        b"webhook-id": b"msg_p5jXN8AQM9LWM0D4loKWxJek",
        b"webhook-timestamp": b"1614265330",
        b"webhook-signature": b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert it.post(b'{"test": 2432232314}', headers).status == 202
    assert it.inbox.receipts[0].replay_key.endswith("msg_p5jXN8AQM9LWM0D4loKWxJek")


def test_the_secret_of_stripe_is_text_with_its_prefix() -> None:
    secret = b"whsec_" + b"test_secret"
    it = stand("stripe", secrets=held(TimedSecret(secret)), clock=lambda: 12345.0)
    assert it.post(b"{}", stripe(b"{}", secret, 12345)).status == 202
    assert it.post(b"[]", stripe(b"[]", b"test_secret", 12345)).status == 401
