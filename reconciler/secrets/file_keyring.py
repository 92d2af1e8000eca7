"""The keyring of the encrypted store: the master keys, wrapped once for each slot, in one file under a MAC."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ..core.errors import BackendError, Unavailable
from .file_disk import KEYS, UNFINISHED, locked, make_folders, only_one, read, replace, sync, unfinished
from .file_seal import FORMAT, KEY_BYTES, Masters, altered, signed, strict_json, verified
from .file_slots import Closed, Slot
from .store import Tampered

_GENERATION_BYTES = 4
_IGNORE = ".gitignore"
_ROTATING = ".rotating"


class Locked(BackendError):
    """None of the declared slots opens the store."""


class _Seen(NamedTuple):
    """Which keyring file was opened: replaced ones have another inode."""

    inode: int
    moment: int
    size: int


class Keyring:
    """Opens the store with whichever declared slot works first. Safe to use from many threads."""

    def __init__(self, root: Path, slots: Sequence[Slot]) -> None:
        self.root = root
        self.slots = tuple(slots)
        self._lock = threading.Lock()
        self._opened: tuple[_Seen, Masters] | None = None

    def masters(self, *, make: bool = False) -> Masters | None:
        """The master keys as the file has them now. None: there is no store yet. Raises Locked, Tampered."""
        with self._lock:
            seen = self._seen()
            if seen is None and make:
                self._make()
                seen = self._seen()
            if seen is None:
                self._opened = None
                self._refuse_secrets()
                return None
            if self._opened is None or self._opened[0] != seen:
                self._opened = seen, self._open()
            return self._opened[1]

    def slot_names(self) -> tuple[str, ...]:
        """The slots that the file has, whether declared or not."""
        raw = read(self.root / KEYS)
        return tuple(sorted(self._slots(raw)[1])) if raw else ()

    def sync_slots(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Give the file the declared slots, no more and no less; what the store holds stays as it is. Returns added, removed.

        Raises BackendError for a slot that the file has and that does not open with what is declared.
        """
        self.masters(make=True)
        with locked(self.root, alone=True):
            masters, (_, there) = opened(self.masters()), self._slots(read(self.root / KEYS) or b"")
            before = set(there)
            self._write(masters, {slot.name: kept for slot in self.slots if (kept := self._stays(slot, there, masters.store))})
        declared = {slot.name for slot in self.slots}
        return tuple(sorted(declared - before)), tuple(sorted(before - declared))

    @contextmanager
    def rotating(self) -> Iterator[None]:
        """Seal with a new master key from now on, and destroy the old one at the end. One that was killed goes on.

        Raises BackendError where another process is at it, or where a slot would lose the new key.
        """
        opened(self.masters())
        with only_one(self.root / _ROTATING):
            with locked(self.root, alone=True):  # no write is under way that could still use the old key
                masters = opened(self.masters())
                missing = set(self.slot_names()) - {slot.name for slot in self.slots}
                if missing:
                    what = f"slots that are not declared would lose the new master key: {', '.join(sorted(missing))}"
                    raise BackendError(f"{what} (declare them, or remove them first: reconcile secret keyring sync)")
                self._prove_slots(masters.store)
                if len(masters.keys) == 1:
                    newest = masters.newest + 1
                    self._write(Masters(masters.store, newest, {**masters.keys, newest: os.urandom(KEY_BYTES)}))
            yield
            with locked(self.root, alone=True):
                masters = opened(self.masters())
                self._write(Masters(masters.store, masters.newest, {masters.newest: masters.keys[masters.newest]}))

    @property
    def _where(self) -> str:
        return str(self.root / KEYS)

    def _seen(self) -> _Seen | None:
        try:
            found = (self.root / KEYS).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return _Seen(found.st_ino, found.st_mtime_ns, found.st_size)

    def _refuse_secrets(self) -> None:
        # Other names first: another process may make the keyring, and then its first secret, at this very moment.
        secrets = self.root.is_dir() and any(not one.name.startswith(".") for one in self.root.iterdir())
        if secrets and self._seen() is None:
            raise Tampered("gone", self._where, "there are secrets, and the keyring that opens them is missing")

    def _make(self) -> None:
        if not self.slots:
            raise BackendError("the encrypted store needs at least one key slot (write `slots: [{passphrase: {from: env:NAME}}]`)")
        self._refuse_secrets()
        make_folders(self.root, self.root)
        sync(self.root.parent)
        # It may lie in a repository, where `git add --all` must not take it; not even that of a maker who was killed.
        (self.root / _IGNORE).write_text("*\n", encoding="utf-8")
        masters = Masters(os.urandom(16).hex(), 1, {1: os.urandom(KEY_BYTES)})
        new = unfinished(self.root, KEYS, self._content(masters))
        try:
            os.link(new, self.root / KEYS)
        except FileExistsError:
            return  # another process was first, and its keys count
        finally:
            new.unlink(missing_ok=True)
        sync(self.root)

    def _open(self) -> Masters:
        raw = read(self.root / KEYS) or b""
        store, there = self._slots(raw)
        reasons: list[str] = []
        passing = False
        for slot in self.slots:
            kept = there.get(slot.name)
            if kept is None or kept.get("type") != slot.sort:
                reasons.append(f"{slot.name}: the keyring has no such slot")
                continue
            try:
                keys = _split(slot.unwrap(kept, store))
            except (Closed, BackendError) as error:
                reasons.append(f"{slot.name}: {error}")
                passing |= isinstance(error, Unavailable)
                continue
            masters = Masters(store, max(keys), keys)
            self._check(masters, raw)
            return masters
        raise (Unavailable if passing else Locked)(f"{self.root} does not open: {'; '.join(reasons) or 'no slot is declared'}")

    def _slots(self, raw: bytes) -> tuple[str, dict[str, dict[str, Any]]]:
        """The store's id and its slots, which nobody has authenticated yet. Raises Tampered."""
        body = strict_json(raw, self._where)
        store, slots = body.get("store"), body.get("slots")
        if not isinstance(store, str) or not isinstance(slots, dict) or not all(isinstance(kept, dict) for kept in slots.values()):
            raise altered(self._where)
        return store, slots

    def _check(self, masters: Masters, raw: bytes) -> None:
        body = verified(masters, raw, "keyring", self._where)
        if body["format"] != FORMAT or body["master"] != masters.newest:
            raise altered(self._where)

    def _prove_slots(self, store: str) -> None:
        """What seals a slot anew must be what opens it: a passphrase in a safe must not be replaced by a slip in the environment."""
        _, there = self._slots(read(self.root / KEYS) or b"")
        for slot in self.slots:
            if slot.name in there:
                _opens(slot, there[slot.name], store)

    def _stays(self, slot: Slot, there: Mapping[str, dict[str, Any]], store: str) -> dict[str, Any] | None:
        """What the file has of a slot, where that is as declared."""
        kept = there.get(slot.name)
        if kept is None or kept.get("type") != slot.sort:
            return None
        try:
            _opens(slot, kept, store)
        except Unavailable:
            return kept  # it cannot be asked now, and nothing of it changes
        return kept if slot.is_like(kept) else None

    def _write(self, masters: Masters, stay: Mapping[str, dict[str, Any]] = MappingProxyType({})) -> None:
        replace(self.root, KEYS, self._content(masters, stay))
        for left in self.root.glob(f"{UNFINISHED}{KEYS}-*"):  # of a process that was killed; it may hold a destroyed key
            left.unlink(missing_ok=True)

    def _content(self, masters: Masters, stay: Mapping[str, dict[str, Any]] = MappingProxyType({})) -> bytes:
        secret = _joined(masters.keys)
        wrapped = {slot.name: stay.get(slot.name) or _wrapped(slot, secret, masters.store) for slot in self.slots}
        return signed(masters, {"format": FORMAT, "store": masters.store, "slots": wrapped, "master": masters.newest}, "keyring")


def _wrapped(slot: Slot, secret: bytes, store: str) -> dict[str, Any]:
    kept = {"type": slot.sort, **slot.wrap(secret, store)}
    if slot.sort != "passphrase" and slot.unwrap(kept, store) != secret:  # where a right to close is not one to open
        raise BackendError(f"slot {slot.name} does not give back what it was given")
    return kept


def _opens(slot: Slot, kept: Mapping[str, Any], store: str) -> None:
    """Raise BackendError where a slot does not open."""
    try:
        slot.unwrap(kept, store)
    except Unavailable:
        raise
    except (Closed, BackendError) as error:
        remedy = "correct it; or take the slot from the declaration, `reconcile secret keyring sync`, and declare it anew"
        raise BackendError(f"slot {slot.name} does not open with what is declared: {error} ({remedy})") from None


def opened(masters: Masters | None) -> Masters:
    if masters is None:
        raise BackendError("there is no encrypted store yet (the first `secret put` makes it)")
    return masters


def _joined(keys: Mapping[int, bytes]) -> bytes:
    return b"".join(generation.to_bytes(_GENERATION_BYTES) + key for generation, key in sorted(keys.items()))


def _split(raw: bytes) -> dict[int, bytes]:
    size = _GENERATION_BYTES + KEY_BYTES
    if not raw or len(raw) % size:
        raise Closed("it holds something else than master keys")
    parts = [raw[at : at + size] for at in range(0, len(raw), size)]
    return {int.from_bytes(part[:_GENERATION_BYTES]): part[_GENERATION_BYTES:] for part in parts}
