"""What to do with segments that a killed process left behind: set aside what is torn, and take the rest into the log.

A torn last line is what a crash leaves. It is kept in `quarantine` and recorded before the file is cut: nobody can make
lines vanish by tearing them. A segment that contradicts itself, or the checkpoint that its writer signed, is not taken
into the log: it is set aside as a whole, recorded, and reported for as long as it lies there.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import ReconcilerError
from .chain import Fault, look
from .event import Event
from .head import Unanswered
from .log import NOTE, Log, leaves_of, recovery, told_by
from .merkle import root_of
from .note import NoteError
from .reading import answered, whole_lines
from .segment import SUFFIX, Unloggable, sync_folder

log = logging.getLogger(__name__)

Record = Callable[[Event], None]


def take_over(book: Log, record: Record) -> None:
    """Commit every segment whose writer is gone. `record` keeps an event on the disk before it returns. Raises Unloggable."""
    for path in book.unfinished():
        with _alone(path) as free:
            if free:
                _take(book, path, record)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether its writer is gone; while this lasts nobody else takes it."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False  # another process has taken it already
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path.exists()
    except BlockingIOError:
        yield False
    finally:
        os.close(file)


def _take(book: Log, path: Path, record: Record) -> None:
    id, note = path.name.removesuffix(SUFFIX), note_of(path)
    lines, torn = whole_lines(path.read_bytes())
    if torn:
        _set_torn_aside(book, path, torn, record)
    if not lines:
        path.unlink()
        path.with_suffix(NOTE).unlink(missing_ok=True)
        return
    leaves = leaves_of(lines)
    looked = look(lines, leaves, id.rpartition("-")[2])
    fault = looked.fault or note_fault(book, path, note, leaves)
    if fault is not None:
        _set_aside(book, path, fault, record)
        return
    try:
        book.commit(id, leaves, told_by(looked.found))
    except (ReconcilerError, OSError) as error:
        # What was recorded is on this disk; the next run tries again.
        log.warning("audit: lines that an earlier run left could not be committed yet: %s", error)


def left_behind(book: Log) -> dict[str, Unanswered]:
    """Intents without an outcome: in the log, and in segments whose writers are gone."""
    found = book.head()[0].unanswered
    for path in book.unfinished():
        with _alone(path) as free:
            if free:
                lines, _ = whole_lines(path.read_bytes())
                looked = look(lines, leaves_of(lines), path.stem.rpartition("-")[2])
                found = answered(found, iter(looked.found)) if looked.fault is None else found  # what was tampered with tells nothing
    return dict(found)


def note_of(path: Path) -> str | None:
    """The checkpoint that the writer of an open segment has signed; None where there is none yet."""
    try:
        return path.with_suffix(NOTE).read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return None


def note_fault(book: Log, path: Path, note: str | None, leaves: Sequence[bytes]) -> Fault | None:
    """Hold an open segment against its writer's checkpoint, which was read before it."""
    if note is None:
        return None
    try:
        checkpoint, _ = book.opened(note, path.stem.rpartition("-")[2])
    except NoteError as error:
        return Fault(0, error.sort, f"its checkpoint is not ours: {error}")
    if checkpoint.size > len(leaves):
        return Fault(len(leaves), "truncated", f"lines were cut off: its checkpoint is over {checkpoint.size}, and {len(leaves)} are there")
    if root_of(leaves[: checkpoint.size]) != checkpoint.root:
        what = f"lines were edited and chained anew: they are not the {checkpoint.size} that its checkpoint is over"
        return Fault(0, "rechained", what)
    return None


def _set_torn_aside(book: Log, path: Path, torn: bytes, record: Record) -> None:
    there = _quarantine(book) / f"{path.stem}.torn"
    _kept(there, torn)
    record(recovery(path.stem, "torn", hashlib.sha256(torn).hexdigest(), phase=f"{len(torn)} bytes"))
    os.truncate(path, path.stat().st_size - len(torn))
    _sync(path)
    log.warning("audit: the last line of an earlier run was torn; it is set aside in %s", there)


def _set_aside(book: Log, path: Path, fault: Fault, record: Record) -> None:
    there = _quarantine(book)
    record(recovery(path.stem, fault.sort, hashlib.sha256(path.read_bytes()).hexdigest(), phase=f"line {fault.number + 1}"))
    note = path.with_suffix(NOTE)
    if note.exists():
        os.replace(note, there / note.name)
    os.replace(path, there / path.name)
    sync_folder(there)
    log.warning("audit: %s was tampered with: line %d: %s; it is set aside in %s", path.name, fault.number + 1, fault.what, there)


def _quarantine(book: Log) -> Path:
    folder = book.folder / "quarantine"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise Unloggable(f"{folder}: cannot be made: {error.strerror}") from None
    return folder


def _kept(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(path: Path) -> None:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
