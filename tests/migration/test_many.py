"""Many secrets with five versions each move from the encrypted files to Vault while somebody goes on writing; killed and resumed.

How many: MIGRATION_SECRETS, and MIGRATION_KILLS. Each kill is of the real command.
"""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import AbstractContextManager
from pathlib import Path

from reconciler.backends.vault.client import VaultClient
from reconciler.secrets.file_store import FileStore
from reconciler.wiring.stores import encrypted_files
from tests.cli.site import Site, forked
from tests.migration.desks import settings_of

SECRETS = int(os.environ.get("MIGRATION_SECRETS", "20"))
KILLS = int(os.environ.get("MIGRATION_KILLS", "3"))
VERSIONS = 5
WAY = ("--from", "files", "--to", "vault")


def writing(site: Site, done: Path) -> int:
    """A process that writes one secret after the other, each by a command, and notes what it was told is written."""
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        draw = random.Random(3)
        for number in range(100_000):
            path = f"app/{draw.randrange(SECRETS)}"
            if site.run("secret", "put", path, f"value=written-{number}").code == 0:
                with done.open("a") as stream:
                    stream.write(f"{path} written-{number}\n")
    finally:
        os._exit(0)


def files(site: Site) -> AbstractContextManager[FileStore]:
    return encrypted_files(settings_of(site))


def files_of(site: Site) -> dict[str, list[str]]:
    """All values of the encrypted files, oldest first."""
    with files(site) as store:
        return {path: _values(store, path) for path in store.list()}


def _values(store: FileStore, path: str) -> list[str]:
    return [held.value["value"] for one in reversed(store.versions(path)) if (held := store.get(path, one.id))]


def fill(site: Site) -> None:
    with files(site) as store:
        for number in range(SECRETS):
            for version in range(VERSIONS):
                store.put(f"app/{number}", {"value": f"{number}-{version}"})


def test_nothing_is_lost_or_twice_while_somebody_writes_and_the_copy_is_killed(shop: Site, vault: VaultClient, tmp_path: Path) -> None:
    vault.write("genesis/config", {"max_versions": 200})
    fill(shop)
    done, draw, killed, longest = tmp_path / "done", random.Random(11), 0, 2.0
    writer = writing(shop, done)
    try:
        while killed < KILLS:
            process = forked(shop, "migrate", "start", *WAY)
            time.sleep(draw.uniform(longest / 4, longest))  # where the kill falls is what is drawn
            os.kill(process, signal.SIGKILL)
            died = os.WIFSIGNALED(os.waitpid(process, 0)[1])
            killed, longest = killed + died, longest * (1.1 if died else 0.6)  # a machine of any speed
        started = shop.run("migrate", "start", *WAY, "-o", "json")
        assert started.code == 0, started.out + started.err
    finally:
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
    assert shop.run("migrate", "start", *WAY).code == 0
    verified = shop.run("migrate", "verify", "-o", "json")
    assert verified.code == 0, verified.out
    found = files_of(shop)
    for path, kept in found.items():
        moved = [vault.read(f"genesis/data/{path}", version=str(number + 1)) for number in range(len(kept))]
        assert [one["data"]["value"] for one in moved if one] == kept
        assert vault.read(f"genesis/data/{path}", version=str(len(kept) + 1)) is None
    written = [line.split() for line in done.read_text().splitlines()]
    assert written
    assert all(value in found[path] for path, value in written)
    assert shop.run("migrate", "cutover", "--yes").code == 0
    assert shop.run("audit", "verify").code == 0
