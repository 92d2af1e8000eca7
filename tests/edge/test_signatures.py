"""Deliveries that must come through, and what the application then finds."""

from __future__ import annotations

import pytest

from reconciler.edge.endpoints import Receipt, TimedSecret
from reconciler.edge.scope import PRINCIPAL, Principal

from .senders import SECRET, SENDERS
from .stand import stand


@pytest.mark.parametrize("name", SENDERS)
@pytest.mark.parametrize("pieces", [1, 3, 20])
def test_a_signed_delivery_reaches_the_application_whole(name: str, pieces: int) -> None:
    it = stand(name)
    body, headers = it.signed()
    assert it.post(body, headers, pieces=pieces).status == 202
    (receipt,) = it.inbox.receipts
    assert it.inbox.bodies == [receipt.body] == [body]
    assert receipt.webhook == it.sender.endpoint.name
    assert it.scope[PRINCIPAL] == Principal("webhook", it.sender.endpoint.name)


def test_the_application_is_told_event_and_delivery_of_github() -> None:
    it = stand("github")
    it.post(*it.signed())
    (receipt,) = it.inbox.receipts
    assert (receipt.event, receipt.delivery) == ("push", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
    assert isinstance(receipt.parsed, dict)
    assert receipt.parsed["ref"] == "refs/heads/main"


def test_a_receipt_shows_no_body_in_logs() -> None:
    receipt = Receipt("github", "1", "push", b"secret body", {"secret": "body"}, "github:1")
    assert "body" not in repr(receipt)
    assert "Everybody" not in repr(TimedSecret(SECRET, 5.0))
