"""The encrypted store against files that somebody wrote on purpose, and against folders that it may not read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reconciler.core.errors import Denied, ReconcilerError
from reconciler.secrets.file_disk import HEAD, KEYS, metadata_file
from reconciler.secrets.file_keyring import Locked
from reconciler.secrets.file_rotate import rotate_master
from reconciler.secrets.file_seal import canonical
from reconciler.secrets.file_store import FileStore
from reconciler.secrets.store import Held, Tampered
from tests.secrets.files import quick_store

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
META = metadata_file(1)
FIELDS = {
    "v000001.enc": ("format", "store", "path", "version", "id", "master", "key"),
    META: ("format", "store", "path", "version", "id", "master", "key"),
    HEAD: ("format", "store", "path", "ids", "gone", "destroying", "metadata", "master", "mac"),
    f"../{KEYS}": ("format", "store", "slots", "master", "mac"),
}


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    made = quick_store(tmp_path / "store")
    made.put("db", {"password": "one"})
    made.annotate("db", {"reconciler_phase": "IDLE"})
    return made


def read_all(store: FileStore) -> Iterator[object]:
    fresh = FileStore("files", store.root, store.keyring.slots)
    yield fresh.get("db")
    yield fresh.versions("db")
    yield fresh.metadata("db")
    yield fresh.list()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.sampled_from([(name, field) for name, fields in FIELDS.items() for field in fields]), forged=JSON)
def test_whatever_stands_in_a_header_is_an_error_with_a_name(store: FileStore, where: tuple[str, str], forged: Any) -> None:
    file, field = store.folder("db") / where[0], where[1]
    whole = file.read_bytes()
    line, newline, rest = whole.partition(b"\n")
    held = json.loads(line)
    assume(held[field] != forged or type(held[field]) is not type(forged))
    file.write_bytes(canonical({**held, field: forged}) + newline + rest)
    with pytest.raises((Tampered, Locked)) as caught:
        list(read_all(store))
    file.write_bytes(whole)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["v000001.enc", HEAD, META, f"../{KEYS}"])
@pytest.mark.parametrize("content", [b"", b"\n", b"null", b"[]", b"{}", b"{}\n", b'{"a":1,"a":2}', b"[" * 100_000, b"9" * 10_000, b"\xff"])
def test_file_that_is_something_else_is_an_error_with_a_name(store: FileStore, name: str, content: bytes) -> None:
    (store.folder("db") / name).write_bytes(content)
    with pytest.raises((Tampered, Locked)):
        list(read_all(store))


def test_error_about_a_forged_file_draws_nothing_on_a_terminal(store: FileStore) -> None:
    file = store.folder("db") / "v000001.enc"
    line, newline, rest = file.read_bytes().partition(b"\n")
    file.write_bytes(canonical({**json.loads(line), "path": "\x1b[2J\n::error::x"}) + newline + rest)
    with pytest.raises(Tampered) as caught:
        store.get("db")
    assert str(caught.value).isprintable()


def test_folder_that_cannot_be_read_stops_the_rotation_of_the_master_key_before_the_old_one_is_destroyed(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("team/db", {"password": "two"})
    genuine = os.scandir

    def closed(at: Any) -> Any:
        if str(at).endswith("team"):
            raise PermissionError(13, "Permission denied", str(at))
        return genuine(at)

    monkeypatch.setattr(os, "scandir", closed)
    for attempt in (store.list, lambda: rotate_master(store)):
        with pytest.raises(Denied):
            attempt()
    monkeypatch.undo()
    assert FileStore("files", store.root, store.keyring.slots).get("team/db") == Held({"password": "two"}, "1")


def test_folder_that_another_process_made_is_durably_named_before_a_put_is_acknowledged(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That one may have been killed between making it and syncing the folder above."""
    (store.root / "team" / "db").mkdir(parents=True)
    synced: list[int] = []
    genuine = os.fsync

    def noted(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        genuine(handle)

    monkeypatch.setattr(os, "fsync", noted)
    store.put("team/db", {"password": "two"})
    for folder in (store.root, store.root / "team", store.root / "team" / "db"):
        assert folder.stat().st_ino in synced, folder


def test_store_that_is_not_a_folder_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("x")
    store = quick_store(tmp_path / "store")
    for attempt in (lambda: store.put("db", {"password": "one"}), store.list):
        with pytest.raises(ReconcilerError):
            attempt()
    assert store.get("db") is None
