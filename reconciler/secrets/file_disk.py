"""Files and folders of the encrypted store: whole or not at all, and on the disk before anybody is told so."""

from __future__ import annotations

import fcntl
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from ..core.errors import BackendError, Denied

HEAD = "HEAD"
KEYS = "KEYS"
UNFINISHED = ".new-"
LONGEST_NAME = 255  # bytes of a folder's name, on every file system that is in use
LONGEST_FOLDERS = 2000  # bytes of the folders of one secret: Linux takes paths of 4,096
_VERSION = re.compile(r"v(\d{6,})\.enc")
_METADATA = re.compile(r"m(\d{6,})\.enc")
_PLAIN = "-_.+=@,:~ "  # beside letters and digits: what every file system takes


def version_file(number: int) -> str:
    return f"v{number:06d}.enc"


def version_number(name: str) -> int:
    """The version whose file this is; 0 for another file."""
    found = _VERSION.fullmatch(name)
    return int(found[1]) if found else 0


def metadata_file(number: int) -> str:
    return f"m{number:06d}.enc"


def metadata_number(name: str) -> int:
    """Which metadata this file holds, the first or a later one; 0 for another file."""
    found = _METADATA.fullmatch(name)
    return int(found[1]) if found else 0


def folder_name(segment: str) -> str:
    """A segment of a path as the name of a folder, which is never that of one of our files."""
    name = quote(segment, safe=_PLAIN)
    ours = name.startswith(".") or name.upper() in (HEAD, KEYS) or _VERSION.fullmatch(name.lower()) or _METADATA.fullmatch(name.lower())
    return f"%{ord(name[0]):02X}{name[1:]}" if ours else name


def secret_path(root: Path, folder: Path) -> str:
    """The path of the secret whose folder this is."""
    return "/".join(unquote(part) for part in folder.relative_to(root).parts)


def secret_folder(root: Path, path: str) -> Path:
    return root.joinpath(*map(folder_name, path.split("/")))


def fits(path: str) -> bool:
    """Whether a file system can have the folder of a secret. Letters that are not ASCII take up to twelve bytes."""
    names = [folder_name(segment) for segment in path.split("/")]
    return max(map(len, names)) <= LONGEST_NAME and sum(map(len, names)) <= LONGEST_FOLDERS


@contextmanager
def in_words(path: str, capability: str) -> Iterator[None]:
    """Turn what the file system says into errors of ours."""
    try:
        yield
    except PermissionError as error:
        raise Denied(f"{error.filename}: no permission to {capability} it", path=path, capability=capability) from None
    except OSError as error:
        raise BackendError(f"{error.filename or path}: {error.strerror or type(error).__name__}", path=path) from None


@contextmanager
def locked(folder: Path, *, alone: bool) -> Iterator[None]:
    """Keep other threads and processes out, or with `alone=False` only those that write. A process that dies lets go."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextmanager
def only_one(file: Path) -> Iterator[None]:
    """Let one process do something that takes long. Raises BackendError for the others."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BackendError(f"{file.parent}: another process is at it (wait for it to end)") from None
    finally:
        os.close(handle)


def make_folders(root: Path, folder: Path) -> None:
    """Make a folder and those above it, up to the root's own."""
    if folder.is_dir():
        return
    if folder != root:
        make_folders(root, folder.parent)
    folder.mkdir(mode=0o700, parents=folder == root, exist_ok=True)


def sync_above(root: Path, folder: Path) -> None:
    """Have a folder and those above it named durably, whoever made them: that one may have been killed before it could."""
    while folder != root:
        folder = folder.parent
        sync(folder)


def sync(folder: Path) -> None:
    """Without this, a power failure may take back what was named in the folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def unfinished(folder: Path, name: str, content: bytes) -> Path:
    """Write and sync a file beside its place."""
    new = folder / f"{UNFINISHED}{name}-{uuid.uuid4().hex}"
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        new.unlink(missing_ok=True)  # a full disk must not be filled further by what could not be finished
        raise
    return new


def replace(folder: Path, name: str, content: bytes) -> None:
    """Put a file in the place of another, durably."""
    new = unfinished(folder, name, content)
    new.replace(folder / name)
    sync(folder)


def is_unfinished(file: str, name: str) -> bool:
    """Whether a file is `name` on its way to its place."""
    return file.startswith(f"{UNFINISHED}{name}-")


def read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
