"""What a mutation is told to before and after it: an intent, then its outcome. Here: JSON lines in a file.

Only known keys are written, so that no value can come along. If an intent cannot be kept, nothing may be mutated.
"""

from __future__ import annotations

import datetime
import json
import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ..core.errors import ReconcilerError

KEYS = frozenset(
    ("actor", "action", "resource", "store", "ver_from", "ver_to", "rid", "phase", "fence", "commit", "outcome", "code", "fp")
)  # fmt: skip


class Recorder(Protocol):
    """Keeps intents and outcomes. Raises ReconcilerError where it cannot: then nothing is done."""

    def intent(self, action: str, resource: str, **fields: str) -> str:
        """Keep what is about to be done; return its id."""
        ...

    def outcome(self, id: str, outcome: str, **fields: str) -> None:
        """Keep what became of an intent: applied, failed, unknown."""
        ...

    def dangling(self, resource: str) -> tuple[str, ...]:
        """Intents about a resource that had no outcome when this process began: whoever had them was killed, or is slow."""
        ...


class Journal:
    """One file, appended to by any number of processes of one machine. Safe to use from many threads."""

    def __init__(self, path: Path, actor: str, commit: str) -> None:
        self._path = path
        self._actor = actor
        self._commit = commit
        self._lock = threading.Lock()
        self._left: dict[str, str] | None = None  # intents without outcome, and their resource

    def intent(self, action: str, resource: str, **fields: str) -> str:
        made = secrets.token_hex(8)
        self._append(
            {"type": "intent", "id": made, "actor": self._actor, "commit": self._commit}, action=action, resource=resource, **fields
        )
        return made

    def outcome(self, id: str, outcome: str, **fields: str) -> None:
        with self._lock:
            if self._left:
                self._left.pop(id, None)
        self._append({"type": "outcome", "cause_id": id}, outcome=outcome, **fields)

    def dangling(self, resource: str) -> tuple[str, ...]:
        with self._lock:
            if self._left is None:
                self._left = self._open_intents()
            return tuple(id for id, about in self._left.items() if about == resource)

    def _open_intents(self) -> dict[str, str]:
        found: dict[str, str] = {}
        try:
            with self._path.open(encoding="utf-8") as lines:
                for line in lines:
                    _note(line, found)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ReconcilerError(f"{self._path}: cannot be read: {error.strerror}") from None
        return found

    def _append(self, head: Mapping[str, str], **fields: str) -> None:
        unknown = sorted(fields.keys() - KEYS)
        if unknown:
            raise AssertionError(f"not to be logged: {', '.join(unknown)}")
        moment = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"v": 1, "ts": moment, **head, **fields}, separators=(",", ":"), ensure_ascii=False) + "\n"
        try:
            with self._lock:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                # One write to a file that is opened for appending: lines of two processes never mix.
                file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
                try:
                    size = os.fstat(file).st_size
                    torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
                    os.write(file, f"{chr(10) * torn}{line}".encode())
                    os.fsync(file)
                finally:
                    os.close(file)
        except OSError as error:
            raise ReconcilerError(f"{self._path}: the audit log cannot be written, so nothing is changed: {error.strerror}") from None


def _note(line: str, found: dict[str, str]) -> None:
    try:
        event = json.loads(line)
    except ValueError:
        return  # torn by a kill or a full disk: the line after it is whole again
    if event.get("type") == "intent":
        found[event["id"]] = event["resource"]
    elif event.get("type") == "outcome":
        found.pop(event.get("cause_id"), None)
