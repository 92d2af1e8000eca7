"""The encrypted store: what is altered, swapped, put back or taken away is an error with a name, and no death loses a secret."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.core.errors import BackendError, Conflict, Missing
from reconciler.secrets.file_disk import HEAD, KEYS, metadata_file
from reconciler.secrets.file_keyring import Locked
from reconciler.secrets.file_rotate import rotate_master
from reconciler.secrets.file_store import FileStore
from reconciler.secrets.store import Held, Tampered
from tests.secrets.files import QuickSlot, quick_store

ROOT = Path(__file__).resolve().parents[2]


META = metadata_file(1)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return quick_store(tmp_path / "store")


def again(store: FileStore) -> FileStore:
    """The same store, as another process opens it."""
    return FileStore("files", store.root, store.keyring.slots)


def everything(store: FileStore, *paths: str) -> object:
    """All that can be read."""
    return {
        path: (store.get(path), store.metadata(path), [(one, store.get(path, one.id)) for one in store.versions(path)])
        for path in paths or store.list()
    }


def files_of(store: FileStore) -> list[Path]:
    return sorted(file for file in store.root.rglob("*") if file.is_file() and not file.name.startswith("."))


def metadata_files(store: FileStore, path: str = "db") -> list[Path]:
    return sorted(store.folder(path).glob("m*.enc"))


def test_any_flipped_bit_is_an_error(store: FileStore) -> None:
    """One bit of each byte; all eight with STORE_EVERY_BIT=1."""
    store.put("db", {"password": "one"})
    store.put("db", {"password": "two"})
    store.annotate("db", {"reconciler_phase": "IDLE"})
    everything(store)
    silent = []
    for file in files_of(store):
        whole = file.read_bytes()
        for place in range(0, len(whole) * 8, 1 if os.environ.get("STORE_EVERY_BIT") else 9):
            position, bit = place // 8, 1 << place % 8
            file.write_bytes(whole[:position] + bytes([whole[position] ^ bit]) + whole[position + 1 :])
            try:
                everything(again(store))
            except (Tampered, Locked):
                continue
            silent.append((file.name, position, bit))
        file.write_bytes(whole)
    assert silent == []
    assert sorted(file.name for file in files_of(store)) == [HEAD, KEYS, META, "v000001.enc", "v000002.enc"]


@pytest.mark.parametrize("cut", [0, 1, 50, -1])
def test_file_that_was_cut_short_is_an_error(store: FileStore, cut: int) -> None:
    store.put("db", {"password": "one"})
    for file in files_of(store):
        whole = file.read_bytes()
        file.write_bytes(whole[:cut])
        with pytest.raises((Tampered, Locked)):
            everything(again(store))
        file.write_bytes(whole)


@pytest.mark.parametrize("name", ["v000001.enc", HEAD, META])
def test_file_of_another_secret_is_swapped(store: FileStore, name: str) -> None:
    for path in ("one", "two"):
        store.put(path, {"value": path})
        store.annotate(path, {"reconciler_phase": path})
    shutil.copy(store.folder("one") / name, store.folder("two") / name)
    with pytest.raises(Tampered, match=f"^swapped: .*two.{name}: it is .* of one"):
        everything(store)
    assert store.get("one") == Held({"value": "one"}, "1")


def test_version_in_the_place_of_another_is_swapped(store: FileStore) -> None:
    store.put("db", {"password": "one"})
    store.put("db", {"password": "two"})
    shutil.copy(store.folder("db") / "v000001.enc", store.folder("db") / "v000002.enc")
    with pytest.raises(Tampered, match=r"swapped: .*v000002.enc: it is version 1 of db"):
        store.get("db")


def test_file_of_another_store_is_swapped(store: FileStore, tmp_path: Path) -> None:
    other = quick_store(tmp_path / "other")
    for one in (store, other):
        one.put("db", {"password": str(one.root)})
    shutil.copy(other.folder("db") / "v000001.enc", store.folder("db") / "v000001.enc")
    with pytest.raises(Tampered, match=r"swapped: .*of the store"):
        store.get("db")


def test_head_that_was_put_back_is_replayed(store: FileStore) -> None:
    store.put("db", {"password": "one"})
    old = (store.folder("db") / HEAD).read_bytes()
    store.put("db", {"password": "two"})
    (store.folder("db") / HEAD).write_bytes(old)
    for read in (lambda: store.get("db"), lambda: store.put("db", {"password": "three"}), lambda: store.versions("db"), store.list):
        with pytest.raises(Tampered, match=r"^replayed: .*HEAD: it is older than v000002.enc"):
            read()


def test_metadata_that_was_put_back_is_never_read(store: FileStore) -> None:
    store.put("db", {"password": "one"})
    store.annotate("db", {"reconciler_phase": "STAGED"})
    old = {file: file.read_bytes() for file in metadata_files(store)}
    store.annotate("db", {"reconciler_phase": "IDLE"})
    for file, content in old.items():
        file.write_bytes(content)
    assert store.metadata("db") == {"reconciler_phase": "IDLE"}
    (newest,) = [file for file in metadata_files(store) if file not in old]
    whole = newest.read_bytes()
    for content in old.values():
        newest.write_bytes(content)
        with pytest.raises(Tampered, match=r"^swapped: "):
            store.metadata("db")
    newest.write_bytes(whole)
    assert store.metadata("db") == {"reconciler_phase": "IDLE"}


def test_head_that_was_put_back_after_metadata_changed_is_found(store: FileStore) -> None:
    store.put("db", {"password": "one"})
    store.annotate("db", {"reconciler_phase": "STAGED"})
    old = (store.folder("db") / HEAD).read_bytes()
    store.annotate("db", {"reconciler_phase": "IDLE"})
    (store.folder("db") / HEAD).write_bytes(old)
    for read in (lambda: store.metadata("db"), lambda: store.get("db"), lambda: store.put("db", {"password": "two"})):
        with pytest.raises(Tampered, match=r"^gone: "):
            read()


def test_metadata_that_was_taken_away_is_gone(store: FileStore) -> None:
    store.put("db", {"password": "one"})
    store.annotate("db", {"reconciler_phase": "STAGED"})
    for file in metadata_files(store):
        file.unlink()
    with pytest.raises(Tampered, match=r"^gone: "):
        store.metadata("db")


def test_metadata_of_what_is_not_there_is_not_kept(store: FileStore) -> None:
    with pytest.raises(Missing):
        store.annotate("db", {"reconciler_phase": "STAGED"})


def test_destroyed_version_that_was_put_back_is_replayed(store: FileStore) -> None:
    store.put("db", {"password": "one"})
    store.put("db", {"password": "two"})
    old = (store.folder("db") / "v000001.enc").read_bytes()
    store.destroy("db", "1")
    (store.folder("db") / "v000001.enc").write_bytes(old)
    with pytest.raises(Tampered, match=r"replayed: .*v000001.enc: this version was destroyed"):
        store.get("db", "1")
    assert store.get("db") == Held({"password": "two"}, "2")


def test_version_of_another_life_is_replayed(store: FileStore, tmp_path: Path) -> None:
    store.put("db", {"password": "one"})
    shutil.copytree(store.root, tmp_path / "before")
    store.put("db", {"password": "two"})
    second = (store.folder("db") / "v000002.enc").read_bytes()
    other = FileStore("files", tmp_path / "before", store.keyring.slots)
    other.put("db", {"password": "another second version"})
    shutil.copy(other.folder("db") / "v000002.enc", store.folder("db") / "v000002.enc")
    with pytest.raises(Tampered, match=r"replayed: .*it is not the version that HEAD speaks of"):
        store.get("db")
    (store.folder("db") / "v000002.enc").write_bytes(second)
    store.put("db", {"password": "three"})
    shutil.copy(other.folder("db") / "v000002.enc", store.folder("db") / "v000002.enc")
    assert store.get("db") == Held({"password": "three"}, "3")
    with pytest.raises(Tampered, match=r"replayed: .*it is not the version that HEAD speaks of"):
        store.get("db", "2")


@pytest.mark.parametrize("name", ["v000001.enc", "v000002.enc", HEAD, f"../{KEYS}"])
def test_file_that_was_taken_away_is_gone(store: FileStore, name: str) -> None:
    store.put("db", {"password": "one"})
    store.put("db", {"password": "two"})
    (store.folder("db") / name).unlink()
    with pytest.raises(Tampered, match=r"^gone: "):
        store.versions("db")


def test_what_a_killed_put_left_is_finished_by_the_next(store: FileStore) -> None:
    store.put("db", {"password": "one"})
    head = (store.folder("db") / HEAD).read_bytes()
    store.put("db", {"password": "two"})
    (store.folder("db") / HEAD).write_bytes(head)
    os.link(store.folder("db") / "v000002.enc", store.folder("db") / ".new-v000002.enc-abc")
    assert store.get("db") == Held({"password": "one"}, "1")
    with pytest.raises(Conflict):
        store.put("db", {"password": "three"}, "1")
    assert store.get("db") == Held({"password": "two"}, "2")
    assert store.put("db", {"password": "three"}, "2") == "3"
    assert [file.name for file in store.folder("db").iterdir() if file.name.startswith(".")] == []


def test_death_before_any_step_loses_nothing() -> None:
    """Each operation, killed by SIGKILL before each of its calls that change the disk."""
    done = subprocess.run([sys.executable, "-m", "tests.secrets.crashing"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("killed ")


def test_processes_that_are_killed_again_and_again_lose_no_value_that_was_acknowledged(store: FileStore) -> None:
    store.put("p0", {"value": "0"})
    acknowledged = {"p0": 0}
    for round_ in range(8):
        command = [sys.executable, "-m", "tests.secrets.writing", str(store.root), str(round_)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(3 + round_ % 5):
                path, text = process.stdout.readline().split()
                acknowledged[path] = int(text)
            process.kill()
            for line in process.stdout:
                path, text = line.split()
                acknowledged[path] = int(text)
        fresh = again(store)
        for path, number in acknowledged.items():
            held = fresh.get(path)
            assert held is not None
            assert int(held.value["value"]) in (number, number + 1), "the last one may have been written and not acknowledged"
        everything(fresh)
    for path in acknowledged:
        again(store).put(path, {"value": "after"})


def test_writers_in_threads_never_lose_a_version(store: FileStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda number: store.put("db", {"value": str(number)}), range(40)))
    assert sorted(map(int, made)) == list(range(1, 41))
    values = {version: store.get("db", version) for version in made}
    assert {held.value["value"] for held in values.values() if held} == set(map(str, range(40)))


def test_readers_see_only_whole_values_while_others_write_and_rotate_the_master_key(store: FileStore) -> None:
    store.put("db", {"value": "0"})
    ended = threading.Event()

    def read() -> list[int]:
        mine, seen = again(store), [0]
        while not ended.is_set():
            held = mine.get("db")
            assert held is not None
            seen.append(int(held.value["value"]))
        return seen

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for number in range(1, 21):
            store.put("db", {"value": str(number)})
            if number % 5 == 0:
                rotate_master(again(store))
        ended.set()
        for reader in readers:
            seen = reader.result()
            assert seen == sorted(seen)


def test_rotated_master_key_opens_everything_and_the_old_one_nothing(store: FileStore, tmp_path: Path) -> None:
    store.put("db", {"password": "one"})
    store.put("db", {"password": "two"})
    store.annotate("db", {"reconciler_phase": "IDLE"})
    store.put("gone", {"password": "three"})
    store.delete("gone")
    before, old = everything(store), shutil.copytree(store.root, tmp_path / "old")
    assert rotate_master(store) == 5
    assert everything(again(store)) == before
    for file in files_of(store):
        assert file.read_bytes() != (old / file.relative_to(store.root)).read_bytes(), file.name
        kept = file.read_bytes()
        shutil.copy(old / file.relative_to(store.root), file)
        with pytest.raises((Tampered, Locked)):
            everything(again(store), "db", "gone")
        file.write_bytes(kept)
    assert store.put("db", {"password": "four"}) == "3"


def test_master_key_is_rotated_by_one_process_at_a_time(store: FileStore) -> None:
    store.put("db", {"password": "one"})
    with pytest.raises(BackendError, match="another process is at it"), store.keyring.rotating():
        rotate_master(again(store))
    assert store.get("db") == Held({"password": "one"}, "1")


def test_master_key_is_not_rotated_away_from_a_slot_that_is_not_declared(store: FileStore) -> None:
    both = FileStore("files", store.root, [QuickSlot(), QuickSlot("other", bytes([1]) * 32)])
    both.put("db", {"password": "one"})
    with pytest.raises(BackendError, match="slots that are not declared would lose the new master key: other"):
        rotate_master(store)


def test_slots_are_added_and_removed_and_no_secret_is_touched(store: FileStore) -> None:
    store.put("db", {"password": "one"})
    before = {file: file.read_bytes() for file in files_of(store) if file.name != KEYS}
    other = QuickSlot("other", bytes([1]) * 32)
    assert FileStore("files", store.root, [QuickSlot(), other]).keyring.sync_slots() == (("other",), ())
    assert FileStore("files", store.root, [other]).keyring.sync_slots() == ((), ("quick",))
    assert FileStore("files", store.root, [other]).get("db") == Held({"password": "one"}, "1")
    assert {file: file.read_bytes() for file in before} == before
    with pytest.raises(Locked, match="quick: the keyring has no such slot"):
        again(store).get("db")


def test_nothing_of_a_value_or_a_master_key_is_in_the_files(store: FileStore) -> None:
    store.put("db", {"password": "canary-4711"})
    masters = store.keyring.masters()
    assert masters is not None
    everything_written = b"".join(file.read_bytes() for file in store.root.rglob("*") if file.is_file())
    assert b"canary" not in everything_written
    assert masters.keys[1] not in everything_written
    assert "canary" not in repr(masters)
    assert masters.keys[1].hex() not in repr(masters)


def test_folder_and_files_are_their_owners_alone(store: FileStore) -> None:
    store.put("a/b", {"value": "x"})
    open_to_others = [file for file in store.root.rglob("*") if file.stat().st_mode & 0o077 and file.name != ".gitignore"]
    assert open_to_others == []
    assert (store.root / ".gitignore").read_text() == "*\n"
