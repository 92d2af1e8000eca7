"""`stores:` of an environment: what is taken, what is refused, and what it comes to."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from reconciler.core.stores import Stores

PASSPHRASE = {"passphrase": {"from": "env:STORE_PASSPHRASE"}}
HSM = {"module": "/usr/lib/hsm.so", "token": "reconciler", "key": "store", "pin": {"from": "file:pin"}}
ALL: dict[str, Any] = {
    "vault": {"mount": "genesis"},
    "aws": {"instance": "eu", "prefix": "genesis/"},
    "files": {"path": ".secrets", "slots": [PASSPHRASE, {"transit": {"key": "store"}}, {"kms": {"key": "alias/store"}}, {"pkcs11": HSM}]},
}


def refused(given: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        Stores.model_validate(given)
    return str(caught.value)


def with_slots(*slots: dict[str, Any]) -> dict[str, Any]:
    return {"files": {"path": ".secrets", "slots": list(slots)}}


def test_order_is_as_they_stand_unless_it_is_said() -> None:
    assert Stores.model_validate(ALL).reading == ("vault", "aws", "files")
    assert Stores.model_validate({**ALL, "order": ["files", "vault"]}).reading == ("files", "vault")
    assert Stores.model_validate({**ALL, "order": ["files", "vault"]}).declared == ("files", "vault", "aws")
    assert Stores().reading == ()


def test_slots_are_called_what_they_are_unless_they_have_a_name() -> None:
    files = Stores.model_validate(ALL).files
    assert files
    assert [slot.called for slot in files.slots] == ["passphrase", "transit", "kms", "pkcs11"]
    named = Stores.model_validate(with_slots(PASSPHRASE, {**PASSPHRASE, "name": "next", "kdf": "pbkdf2"})).files
    assert named
    assert [slot.called for slot in named.slots] == ["passphrase", "next"]


def test_every_instance_that_is_used_is_named() -> None:
    given = Stores.model_validate(ALL)
    assert list(given.instances()) == [("vault", "primary"), ("aws", "eu"), ("vault", "primary"), ("aws", "primary")]
    assert list(Stores().instances()) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"vualt": {"mount": "x"}}, "vualt"),
        ({"vault": {"mount": "x"}, "order": ["aws"]}, "`order` names aws, which is not declared beside it"),
        ({"vault": {"mount": "x"}, "order": ["vault", "vault"]}, "`order` names a store twice"),
        (with_slots(), "slots"),
        (with_slots({}), "a slot is one of {passphrase}, {transit}, {kms} and {pkcs11}"),
        (with_slots({**PASSPHRASE, "kms": {"key": "x"}}), "a slot is one of"),
        (with_slots({"kms": {"key": "x"}, "kdf": "pbkdf2"}), "`kdf` belongs to `passphrase`"),
        (with_slots({"passphrase": {"from": "vault:a/data/b#c"}}), "comes from `env:NAME` or `file:NAME`"),
        (with_slots({"pkcs11": {**HSM, "pin": {"from": "aws:pin#value"}}}), "comes from `env:NAME` or `file:NAME`"),
        (with_slots(PASSPHRASE, PASSPHRASE), "two slots are called passphrase"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], words: str) -> None:
    assert words in refused(given)
