"""What a person at a terminal meets: the question before an apply, and Ctrl-C there."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import RECONCILE, Site
from tests.cli.test_promises import policy


class Terminal(NamedTuple):
    process: subprocess.Popen[bytes]
    screen: int

    def read_until(self, text: str) -> str:
        seen, until = "", time.monotonic() + 30
        while text not in seen and time.monotonic() < until:
            with suppress(OSError):
                seen += os.read(self.screen, 4096).decode()
        assert text in seen
        return seen


@contextmanager
def terminal(site: Site, *arguments: str) -> Iterator[Terminal]:
    screen, inside = pty.openpty()
    command = [*RECONCILE, "--repo", str(site.repo), *arguments]
    process = subprocess.Popen(command, env=site.environ, stdin=inside, stdout=inside, stderr=inside, start_new_session=True)
    os.close(inside)
    try:
        yield Terminal(process, screen)
    finally:
        process.kill()
        process.wait()
        os.close(screen)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_at_the_question_nothing_is_written_and_the_lock_is_free(
    site: Site, vault: VaultClient, number: signal.Signals
) -> None:
    site.write("desired-state/policies.yaml", policy("readers"))
    site.commit()
    with terminal(site, "apply") as asked:
        assert "vault.policy/readers" in asked.read_until("Apply this?")
        # Again until it ends: a signal between the question and the reading of its answer waits for a key.
        for _ in range(20):
            asked.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                asked.process.wait(1)
                break
        assert asked.process.returncode == 130
    assert vault.read("sys/policies/acl/readers") is None
    assert site.run("lock", "status", "-o", "json").json == {"held": False}
    assert site.run("history", "-o", "json").json == []


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 0)])
def test_an_apply_does_as_it_is_told(site: Site, vault: VaultClient, answer: str, code: int) -> None:
    site.write("desired-state/policies.yaml", policy("readers"))
    site.commit()
    with terminal(site, "apply") as asked:
        asked.read_until("Apply this?")
        os.write(asked.screen, f"{answer}\n".encode())
        assert asked.process.wait(20) == code
    assert (vault.read("sys/policies/acl/readers") is not None) is (answer == "y")
