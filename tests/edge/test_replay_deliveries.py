"""A delivery on its way: what the sender is told, and what of it is remembered when something fails."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from reconciler.core.errors import Unavailable
from reconciler.edge.replay import Claim, LocalReplayMemory, ReplayMemory

from .memories import Run, in_redis
from .senders import SECRET, SENDERS, github, github_sha1, gitlab_token, now, standard
from .stand import Stand, stand


def test_an_event_that_was_stored_is_accepted_although_redis_went_away_meanwhile() -> None:
    class Forgetful(LocalReplayMemory):
        async def handled(self, claim: Claim) -> None:
            raise Unavailable("gone")

        async def release(self, claim: Claim) -> None:
            raise Unavailable("gone")

    it = stand("github", memory=Forgetful())
    assert it.post(*it.signed()).status == 202
    it.inbox.status = 500
    body = b'{"deployment":1}'
    assert it.post(body, github(body, SECRET, 0, b"deployment")).status == 500


def duplicates(it: Stand, body: bytes, *headers: dict[bytes, bytes]) -> list[bytes]:
    return [it.post(body, one).body for one in headers]


BOTH = replace(SENDERS["github"].endpoint, algorithms=("sha1", "sha256"))
ACCEPTED, DUPLICATE = b'{"status": "accepted"}', b'{"status": "duplicate"}'


def test_a_replay_under_a_new_delivery_id_is_a_duplicate() -> None:
    it = stand("github")
    body = it.sender.body
    first, again = github(body, SECRET, 0), github(body, SECRET, 0, delivery=b"another")
    assert duplicates(it, body, first, again, first) == [ACCEPTED, DUPLICATE, DUPLICATE]


def test_somebody_elses_use_of_a_real_delivery_id_does_not_stop_the_real_one() -> None:
    it = stand("github")
    forged = b'{"deployment":1}'
    assert it.post(forged, github(forged, b"not the secret, but long enough", 0)).status == 401
    own = b'{"deployment":2}'  # correctly signed, by the holder of another hook with the same secret
    assert it.post(own, github(own, SECRET, 0, b"deployment")).status == 202
    assert it.post(*it.signed()).status == 202


def test_the_other_of_two_signatures_does_not_make_a_new_delivery() -> None:
    it = stand("github", BOTH)
    body = it.sender.body
    strong, weak = github(body, SECRET, 0), github_sha1(body, SECRET, 0)
    assert duplicates(it, body, weak, strong, {**weak, **strong}) == [ACCEPTED, DUPLICATE, DUPLICATE]


def test_a_weaker_algorithm_that_is_declared_later_makes_no_old_delivery_new() -> None:
    before = stand("github")
    after = stand("github", BOTH, memory=before.memory)
    assert [it.post(*it.signed()).body for it in (before, after)] == [ACCEPTED, DUPLICATE]


def test_a_standard_webhook_that_is_tried_again_later_is_a_duplicate() -> None:
    it = stand("standard")
    body, secret = it.sender.body, it.sender.secret
    assert duplicates(it, body, standard(body, secret, now() - 60), standard(body, secret, now())) == [ACCEPTED, DUPLICATE]
    assert it.post(body, standard(body, secret, now(), b"msg_2")).status == 202, "the same body under another id is another event"


@pytest.mark.parametrize("name", ["stripe", "slack"])
def test_an_event_that_is_signed_anew_for_another_try_is_a_duplicate(name: str) -> None:
    it = stand(name)
    assert [it.post(*it.signed(moment=now() - ago)).body for ago in (60, 0)] == [ACCEPTED, DUPLICATE]


def test_a_heartbeat_signed_at_another_time_is_another_event() -> None:
    it = stand("generic, timed")
    assert [it.post(*it.signed(moment=now() - ago)).body for ago in (60, 60, 0)] == [ACCEPTED, DUPLICATE, ACCEPTED]


def test_a_token_is_no_proof_of_newness_so_the_body_is_what_is_remembered() -> None:
    it = stand("gitlab, token")
    body, headers = it.signed()
    again = {**gitlab_token(b"", it.sender.secret, 0), b"x-gitlab-event-uuid": b"another"}
    assert duplicates(it, body, headers, again) == [ACCEPTED, DUPLICATE]


def test_endpoints_that_share_a_memory_do_not_share_deliveries() -> None:
    it = stand("github")
    other = stand("github", replace(it.sender.endpoint, name="other"), memory=it.memory)
    assert [it.post(*it.signed()).status, other.post(*other.signed()).status] == [202, 202]


@pytest.mark.parametrize("failure", ["500", "503", "400", "raises"])
def test_a_redelivery_after_a_failed_enqueue_is_handled_once(with_memory: Run, failure: str) -> None:
    async def trial(memory: ReplayMemory) -> None:
        it = stand("github", memory=memory)
        if failure == "raises":
            it.inbox.error = RuntimeError("disk full")
            with pytest.raises(RuntimeError, match="disk full"):
                await it.send(*it.signed())
        else:
            it.inbox.status = int(failure)
            assert (await it.send(*it.signed())).status == int(failure)
        it.inbox.error, it.inbox.status = None, 202
        assert [(await it.send(*it.signed())).body for _ in range(3)] == [ACCEPTED, DUPLICATE, DUPLICATE]
        assert len(it.inbox.receipts) == 1

    with_memory(trial)


def test_of_four_copies_at_once_on_two_replicas_one_is_handled(redis_url: str) -> None:
    async def trial() -> None:
        async with in_redis(redis_url) as one, in_redis(redis_url) as two:
            replicas = [stand("github", memory=memory) for memory in (one, two, one, two)]
            for replica in replicas:
                replica.inbox.slow = 0.1
            answers = await asyncio.gather(*(replica.send(*replica.signed()) for replica in replicas))
            assert sorted(answer.status for answer in answers) == [200, 200, 200, 202]
            assert sum(len(replica.inbox.receipts) for replica in replicas) == 1

    asyncio.run(trial())


def test_of_copies_at_once_the_next_is_handled_when_the_first_fails() -> None:
    async def trial() -> None:
        memory = LocalReplayMemory()
        failing, waiting = stand("github", memory=memory), stand("github", memory=memory)
        failing.inbox.slow, failing.inbox.status = 0.05, 500
        first = asyncio.create_task(failing.send(*failing.signed()))
        await asyncio.sleep(0)
        second = asyncio.create_task(waiting.send(*waiting.signed()))
        assert [(await first).status, (await second).status] == [500, 202]

    asyncio.run(trial())


def test_a_copy_whose_first_takes_for_ever_is_told_to_come_again() -> None:
    async def trial() -> None:
        it = stand("github")
        body, headers = it.signed()
        key = "github:" + headers[b"x-hub-signature-256"].decode().removeprefix("sha256=")
        await it.memory.claim(key)
        waited: list[float] = []

        async def sleep(seconds: float) -> None:
            waited.append(seconds)

        it.app._sleep = sleep  # as given by its maker; nothing in tests waits for real
        answer = await it.send(body, headers)
        assert (answer.status, answer.headers[b"retry-after"]) == (503, b"5")
        assert 1 < sum(waited) < 5

    asyncio.run(trial())


def test_a_delivery_whose_sender_hangs_up_is_still_stored_once() -> None:
    async def trial() -> None:
        it = stand("github")
        body, headers = it.signed()
        it.inbox.slow = 60
        task = asyncio.create_task(it.send(body, headers))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        it.inbox.slow = 0
        assert (await it.send(body, headers)).status == 202, "what was broken off is free again"

    asyncio.run(trial())


def test_a_full_memory_is_told_to_the_sender() -> None:
    it = stand("github", memory=LocalReplayMemory(most=0))
    assert it.post(*it.signed()).status == 503
    assert it.notices[0].reason == "the replay memory is full"
