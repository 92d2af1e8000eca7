"""One store of a migration, with what a migration needs beyond the protocol of stores: everything that is kept, and its limits."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..secrets.aws_store import HISTORY, LIVE, STAGED, Aws, AwsStore
from ..secrets.store import SecretStore, checked_path

if TYPE_CHECKING:  # two of them bring what most commands do not need
    from ..secrets.file_store import FileStore
    from ..secrets.kv_store import KvStore

DEFAULT_KEPT = 10  # versions that KV v2 keeps where neither the mount nor the secret says
LABELS = 14  # AWS takes 20 a secret: the rest is for AWS's own three, for puts and for rotations
_PENDING = "AWSPENDING"
_LABEL = re.compile(rf"{HISTORY}(\d{{6}})")
_SERVICE = "secretsmanager"
_TEXT = "it holds numbers, lists or maps, which arrive as their JSON text"
_TAG_KEY = re.compile(r"[\w\s.:/=+\-@]{1,128}")
_TAG_VALUE = re.compile(r"[\w\s.:/=+\-@]{0,256}")
_TAGS = 50
_KV_KEYS, _KV_KEY, _KV_VALUE = 64, 128, 512  # of custom metadata


class Slot(NamedTuple):
    """A version that has a value, or had one."""

    id: str
    readable: bool
    destroyed: bool = False


class Seen(NamedTuple):
    """What a store has of a path: its versions, oldest first, and the one that readers get (empty: there is none)."""

    slots: tuple[Slot, ...] = ()
    live: str = ""
    recoverable: bool = False
    """Deleted as a whole; until it is restored, nothing of it can be read."""

    @property
    def readable(self) -> tuple[Slot, ...]:
        return tuple(slot for slot in self.slots if slot.readable)


class Side(Protocol):
    """What each store can do for a migration."""

    @property
    def store(self) -> SecretStore: ...

    def paths(self) -> Iterator[str]:
        """Every path that anything is kept for, of deleted secrets too."""
        ...

    def look(self, path: str) -> Seen: ...

    def keeps(self, path: str) -> int:
        """How many versions of a secret stay readable; 0: all."""
        ...

    def append(self, path: str, value: Mapping[str, str], seen: Seen) -> str:
        """Put the version that follows what was seen. Raises Conflict."""
        ...

    def hold(self, path: str, version: str) -> None:
        """Have a version stay readable when another follows it."""
        ...

    def stays(self, path: str) -> str:
        """Why a secret cannot leave this store now; empty: it can."""
        ...

    def odd(self, path: str, version: str) -> str:
        """How a version's content is not the map of strings as which it moves; empty: it is one."""
        ...

    def misfit(self, metadata: Mapping[str, str]) -> str:
        """Why this store cannot hold such metadata; empty: it can."""
        ...


class FileSide(NamedTuple):
    """The encrypted files."""

    store: FileStore

    def paths(self) -> Iterator[str]:
        return self.store.paths()

    def look(self, path: str) -> Seen:
        known = self.store.versions(path)
        # A delete is a version of its own there, with a time and without a value; a destroyed one has neither.
        slots = tuple(Slot(one.id, one.readable, not one.readable) for one in reversed(known) if one.readable or not one.made)
        return Seen(slots, known[0].id if known and known[0].readable else "")

    def keeps(self, path: str) -> int:
        return 0

    def append(self, path: str, value: Mapping[str, str], seen: Seen) -> str:
        return self.store.put(path, value, seen.live)

    def hold(self, path: str, version: str) -> None: ...

    def stays(self, path: str) -> str:
        return ""

    def odd(self, path: str, version: str) -> str:
        return ""

    def misfit(self, metadata: Mapping[str, str]) -> str:
        return ""


class Reader(Protocol):
    """What is needed of a Vault client."""

    def read(self, path: str, *, version: str = "") -> Mapping[str, Any] | None: ...
    def list(self, path: str) -> Any: ...


class KvSide(NamedTuple):
    """A KV v2 mount."""

    store: KvStore
    client: Callable[[], Reader]
    mount: str

    def paths(self) -> Iterator[str]:
        return self._below("")

    def _below(self, folder: str) -> Iterator[str]:
        listing = self.client().list(f"{self.mount}/metadata/{folder}")
        for key in listing.keys if listing else ():
            if key.endswith("/"):
                yield from self._below(folder + key)
            else:
                yield folder + key

    def look(self, path: str) -> Seen:
        known = self._about(path).get("versions") or {}
        slots = tuple(_kv_slot(number, known[number]) for number in sorted(known, key=int))
        return Seen(slots, slots[-1].id if slots and slots[-1].readable else "")

    def _about(self, path: str) -> Mapping[str, Any]:
        return self.client().read(f"{self.mount}/metadata/{checked_path(path)}") or {}

    def keeps(self, path: str) -> int:
        own = int(self._about(path).get("max_versions") or 0)
        return own or int((self.client().read(f"{self.mount}/config") or {}).get("max_versions") or 0) or DEFAULT_KEPT

    def append(self, path: str, value: Mapping[str, str], seen: Seen) -> str:
        return self.store.put(path, value, seen.live)

    def hold(self, path: str, version: str) -> None: ...

    def stays(self, path: str) -> str:
        return ""

    def odd(self, path: str, version: str) -> str:
        found = (self.client().read(f"{self.mount}/data/{checked_path(path)}", version=version) or {}).get("data") or {}
        return "" if all(isinstance(text, str) for text in found.values()) else _TEXT

    def misfit(self, metadata: Mapping[str, str]) -> str:
        if len(metadata) > _KV_KEYS:
            return f"{len(metadata)} keys of metadata, and KV v2 takes {_KV_KEYS}"
        long = [key for key, text in metadata.items() if len(key.encode()) > _KV_KEY or len(text.encode()) > _KV_VALUE]
        return f"metadata {long[0][:40]!r} is longer than the {_KV_KEY} and {_KV_VALUE} bytes that KV v2 takes" if long else ""


def _kv_slot(number: str, about: Mapping[str, Any]) -> Slot:
    destroyed, deletion = bool(about.get("destroyed")), str(about.get("deletion_time") or "")
    # A time in the future is an expiry that was set.
    gone = bool(deletion) and deletion[:19] <= datetime.datetime.now(datetime.UTC).isoformat()[:19]
    return Slot(number, not destroyed and not gone, destroyed)


class AwsSide(NamedTuple):
    """AWS Secrets Manager. A version without a label cannot be read for long, so each that is moved there is given one."""

    store: AwsStore
    client: Aws
    prefix: str

    def paths(self) -> Iterator[str]:
        filters = {"Filters": [{"Key": "name", "Values": [self.prefix]}]} if self.prefix else {}
        found = self.client.pages(_SERVICE, "list_secrets", "SecretList", IncludePlannedDeletion=True, **filters)
        for one in found:
            if str(one["Name"]).startswith(self.prefix):  # AWS's filter takes no notice of case
                yield str(one["Name"]).removeprefix(self.prefix)

    def look(self, path: str) -> Seen:
        # A version that only waits to be promoted was never anybody's: it is no history.
        known = [one for one in self.store.versions(path) if set(one.labels) - {STAGED, _PENDING}]
        if not known and self.store.labelled(path):
            return Seen(recoverable=True)
        known.sort(key=lambda one: (LIVE in one.labels, one.made, _number(one.labels), "AWSPREVIOUS" in one.labels))
        live = next((one.id for one in known if LIVE in one.labels), "")
        return Seen(tuple(Slot(one.id, True) for one in known), live)

    def keeps(self, path: str) -> int:
        return LABELS

    def append(self, path: str, value: Mapping[str, str], seen: Seen) -> str:
        if seen.live:
            self.hold(path, seen.live)
        made = self.store.put(path, value, seen.live)
        self.hold(path, made)
        return made

    def hold(self, path: str, version: str) -> None:
        labels = self.store.labelled(path)
        ours = sorted(label for label in labels if _LABEL.fullmatch(label))
        if any(labels[label] == version for label in ours):
            return
        for label in ours[: max(len(ours) - LABELS + 1, 0)]:
            self._label(path, VersionStage=label, RemoveFromVersionId=labels[label])
        self._label(path, VersionStage=f"{HISTORY}{(_number(ours[-1:]) if ours else 0) + 1:06}", MoveToVersionId=version)

    def _label(self, path: str, **move: str) -> None:
        self.client.change(_SERVICE, "update_secret_version_stage", SecretId=self.prefix + checked_path(path), **move)

    def stays(self, path: str) -> str:
        if self.store.rotates(path):
            return "AWS itself rotates it (switch that off, or it goes on in AWS alone)"
        labels = self.store.labelled(path)
        if _PENDING in labels and labels[_PENDING] != labels.get(LIVE):
            return "a rotation of AWS's own is under way (let it end, or take the label AWSPENDING away)"
        return ""

    def odd(self, path: str, version: str) -> str:
        answer = self.client.call(_SERVICE, "get_secret_value", SecretId=self.prefix + checked_path(path), VersionId=version)
        try:
            found = json.loads(answer["SecretString"])
        except (KeyError, ValueError):
            return ""  # plain text is the key `value`; what is binary, nobody can read here
        return _TEXT if isinstance(found, dict) and not all(isinstance(text, str) for text in found.values()) else ""

    def misfit(self, metadata: Mapping[str, str]) -> str:
        if len(metadata) > _TAGS:
            return f"{len(metadata)} keys of metadata, and AWS takes {_TAGS} tags"
        odd = [key for key, text in metadata.items() if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(text)]
        if odd:
            return f"metadata {odd[0][:40]!r} is no tag: letters, digits, blanks and _.:/=+-@, 128 and 256 characters at most"
        return ""


def _number(labels: tuple[str, ...] | list[str]) -> int:
    found = [int(match[1]) for label in labels if (match := _LABEL.fullmatch(label))]
    return found[0] if found else 1_000_000  # what has no number yet is newer than what has
