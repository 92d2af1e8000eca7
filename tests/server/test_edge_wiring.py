"""What the edge of a server is made of: secrets of webhooks while they rotate and while stores are down, and what was applied."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.address import Address
from reconciler.core.errors import Invalid, Unavailable
from reconciler.edge.endpoints import TimedSecret
from reconciler.edge.limits import Algorithm
from reconciler.rotation.state import Phase, State, kept, sibling, write_state
from reconciler.secrets.client import SecretClient
from reconciler.secrets.file_store import FileStore
from reconciler.server.app import DEFAULT_LIMITS, Declared, tightened
from reconciler.wiring.edge import SECRET_SECONDS, STALE_SECONDS, WebhookSecrets, declared_of
from tests.secrets.files import QuickSlot
from tests.secrets.flaky import DOWN, Flaky, Hours

PATH = "webhooks/github"
PRESENT, OTHER = "present-" + "value-of-the-test", "other-" + "value-of-the-test"


class Stores:
    """Two stores behind one client, either of which can be down, and the secrets of webhooks that are read from them."""

    def __init__(self, folder: Path) -> None:
        self.first, self.second = (Flaky(FileStore(name, folder / name, [QuickSlot()]), name) for name in ("first", "second"))
        self.hours = Hours()
        self.client = SecretClient([self.first, self.second], cache=0, pause=0.0, sleep=lambda _seconds: None)
        self.secrets = WebhookSecrets(lambda: self.client, self.hours)

    def put(self, value: str) -> None:
        for store in (self.first, self.second):
            store.store.put(PATH, {"value": value})

    def rotating(self, state: State) -> None:
        self.first.store.put(sibling(PATH), write_state(state))

    def ask(self) -> list[TimedSecret]:
        return list(asyncio.run(_asked(self.secrets)))

    def later(self, seconds: float = SECRET_SECONDS + 1) -> None:
        self.hours.now += seconds


async def _asked(secrets: WebhookSecrets) -> Any:
    return await secrets(PATH)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    made = Stores(tmp_path)
    made.hours.now = 1000.0
    made.put(PRESENT)
    yield made
    made.client.close()


def value(text: str) -> dict[str, str]:
    return {"value": text}


def test_a_secret_is_the_value_in_the_store(stores: Stores) -> None:
    assert stores.ask() == [TimedSecret(PRESENT.encode())]


@pytest.mark.parametrize("phase", [Phase.STAGED, Phase.APPLIED, Phase.CANARY, Phase.PROMOTING])
def test_the_value_that_is_rotated_to_is_good_before_readers_get_it(stores: Stores, phase: Phase) -> None:
    stores.rotating(State(phase=phase, pending=kept(value(OTHER))))
    assert stores.ask() == [TimedSecret(PRESENT.encode()), TimedSecret(OTHER.encode())]


def test_the_value_before_is_good_until_its_overlap_ends(stores: Stores) -> None:
    stores.rotating(State(phase=Phase.OVERLAP, previous=kept(value(OTHER)), overlap_until=2_000_000_000))
    assert stores.ask() == [TimedSecret(PRESENT.encode()), TimedSecret(OTHER.encode(), 2_000_000_000.0)]


def test_a_value_that_leaked_is_good_no_more_whatever_its_overlap(stores: Stores) -> None:
    leaked = kept(value(OTHER))
    stores.rotating(State(phase=Phase.OVERLAP, previous=leaked, exposed=(leaked,), overlap_until=2_000_000_000))
    assert stores.ask() == [TimedSecret(PRESENT.encode())]


def test_a_rotation_that_is_over_or_cannot_be_read_adds_nothing(stores: Stores) -> None:
    stores.rotating(State(phase=Phase.IDLE, previous=kept(value(OTHER))))
    assert len(stores.ask()) == 1
    stores.later()
    stores.first.store.put(sibling(PATH), {"state": "nonsense"})
    assert len(stores.ask()) == 1


def test_the_next_store_answers_where_the_first_is_down(stores: Stores) -> None:
    stores.first.before = DOWN
    assert stores.ask() == [TimedSecret(PRESENT.encode())]


def test_the_last_known_secret_is_good_for_a_while_where_no_store_answers(stores: Stores) -> None:
    stores.ask()
    stores.first.before = stores.second.before = DOWN
    stores.later()
    assert stores.ask() == [TimedSecret(PRESENT.encode())]
    stores.later(STALE_SECONDS)
    with pytest.raises(Unavailable):
        stores.ask()


def test_a_rotated_secret_is_known_within_seconds_and_stores_are_not_asked_at_each_request(stores: Stores) -> None:
    stores.ask()
    asked = stores.first.asked
    stores.put(OTHER)
    assert stores.ask() == [TimedSecret(PRESENT.encode())]
    assert stores.first.asked == asked
    stores.later()
    assert stores.ask() == [TimedSecret(OTHER.encode())]


def test_where_there_is_none_there_is_none_and_that_too_is_remembered(tmp_path: Path) -> None:
    stores = Stores(tmp_path / "empty")
    stores.hours.now = 1000.0
    assert stores.ask() == []
    asked = stores.first.asked
    assert stores.ask() == []
    assert stores.first.asked == asked


def applied(**documents: Any) -> Declared:
    return declared_of({Address(name.partition("__")[0], name.partition("__")[2]): spec for name, spec in documents.items()})


def test_what_was_applied_of_the_server_becomes_its_configuration() -> None:
    declared = applied(
        webhook__github={"route": "/webhooks/github", "scheme": "github", "secret": PATH},
        rate_limit__api={"routes": ["/api/*"], "limit": 10, "per": 60, "algorithm": "token_bucket", "burst": 5},
        route__metrics={"path": "/metrics", "access": "public"},
        network_rule__one={"deny": ["203.0.113.0/24"]},
        network_rule__two={"deny": ["198.51.100.0/24"]},
    )
    assert declared.webhooks["/webhooks/github"].secret == PATH
    assert [(one.name, one.limit, one.algorithm) for one in declared.limits] == [("api", 10, Algorithm.TOKEN_BUCKET)]
    assert declared.marks["/metrics"].access == "public"
    assert len(declared.network.deny) == 2


def test_two_webhooks_at_one_route_are_refused() -> None:
    spec = {"route": "/webhooks/github", "scheme": "github", "secret": PATH}
    with pytest.raises(Invalid, match="/webhooks/github"):
        applied(webhook__one=spec, webhook__two=spec)


def test_a_lockdown_leaves_a_tenth_of_every_limit_and_never_none() -> None:
    declared = applied(
        rate_limit__few={"routes": ["/*"], "limit": 5, "per": 60}, rate_limit__many={"routes": ["/*"], "limit": 500, "per": 60, "burst": 50}
    )
    assert [(one.limit, one.burst) for one in tightened(declared).limits] == [(1, 0), (50, 5)]
    assert [one.limit for one in tightened(Declared()).limits] == [one.limit // 10 for one in DEFAULT_LIMITS]
