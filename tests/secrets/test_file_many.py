"""The encrypted store with 10,000 secrets: all are kept, and whatever is done to a file is found, where it was done and nowhere else."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.secrets.file_disk import HEAD
from reconciler.secrets.file_store import FileStore
from reconciler.secrets.store import Held, Tampered
from tests.secrets.files import quick_store

MANY = 10_000
TWICE = 100  # of them were written twice
MEMORY = Path("/dev/shm")  # where there is a disk in memory: this is about what is kept, not about power failures
CHANGES = 60
SEED = 4207


def path_of(number: int) -> str:
    return f"service-{number % 100}/key-{number}"


def value_of(number: int) -> dict[str, str]:
    return {"value": f"value of {number}"}


@pytest.fixture(scope="module")
def store() -> Iterator[FileStore]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        made = quick_store(Path(folder) / "store")
        for number in range(MANY):
            made.put(path_of(number), value_of(number), "")
        for number in range(TWICE):
            made.put(path_of(number), value_of(number), "1")
        yield FileStore("files", made.root, made.keyring.slots)


def test_all_are_listed_and_every_one_is_what_was_written(store: FileStore) -> None:
    assert set(store.list()) == {path_of(number) for number in range(MANY)}
    wrong = [number for number in range(MANY) if store.get(path_of(number)) != Held(value_of(number), "2" if number < TWICE else "1")]
    assert wrong == []


def outcome(store: FileStore, number: int) -> str:
    """How a secret reads: `well`, what the error is called, or `wrong`."""
    try:
        held = store.get(path_of(number))
        store.versions(path_of(number))
    except Tampered as tampered:
        return tampered.sort
    return "well" if held and held.value == value_of(number) else "wrong"


def flip(file: Path, dice: random.Random) -> None:
    whole = bytearray(file.read_bytes())
    whole[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
    file.write_bytes(whole)


def test_flipped_bits_in_any_of_them_are_found_and_the_others_are_well(store: FileStore) -> None:
    dice = random.Random(SEED)
    for number in dice.sample(range(MANY), CHANGES):
        file = store.folder(path_of(number)) / dice.choice([HEAD, "v000001.enc"])
        whole = file.read_bytes()
        flip(file, dice)
        assert outcome(store, number) in ("altered", "swapped", "replayed", "gone"), (number, file.name)
        assert outcome(store, (number + 100) % MANY) == "well", "the one beside it"
        file.write_bytes(whole)
        assert outcome(store, number) == "well"


def test_files_of_any_two_that_change_places_are_found(store: FileStore) -> None:
    dice = random.Random(SEED)
    for _ in range(CHANGES // 2):
        one, two = dice.sample(range(TWICE, MANY), 2)
        names = dice.choice([(HEAD,), ("v000001.enc",), (HEAD, "v000001.enc")])
        files = [[store.folder(path_of(number)) / name for name in names] for number in (one, two)]
        contents = [[file.read_bytes() for file in of_one] for of_one in files]
        for of_one, of_the_other in zip(files, reversed(contents), strict=True):
            for file, content in zip(of_one, of_the_other, strict=True):
                file.write_bytes(content)
        assert (outcome(store, one), outcome(store, two)) == ("swapped", "swapped"), (one, two, names)
        for of_one, of_its_own in zip(files, contents, strict=True):
            for file, content in zip(of_one, of_its_own, strict=True):
                file.write_bytes(content)


@pytest.mark.parametrize("name", ["v000001.enc", HEAD])
def test_file_that_was_kept_aside_and_put_back_is_found(store: FileStore, name: str) -> None:
    """A version that was destroyed since, or a head from before the newest version."""
    dice = random.Random(SEED)
    for number in dice.sample(range(TWICE), 5):
        file = store.folder(path_of(number)) / name
        kept = file.read_bytes()
        store.put(path_of(number), value_of(number))
        store.destroy(path_of(number), "1")
        later = file.read_bytes() if name == HEAD else None
        file.write_bytes(kept)
        assert outcome(store, number) == "replayed", path_of(number)
        file.unlink() if later is None else file.write_bytes(later)
        assert outcome(store, number) == "well"
