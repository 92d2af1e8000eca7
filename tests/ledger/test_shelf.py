"""The contract that every shelf keeps, and what is special about each."""

from __future__ import annotations

import fcntl
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reconciler.backends.aws.client import AwsClient
from reconciler.backends.vault.client import VaultClient, connect
from reconciler.core.errors import BackendError, Conflict, Denied, Missing, Unavailable
from reconciler.ledger import file
from reconciler.ledger.file import FileShelf
from reconciler.ledger.kv import MAX_VERSIONS, KvShelf
from reconciler.ledger.s3 import S3Shelf
from reconciler.ledger.shelf import Shelf

BINARY = bytes(range(256)) * 3


def test_nothing_is_kept_at_first(shelf: Shelf) -> None:
    assert shelf.get("head") is None
    assert shelf.keys("") == ()
    shelf.delete("head")


@pytest.mark.parametrize("content", [b"", b'{"text": "gr\xc3\xbc\xc3\x9fe"}', BINARY], ids=["empty", "text", "binary"])
def test_content_comes_back_as_it_was(shelf: Shelf, content: bytes) -> None:
    version = shelf.put("head", content, "")
    found = shelf.get("head")
    assert found is not None
    assert (found.content, found.version) == (content, version)


def test_what_must_not_exist_is_made_once(shelf: Shelf) -> None:
    shelf.put("head", b"first", "")
    with pytest.raises(Conflict):
        shelf.put("head", b"second", "")
    assert shelf.get("head") is not None
    assert shelf.get("head").content == b"first"  # type: ignore[union-attr]  # asserted the line before


def test_a_version_can_be_replaced_once(shelf: Shelf) -> None:
    first = shelf.put("head", b"1", "")
    second = shelf.put("head", b"2", first)
    with pytest.raises(Conflict):
        shelf.put("head", b"3", first)
    assert shelf.put("head", b"3", second) not in (first, second)


def test_what_was_deleted_cannot_be_replaced_but_made_anew(shelf: Shelf) -> None:
    version = shelf.put("head", b"1", "")
    shelf.delete("head")
    assert shelf.get("head") is None
    with pytest.raises(Conflict):
        shelf.put("head", b"2", version)
    shelf.put("head", b"2", "")


def test_a_chunk_may_be_added_again(shelf: Shelf) -> None:
    shelf.add("state/abc", BINARY)
    shelf.add("state/abc", BINARY)
    found = shelf.get("state/abc")
    assert found is not None
    assert found.content == BINARY


def test_keys_are_listed_below_a_folder_at_any_depth(shelf: Shelf) -> None:
    for key in ("head", "state/b", "state/a", "runs/2026/x"):
        shelf.add(key, b"x")
    assert shelf.keys("") == ("head", "runs/2026/x", "state/a", "state/b")
    assert shelf.keys("state/") == ("state/a", "state/b")
    shelf.delete("state/a")
    assert shelf.keys("state/") == ("state/b",)


def test_preparing_again_changes_nothing(shelf: Shelf) -> None:
    version = shelf.put("head", b"1", "")
    shelf.prepare()
    found = shelf.get("head")
    assert found is not None
    assert found.version == version


def test_a_chunk_whose_first_write_was_lost_is_written_again(kv: KvShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    put, lost = KvShelf.put, [Conflict("the answer to a write was lost", path="x")]

    def losing(shelf: KvShelf, key: str, content: bytes, expected: str) -> str:
        if lost:
            raise lost.pop()
        return put(shelf, key, content, expected)

    monkeypatch.setattr(KvShelf, "put", losing)
    kv.add("state/abc", BINARY)
    found = kv.get("state/abc")
    assert found is not None
    assert found.content == BINARY


# Not over S3: the endpoint that tests have compares and sets in two steps, the real one in one.
@pytest.mark.parametrize("name", ["kv", "folder"])
def test_of_writers_at_once_one_wins(request: pytest.FixtureRequest, name: str) -> None:
    shelf: Shelf = request.getfixturevalue(name)

    def count(_writer: int) -> int:
        """Add one, four times, as everybody must: read, write, start again if somebody was quicker."""
        conflicts, left = 0, 4
        while left:
            found = shelf.get("head")
            content = str(int(found.content) + 1 if found else 1).encode()
            try:
                shelf.put("head", content, found.version if found else "")
                left -= 1
            except Conflict:
                conflicts += 1
        return conflicts

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(count, range(6))) > 0
    found = shelf.get("head")
    assert found is not None
    assert found.content == b"24"


def test_a_mount_that_does_not_exist_holds_nothing_and_nothing_makes_it_but_prepare(raft: VaultClient, mount: str) -> None:
    shelf = KvShelf(raft, mount, "genesis/prod", time.sleep)
    assert shelf.get("head") is None
    assert shelf.keys("") == ()
    with pytest.raises(Missing):
        shelf.put("head", b"1", "")
    raft.forget_mounts()
    assert mount not in (raft.mounts() or {})


def test_the_mount_is_made_by_whoever_comes_first_of_several(raft: VaultClient, mount: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: KvShelf(raft, mount, "genesis/prod", time.sleep).prepare(), range(4)))
    assert (raft.read(f"{mount}/config") or {})["max_versions"] == MAX_VERSIONS
    KvShelf(raft, mount, "genesis/prod", time.sleep).put("head", b"1", "")


def test_a_mount_of_another_sort_is_refused_in_words(raft: VaultClient, mount: str) -> None:
    raft.write(f"sys/mounts/{mount}", {"type": "transit"})
    with pytest.raises(BackendError, match="is not a KV v2 mount"):
        KvShelf(raft, mount, "genesis/prod", time.sleep).prepare()


def test_an_entry_that_somebody_else_wrote_is_refused_in_words(raft: VaultClient, mount: str, kv: KvShelf) -> None:
    raft.write(f"{mount}/data/genesis/prod/head", {"data": {"password": "x"}})
    with pytest.raises(BackendError, match="is not an entry of a ledger"):
        kv.get("head")


def test_a_bucket_that_does_not_exist_holds_nothing_and_is_named(storage: AwsClient) -> None:
    shelf = S3Shelf(storage, "nowhere", "genesis/prod")
    assert shelf.get("head") is None
    assert shelf.keys("") == ()
    for work in (shelf.prepare, lambda: shelf.put("head", b"1", "")):
        with pytest.raises(Missing, match="bucket nowhere for the ledger does not exist"):
            work()


def test_files_are_whole_and_for_their_owner_only(folder: FileShelf, tmp_path: Path) -> None:
    folder.put("state/a", b"1", "")
    below = list((tmp_path / "genesis" / "prod").rglob("*"))
    assert {path.stat().st_mode & 0o077 for path in below} == {0}
    assert not [path for path in below if path.name.startswith(".new-")]


def test_a_full_disk_is_said_in_words_and_leaves_the_old_file(folder: FileShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = folder.put("head", b"old", "")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BackendError, match="No space left on device"):
        folder.put("head", b"new", version)
    assert folder.keys("") == ("head",)
    found = folder.get("head")
    assert found is not None
    assert found.content == b"old"


def test_a_login_that_may_not_read_is_denied_not_told_that_nothing_is_there(raft: VaultClient, mount: str, kv: KvShelf) -> None:
    kv.put("head", b"1", "")
    token = raft.write("auth/token/create", {"policies": ["default"], "no_parent": True})["auth"]["client_token"]
    shelf = KvShelf(connect(raft.transport, token), mount, "genesis/prod", time.sleep)
    for work in (lambda: shelf.get("head"), lambda: shelf.keys(""), lambda: shelf.put("head", b"2", "1")):
        with pytest.raises(Denied):
            work()
    shelf.prepare()  # may not look at mounts: that alone is no reason to stop


def test_a_folder_that_a_stopped_process_holds_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = FileShelf(tmp_path)
    shelf.put("head", b"1", "")
    monkeypatch.setattr(file, "PATIENCE_SECONDS", 0.05)
    with (tmp_path / ".guard").open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="does not end"):
            shelf.put("head", b"2", shelf.get("head").version)  # type: ignore[union-attr]  # it was put just now
