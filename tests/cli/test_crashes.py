"""Killed, interrupted, crowded: an apply that is disturbed tells the truth and converges."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Site

OBJECTS = 800


def policies(count: int) -> str:
    return "---\n".join(
        f"kind: vault.policy\nname: p{number:04}\nspec: {{rules: [{{path: kv/data/{number}/*, capabilities: [read]}}]}}\n"
        for number in range(count)
    )


def started(vault: VaultClient) -> int:
    """How many of our policies the server has."""
    listing = vault.list("sys/policies/acl")
    return sum(name.startswith("p0") for name in listing.keys) if listing else 0


def wait_until_begun(vault: VaultClient, more_than: int) -> None:
    deadline = time.monotonic() + 60
    while started(vault) <= more_than and time.monotonic() < deadline:
        time.sleep(0.01)


def test_an_apply_that_is_killed_five_times_converges_and_owns_all_it_made(site: Site, vault: VaultClient) -> None:
    site.write("desired-state/policies.yaml", policies(OBJECTS))
    site.commit()
    chance = random.Random(5)
    for _ in range(5):
        process = site.start("apply", "--yes")
        wait_until_begun(vault, min(started(vault) + chance.randrange(1, 60), OBJECTS - 1))
        process.kill()
        process.communicate()
        assert site.plan()["refusals"] == []
    # A dead holder on this machine does not hold the lock.
    site.apply()
    plan = site.plan()
    assert plan["changes"] == []
    assert plan["summary"]["unchanged"] == OBJECTS
    # Owned: what leaves git is planned to be deleted.
    site.write("desired-state/policies.yaml", policies(1))
    site.commit()
    assert site.plan()["summary"]["delete"] == OBJECTS - 1


def test_what_a_killed_first_apply_made_is_owned_even_if_the_next_commit_drops_it(site: Site, vault: VaultClient) -> None:
    site.write("desired-state/policies.yaml", policies(OBJECTS))
    site.commit()
    process = site.start("apply", "--yes")
    wait_until_begun(vault, 20)
    process.kill()
    process.communicate()
    site.write("desired-state/policies.yaml", "kind: vault.policy\nname: other\nspec: {rules: [{path: a, capabilities: [read]}]}\n")
    site.commit()
    deletes = site.plan()["summary"]["delete"]
    assert deletes == started(vault) > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_apply_finishes_what_is_in_flight_and_reports_the_rest(
    site: Site, vault: VaultClient, number: signal.Signals
) -> None:
    site.write("desired-state/policies.yaml", policies(OBJECTS))
    site.commit()
    process = site.start("apply", "--yes", "-o", "json")
    wait_until_begun(vault, 5)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    outcomes = Counter(one["outcome"] for one in json.loads(out)["outcomes"])
    assert outcomes["applied"] == started(vault)
    assert outcomes["skipped"] == OBJECTS - outcomes["applied"] > 0
    assert "Traceback" not in err
    site.apply()
    assert site.plan()["changes"] == []


def test_of_six_applies_at_once_one_writes_and_no_object_is_written_twice(site: Site, vault: VaultClient) -> None:
    site.write("desired-state/policies.yaml", policies(100))
    site.commit()
    site.apply()
    site.write("desired-state/policies.yaml", policies(100).replace("[read]", "[list]"))
    site.commit()
    processes = [site.start("apply", "--yes", "--lock-timeout", "60", "-o", "json") for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda process: process.communicate(timeout=120), processes))
    assert [process.returncode for process in processes] == [0] * 6, answers
    written = Counter(one["address"] for out, _ in answers for one in json.loads(out)["outcomes"] if one["outcome"] == "applied")
    assert len(written) == 100
    assert set(written.values()) == {1}
    # The server counts too: one version for the create and one for the change.
    detailed = vault.list("sys/policies/detailed/acl")
    assert detailed is not None
    assert {info["version"] for name, info in detailed.key_info.items() if name.startswith("p0")} == {2}


def test_an_apply_beside_another_is_refused_at_once(site: Site, vault: VaultClient) -> None:
    site.write("desired-state/policies.yaml", policies(OBJECTS))
    site.commit()
    first = site.start("apply", "--yes")
    wait_until_begun(vault, 1)
    second = site.run("apply", "--yes")
    first.communicate(timeout=120)
    assert second.code == 4
    assert "locked by" in second.err
    assert first.returncode == 0
