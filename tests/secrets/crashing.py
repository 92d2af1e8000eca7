"""Each operation of the encrypted store, in a process that dies by SIGKILL before one of its calls that change the disk.

`python -m tests.secrets.crashing`: a process of its own, since it forks. For each operation the death is moved on, call by
call, until the operation ends alive. After each death everything must be readable, be what it was before or after, and the
operation must work when it is done again.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reconciler.core.errors import Conflict
from reconciler.secrets.file_rotate import rotate_master
from reconciler.secrets.file_store import FileStore
from tests.secrets.files import QuickSlot, quick_store

CALLS = ("open", "fsync", "link", "replace", "rename", "unlink", "mkdir", "write")
Operation = Callable[[FileStore], object]

OPERATIONS: dict[str, Operation] = {
    "put": lambda store: store.put("db", {"password": "three"}),
    "put with check-and-set": lambda store: store.put("db", {"password": "three"}, "2"),
    "first put of a path": lambda store: store.put("new/path", {"password": "one"}),
    "delete": lambda store: store.delete("db"),
    "destroy": lambda store: store.destroy("db", "1"),
    "destroy of the newest": lambda store: store.destroy("db", "2"),
    "annotate": lambda store: store.annotate("db", {"reconciler_phase": "STAGED"}),
    "rotate the master key": rotate_master,
    "change the slots": lambda store: FileStore("files", store.root, [QuickSlot(), QuickSlot("b", bytes([1]) * 32)]).keyring.sync_slots(),
}


def seen(store: FileStore) -> dict[str, Any]:
    """All that can be read; what cannot be read raises."""
    return {
        path: (store.get(path), store.metadata(path), [one.readable for one in store.versions(path)])
        for path in ("db", "other", "new/path")
    }


def dying(operation: Operation, root: Path, at: int) -> bool:
    """Do it in a process that dies before the call number `at`. False: it ended before."""
    child = os.fork()
    if child == 0:
        count = 0
        for name in CALLS:
            genuine = getattr(os, name)

            def counted(*given: Any, genuine: Any = genuine, **named: Any) -> Any:
                nonlocal count
                count += 1
                if count == at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return genuine(*given, **named)

            setattr(os, name, counted)
        operation(quick_store(root))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("the operation failed by itself")
    return os.WIFSIGNALED(status)


def made(root: Path) -> FileStore:
    store = quick_store(root)
    store.put("db", {"password": "one"})
    store.put("db", {"password": "two"})
    store.annotate("db", {"reconciler_phase": "IDLE"})
    store.put("other", {"value": "x"})
    return store


def check(name: str, operation: Operation, folder: Path) -> int:
    pristine = made(folder / "pristine")
    before = seen(pristine)
    shutil.copytree(pristine.root, folder / "done")
    operation(quick_store(folder / "done"))
    after = seen(quick_store(folder / "done"))
    at = 0
    while True:
        at += 1
        root = folder / f"at-{at}"
        shutil.copytree(pristine.root, root)
        if not dying(operation, root, at):
            return at - 1
        found = seen(quick_store(root))
        assert found in (before, after), f"{name}, killed before call {at}: {found}"
        try:
            operation(quick_store(root))
        except Conflict:
            assert name == "put with check-and-set", name  # the killed one is finished by this one, which finds it there
        finished = seen(quick_store(root))
        newest = {path: held for path, (held, _, _) in finished.items()}
        wanted = {path: held for path, (held, _, _) in after.items()}
        values = ({path: held and held.value for path, held in one.items()} for one in (newest, wanted))
        assert next(values) == next(values), f"{name}, killed before call {at} and done again: {finished}"
        assert not [file for file in root.rglob(".new-*") if file.parent != root and name != "change the slots"], name


def main() -> None:
    total = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, operation) in enumerate(OPERATIONS.items()):
            total += check(name, operation, Path(folder) / str(number))
        # A store that is not there yet: nothing before, everything after.
        root, at = Path(folder) / "first", 0
        while dying(lambda store: store.put("db", {"value": "x"}), root, at := at + 1):
            quick_store(root).get("db")
            assert (root / ".gitignore").exists() or not (root / "KEYS").exists()
            quick_store(root).put("db", {"value": "y"})
            assert quick_store(root).get("db") is not None
            shutil.rmtree(root)
    print(f"killed {total + at - 1} times")


if __name__ == "__main__":
    main()
