"""Objects that Vault lists by name and hands out one by one: roles, keys, connections.

One LIST a mount and one GET for each wanted name, all in one batch. What may not be read becomes a gap, never an absence.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Generic

from pydantic import ValidationError

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Action, Change
from reconciler.core.errors import Denied, Missing
from reconciler.core.kind import Gap, Live, Names, Reading
from reconciler.core.resource import S, Spec
from reconciler.core.secret import Reveal, Secret

Body = Mapping[str, Any]
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def not_understood(name: str, path: str, wrong: ValidationError) -> Gap:
    """One object that our model cannot hold must not blank its kind. Values may be private, so only fields are named."""
    fields = ", ".join(sorted({".".join(map(str, error["loc"])) for error in wrong.errors()}))
    return Gap(name, path, "", f"the server's answer has values that are not understood in: {fields}")


def understood(
    bodies: Mapping[str, Body], path: Callable[[str], str], parse: Callable[[Body], Live[S]]
) -> tuple[dict[str, Live[S]], tuple[Gap, ...]]:
    """Parse bodies by name; those that our model cannot hold become gaps."""
    live: dict[str, Live[S]] = {}
    gaps = []
    for name, body in bodies.items():
        try:
            live[name] = parse(body)
        except ValidationError as wrong:
            gaps.append(not_understood(name, path(name), wrong))
    return live, tuple(gaps)


def body_of(spec: Spec, reveal: Reveal) -> dict[str, Any]:
    """A spec as the server takes it: every field, since an omitted one would keep its old value; None is left out."""
    body: dict[str, Any] = {}
    for name, value in spec.__dict__.items():
        if value is not None:
            body[name] = reveal(value) if isinstance(value, Secret) else value
    return body


def plain(spec: type[S]) -> Callable[[Body], Live[S]]:
    """The parser of a kind whose answers need no more than the model."""
    return lambda body: Live(spec.from_live(body))


def unchanged_secrets(change: Change[S]) -> Change[S]:
    """Leave out the secrets that an update does not change: the server keeps what it has, and may since have rotated it."""
    before, after = change.before, change.after
    if before is None or after is None or change.action is Action.REPLACE:
        return change
    same = [name for name, value in after.__dict__.items() if isinstance(value, Secret) and getattr(before, name) == value]
    return replace(change, after=after.model_copy(update=dict.fromkeys(same))) if same else change


def longest_mount(name: str, *mounts: Iterable[str]) -> str:
    """The longest mount path that a name starts with, empty where none is known. Mounts and names may both hold slashes."""
    return max((mount for mount in chain(*mounts) if name.startswith(f"{mount}/")), key=len, default="")


@dataclass(frozen=True, slots=True)
class Folder(Generic[S]):
    """Where the objects of a kind lie, and how one is parsed and written.

    `path` holds `{mount}` where names are MOUNT/LEAF (`auth/{mount}/role`); without it a namespace has one such folder.
    """

    path: str
    parse: Callable[[Body], Live[S]]
    types: frozenset[str] = frozenset()
    """The types of mounts to look in, where everything is wanted."""
    body: Callable[[S, Reveal], dict[str, Any]] = body_of
    keep: Callable[[str], bool] = bool
    """Which listed keys are objects of this kind."""
    caseless: bool = False
    """Names that differ in case alone are one object, listed as it was last written."""
    whole: bool = False
    """The list itself shows each object in full (`key_info`): nothing is read one by one where it does."""

    @property
    def mounted(self) -> bool:
        return "{mount}" in self.path

    def split(self, name: str) -> tuple[str, str]:
        """(mount, leaf) of a name; the mount is empty where the kind has none."""
        if not self.mounted:
            return "", name
        mount, _, leaf = name.rpartition("/")
        return mount, leaf

    def at(self, name: str) -> str:
        """The API path of one object."""
        mount, leaf = self.split(name)
        return f"{self.path.replace('{mount}', mount)}/{leaf}"

    def read(self, client: VaultClient, names: Names) -> Reading[S]:
        """Read the wanted names, or all that can be listed. Names that exist but were not asked for are only seen."""
        return _read(self, client, names)

    def write(self, client: VaultClient, change: Change[S], reveal: Reveal) -> None:
        """Write the whole object, or delete it, or both where the server cannot change it in place."""
        path = self.at(change.address.name)
        if change.after is None or change.action is Action.REPLACE:
            client.delete(path)
        if change.after is not None:
            client.write(path, self.body(change.after, reveal))


def _read(folder: Folder[S], client: VaultClient, names: Names) -> Reading[S]:
    wanted: dict[str, set[str]] = defaultdict(set)
    for name in names.wanted:
        wanted[folder.split(name)[0]].add(name)
    gaps: list[Gap] = []
    if names.everything:
        try:
            for mount in _mounts(folder, client):
                wanted[mount] |= set()
        except Denied as denied:
            gaps.append(Gap("", denied.path, denied.capability))
    batch = _Batch(folder, {}, {}, {}, set())
    for mount in sorted(wanted):
        gaps += batch.list_mount(client, mount, wanted[mount], everything=names.everything)
    live, denied_names = _fetch(client, batch, gaps)
    denied_names |= {batch.unlisted[path] for path in _unreadable(client, list(batch.unlisted))}
    gaps += _gaps(folder, wanted, denied_names)
    return Reading(live, tuple(gaps), frozenset(batch.seen))


@dataclass(frozen=True, slots=True)
class _Batch(Generic[S]):
    """What the LISTs leave to do: `asked` is to be read, `unlisted` proved absent, both by path; `shown` is read already."""

    folder: Folder[S]
    asked: dict[str, str]
    unlisted: dict[str, str]
    shown: dict[str, Body]
    seen: set[str]

    def list_mount(self, client: VaultClient, mount: str, wanted: set[str], *, everything: bool) -> Iterator[Gap]:
        path = self.folder.path.replace("{mount}", mount)
        prefix = f"{mount}/" if self.folder.mounted else ""
        try:
            listing = client.list(path)
        except Denied as denied:
            # Without the list each wanted name is asked for by itself: a 404 is proof of absence too.
            self.asked.update((self.folder.at(name), name) for name in wanted)
            if everything:
                yield Gap(prefix, denied.path or path, denied.capability)
            return
        keys = listing.keys if listing is not None else ()
        listed = {f"{prefix}{key}" for key in keys if not key.endswith("/") and self.folder.keep(key)}
        if self.folder.caseless:
            spelled = {name.lower(): name for name in wanted}
            listed = {spelled.get(name.lower(), name) for name in listed}
        # A name that no URL can hold is refused by the server, which must not blank the others.
        unsaid = {name for name in listed if _CONTROL.search(name)}
        yield from (Gap(name, path, "", "its name holds control characters") for name in sorted(unsaid))
        read = (listed if everything else listed & wanted) - unsaid
        shown = listing.key_info if listing is not None and self.folder.whole else {}
        for name in read:
            body = shown.get(name.removeprefix(prefix))
            if body:
                self.shown[name] = body
            else:
                self.asked[self.folder.at(name)] = name
        self.unlisted.update((self.folder.at(name), name) for name in wanted - listed)
        self.seen.update(listed - read)


def _mounts(folder: Folder[S], client: VaultClient) -> Iterable[str]:
    """The mounts of the folder's types. Raises Denied where the mounts may not be listed."""
    if not folder.mounted:
        return ("",)
    auth = folder.path.startswith("auth/")
    mounts = client.auth_mounts() if auth else client.mounts()
    if mounts is None:
        path = "sys/auth" if auth else "sys/mounts"
        raise Denied("the mounts may not be listed", path=path, capability="read")
    return [mount for mount, body in mounts.items() if body.get("type") in folder.types]


def _fetch(client: VaultClient, batch: _Batch[S], gaps: list[Gap]) -> tuple[dict[str, Live[S]], set[str]]:
    """Read what is left to read. Returns the live objects and the names that may not be read."""
    live: dict[str, Live[S]] = {}
    denied: set[str] = set()
    bodies = ((batch.asked[path], body) for path, body in client.read_many(list(batch.asked)))
    for name, body in chain(batch.shown.items(), bodies):
        if isinstance(body, Denied):
            denied.add(name)
        elif body is not None:
            try:
                live[name] = batch.folder.parse(body)
            except ValidationError as wrong:
                gaps.append(not_understood(name, batch.folder.at(name), wrong))
    return live, denied


def _unreadable(client: VaultClient, paths: list[str]) -> frozenset[str]:
    """Those paths of which a missing listing proves nothing, since the login could not have read them."""
    try:
        return client.unreadable(paths)
    except Missing:
        return frozenset()  # there is no such namespace: it is known to be empty


def _gaps(folder: Folder[S], wanted: Mapping[str, set[str]], denied: set[str]) -> Iterator[Gap]:
    """One gap a denied name, or one for the mount where all of several are denied."""
    by_mount: dict[str, set[str]] = defaultdict(set)
    for name in denied:
        by_mount[folder.split(name)[0]].add(name)
    for mount, names in sorted(by_mount.items()):
        if len(names) > 1 and names >= wanted[mount]:
            yield Gap(f"{mount}/" if folder.mounted else "", f"{folder.path.replace('{mount}', mount)}/*", "read")
        else:
            yield from (Gap(name, folder.at(name), "read") for name in sorted(names))
