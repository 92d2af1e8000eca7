"""The encrypted store's writes beside the least that is as durable: AES-256-GCM, fsync of the file and of its folder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from reconciler.secrets.file_store import FileStore
from tests.secrets.files import quick_store

WRITES = 100
VALUE = "v" * 40


class Rates(NamedTuple):
    """Writes a second."""

    store: float
    plain: float

    @property
    def times(self) -> float:
        return self.plain / self.store


def rates(folder: Path) -> Rates:
    """Measure both on one disk, in turns, so that what else the machine does meets both."""
    folder.mkdir()
    store, plain = quick_store(folder / "store"), folder / "plain"
    store.put("warm", {"value": VALUE})
    plain.mkdir()
    turns = [(_seconds(partial(_put, store, turn)), _seconds(partial(_plain, plain, turn))) for turn in range(4)]
    return Rates(*(WRITES * len(turns) / sum(one) for one in zip(*turns, strict=True)))


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _put(store: FileStore, turn: int) -> None:
    for number in range(WRITES):
        store.put(f"service-{turn}-{number % 50}", {"value": VALUE})


def _plain(folder: Path, turn: int) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = AESGCM(os.urandom(32))
    for number in range(WRITES):
        nonce = os.urandom(12)
        with open(folder / f"{turn}-{number}", "xb") as stream:
            stream.write(nonce + key.encrypt(nonce, VALUE.encode(), None))
            stream.flush()
            os.fsync(stream.fileno())
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
