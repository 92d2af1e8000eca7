"""The lines of an audit device: rotated files, compressed ones, torn ends."""

from __future__ import annotations

import glob
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..core.errors import Usage

LONGEST = 16 << 20  # bytes of a line; the body of a request is 32 MiB at most, and nearly all of it is hashed to a few
_GZIP = b"\x1f\x8b"
_RESPONSE = b'"response"'


@dataclass
class Read:
    """What came of the lines."""

    files: int = 0
    lines: int = 0
    broken: int = 0
    """Lines that are no JSON map: torn by a crash, or none of a device's."""


def device_files(patterns: Sequence[str]) -> list[Path]:
    """The files that are named, and those that a pattern fits: oldest first, by when they were last written. Raises Usage."""
    found: dict[Path, float] = {}
    for pattern in patterns:
        names = [pattern] if Path(pattern).is_file() else [name for name in glob.glob(pattern) if Path(name).is_file()]
        if not names:
            raise Usage(f"{pattern}: there is no such file (name the file of the audit device, or several by a pattern: 'audit.log*')")
        found |= {Path(name): Path(name).stat().st_mtime for name in names}
    return sorted(found, key=lambda path: (found[path], path))


def responses(files: Sequence[Path], read: Read) -> Iterator[Mapping[str, Any]]:
    """The responses in the files, one after the other. Raises Usage for a file that cannot be read."""
    for path in files:
        read.files += 1
        try:
            with _opened(path) as stream:
                yield from _responses(stream, read)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            read.broken += 1  # cut while it was compressed: what is before the cut was read
        except OSError as error:
            raise Usage(f"{path}: it cannot be read: {error.strerror or type(error).__name__}") from None


def _opened(path: Path) -> BinaryIO | gzip.GzipFile:
    with path.open("rb") as stream:
        is_compressed = stream.read(2) == _GZIP
    return gzip.open(path, "rb") if is_compressed else path.open("rb")


def _responses(stream: BinaryIO | gzip.GzipFile, read: Read) -> Iterator[Mapping[str, Any]]:
    while line := stream.readline(LONGEST):
        read.lines += 1
        if not line.endswith(b"\n") and len(line) == LONGEST:
            read.broken += 1
            _skip(stream)
        elif _RESPONSE in line or not line.endswith(b"\n"):  # a request's line need not be parsed to be passed over
            entry = _parsed(line)
            if entry is None:
                read.broken += 1
            elif entry.get("type") == "response":
                yield entry


def _skip(stream: BinaryIO | gzip.GzipFile) -> None:
    """To the end of a line that is too long."""
    while (rest := stream.readline(LONGEST)) and not rest.endswith(b"\n"):
        pass


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
