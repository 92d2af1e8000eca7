"""`VaultClient`: what the rest of the program says to Vault or OpenBao, in plain calls."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote, urlencode

from ...core.errors import Denied
from .faults import is_unmounted, not_json, refusal, server_words
from .health import HEALTH, ServerHealth, server_health
from .parallel import in_parallel
from .pool import Gate, Request, always_open
from .transport import Transport
from .validity import Refused, Tokens, looks_invalid, nobody_cares
from .wire import Answer

MIN_WIDTH = 16  # threads for reads in bulk; more gain nothing on loopback, where the interpreter is the limit
MAX_WIDTH = 128
_NEAR_SECONDS = 0.002  # a round trip longer than this leaves threads waiting on the network, so there may be more of them
_CAPABILITY_BATCH = 500  # paths a request: below the server's limits on request size, with long names
_PLAIN = re.compile(r"[A-Za-z0-9._~/@:,=+-]*")  # nothing to quote


class Unsupported(Enum):
    UNSUPPORTED = "unsupported"


UNSUPPORTED: Final = Unsupported.UNSUPPORTED
"""The server does not know this operation (SCAN on Vault, or on an engine without it)."""


class Listing(NamedTuple):
    keys: tuple[str, ...]
    key_info: Mapping[str, Any]


class _Once:
    """What a run reads once: mounts by kind and namespace, the server's version, the threads. Shared by siblings."""

    def __init__(self, refused: Refused = nobody_cares) -> None:
        self.lock = threading.RLock()
        self.mounts: dict[tuple[str, str], Mapping[str, Mapping[str, Any]] | None] = {}
        self.about: tuple[str, str] | None = None
        self.executor: ThreadPoolExecutor | None = None
        self.width = MIN_WIDTH
        self.tokens = Tokens(refused)


@dataclass(frozen=True, slots=True)
class VaultClient:
    """One namespace of one instance, seen with one login. Siblings (`at`, `gated`) share everything else.

    `token` is asked at every request, so that a login can renew itself. Raises only errors of core.errors.
    """

    transport: Transport
    token: Callable[[], str]
    namespace: str = ""  # relative to the instance's own
    gate: Gate = always_open
    _once: _Once = field(default_factory=_Once, repr=False, compare=False)

    def at(self, namespace: str) -> VaultClient:
        """Return the client of another namespace, relative to the instance's own."""
        return replace(self, namespace=namespace.strip("/"))

    def gated(self, gate: Gate) -> VaultClient:
        """Return a client whose every mutating request passes `gate` first."""
        return replace(self, gate=gate)

    @property
    def own_namespace(self) -> str:
        """The instance's own namespace, from the server's root."""
        return self.transport.pool.connection.namespace

    @property
    def requests(self) -> int:
        return self.transport.requests

    def read(self, path: str, *, mounted: bool = False, **query: str) -> dict[str, Any] | None:
        """GET. Returns the answer's `data` where that is a map, else the whole body; None where there is nothing.

        `mounted`: the namespace and the mount must be there, else Missing is raised.
        """
        target = f"{_quoted(path)}?{urlencode(query)}" if query else _quoted(path)
        answer = self._send("GET", path, target)
        if answer.status == 404 and not (mounted and is_unmounted(server_words(answer.body))):
            return None
        return self._content(path, answer, "read")

    def list(self, path: str) -> Listing | None:
        """LIST. None where there is nothing, no such mount or no such namespace."""
        path = path.rstrip("/")
        answer = self._send("GET", path, f"{_quoted(path)}?list=true")  # proxies know GET better than LIST
        return None if answer.status == 404 else _listing(self._content(path, answer, "list"))

    def scan(self, path: str) -> Listing | Literal[Unsupported.UNSUPPORTED] | None:
        """SCAN, OpenBao's recursive LIST: keys are whole paths below `path`."""
        path = path.rstrip("/") + "/"
        # By method, not by ?scan=true: Vault would take that for a plain read.
        answer = self._send("SCAN", path, _quoted(path))
        if answer.status == 405 or "unsupported operation" in server_words(answer.body):
            return UNSUPPORTED
        # Where LIST finds nothing it is a 404, SCAN an empty list.
        found = _listing({} if answer.status == 404 else self._content(path, answer, "scan"))
        return found if found.keys else None

    def read_many(self, paths: Sequence[str]) -> Iterator[tuple[str, dict[str, Any] | Denied | None]]:
        """Read all paths in parallel, in no order. A Denied is yielded in its place, any other error raised."""

        def one(path: str) -> tuple[str, dict[str, Any] | Denied | None]:
            try:
                return path, self.read(path)
            except Denied as denied:
                return path, denied

        rest = list(paths)
        if rest and not self.transport.pool.round_trip:
            yield one(rest.pop())  # alone, so that its round trip tells how many threads pay off
        if rest:
            executor, width = self._threads()
            yield from in_parallel(executor, width, one, rest)

    def write(self, path: str, body: Mapping[str, Any], *, method: str = "POST", once: bool = False) -> dict[str, Any]:
        """Write a whole spec; returns what `read` would of the answer, {} for none.

        `once`: not sent again when its answer is lost; a body with `cas` never is. Raises Missing, Conflict, Denied.
        """
        sent = json.dumps(body, separators=(",", ":")).encode()
        once = once or "cas" in body or "metadata_cas" in body or "cas" in (body.get("options") or {})
        request = self._request(method, path, _quoted(path), body=sent, mutating=True, once=once)
        answer = self.transport.send(request, self.gate)
        return self._content(path, answer, "update", sent=body, method=method)

    def delete(self, path: str) -> None:
        """DELETE; where there is nothing, that is fine."""
        answer = self.transport.send(self._request("DELETE", path, _quoted(path), mutating=True), self.gate)
        if answer.status != 404:
            self._content(path, answer, "delete", method="DELETE")

    def ask(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST that changes nothing (a lookup): not gated, sent again like a read."""
        sent = json.dumps(body, separators=(",", ":")).encode()
        answer = self.transport.send(self._request("POST", path, _quoted(path), body=sent))
        return self._content(path, answer, "update", sent=body, method="POST")

    def unreadable(self, paths: Sequence[str], capability: str = "read") -> frozenset[str]:
        """Return those paths on which the login lacks `capability`; none if it may not even ask."""
        lacking: set[str] = set()
        for start in range(0, len(paths), _CAPABILITY_BATCH):
            batch = list(paths[start : start + _CAPABILITY_BATCH])
            try:
                granted = self.ask("sys/capabilities-self", {"paths": batch})
            except Denied:
                return frozenset()
            lacking.update(path for path in batch if not {capability, "root", "sudo"} & set(granted.get(path) or ()))
        return frozenset(lacking)

    def mounts(self) -> Mapping[str, Mapping[str, Any]] | None:
        """Return secrets engines by path without trailing slash, read once a run; None if that is denied."""
        return self._mounted("sys/mounts")

    def auth_mounts(self) -> Mapping[str, Mapping[str, Any]] | None:
        """Return auth methods by path without trailing slash, read once a run; None if that is denied."""
        return self._mounted("sys/auth")

    def forget_mounts(self) -> None:
        """Read mounts and auth methods anew next time: one was written."""
        with self._once.lock:
            self._once.mounts.clear()

    def _mounted(self, path: str) -> Mapping[str, Mapping[str, Any]] | None:
        key = (path, self.namespace)
        with self._once.lock:  # held while reading: kinds that start together must not ask for the same
            if key not in self._once.mounts:
                try:
                    found = self.read(path) or {}  # a namespace that is absent is known to be empty
                except Denied:
                    self._once.mounts[key] = None
                else:
                    self._once.mounts[key] = {name.rstrip("/"): mount for name, mount in found.items() if isinstance(mount, dict)}
            return self._once.mounts[key]

    @property
    def dialect(self) -> str:
        """`openbao` or `vault`."""
        return self._about()[0]

    @property
    def version(self) -> str:
        return self._about()[1]

    def _about(self) -> tuple[str, str]:
        with self._once.lock:
            if self._once.about is None:
                seen = self.health()
                self._once.about = (seen.dialect, seen.version)
            return self._once.about

    def health(self) -> ServerHealth:
        """Ask the server how it is. Raises Unavailable, BackendError."""
        answer = self.transport.send(Request("GET", "sys/health", HEALTH))  # the root namespace alone has this path
        return server_health(self._content("sys/health", answer, "read"))

    def _threads(self) -> tuple[ThreadPoolExecutor, int]:
        with self._once.lock:
            if self._once.executor is None:
                many = int(MIN_WIDTH * self.transport.pool.round_trip / _NEAR_SECONDS)
                self._once.width = max(MIN_WIDTH, min(MAX_WIDTH, many))
                # Shared by all reads in bulk, so that ten kinds read at once with as many threads as one.
                self._once.executor = ThreadPoolExecutor(self._once.width, "vault")
            return self._once.executor, self._once.width

    def _send(self, method: str, path: str, target: str) -> Answer:
        return self.transport.send(self._request(method, path, target))

    def _request(self, method: str, path: str, target: str, *, body: bytes = b"", mutating: bool = False, once: bool = False) -> Request:
        return Request(method, path, target, self.token(), self._full_namespace, body, mutating, once)

    @property
    def _full_namespace(self) -> str:
        own = self.transport.pool.connection.namespace
        return f"{own}/{self.namespace}" if own and self.namespace else own or self.namespace

    def _content(
        self, path: str, answer: Answer, capability: str, *, sent: Mapping[str, Any] | None = None, method: str = "GET"
    ) -> dict[str, Any]:
        if answer.status >= 300:
            words = server_words(answer.body, sent)
            if answer.status == 403 and looks_invalid(words):
                self._once.tokens.check(self.transport, self.token(), self._full_namespace)
            raise refusal(method, path, answer.status, words, capability)
        if not answer.body:
            return {}
        try:
            whole = json.loads(answer.body.decode())
        except ValueError:
            raise not_json(path, self.transport.address, answer.status) from None
        if not isinstance(whole, dict):
            raise not_json(path, self.transport.address, answer.status)
        inner = whole.get("data")
        return inner if isinstance(inner, dict) else whole

    def close(self) -> None:
        """End the threads and connections, of siblings too."""
        self.transport.close()
        if self._once.executor:
            self._once.executor.shutdown(wait=False, cancel_futures=True)


def connect(transport: Transport, token: str | Callable[[], str], gate: Gate = always_open, refused: Refused = nobody_cares) -> VaultClient:
    """Return a client of the instance's own namespace. `refused` is told of a token that the server does not know (any more)."""
    return VaultClient(transport, token if callable(token) else lambda: token, gate=gate, _once=_Once(refused))


def _quoted(path: str) -> str:
    return path if _PLAIN.fullmatch(path) else quote(path, safe="/@:,=+~")


def _listing(content: dict[str, Any]) -> Listing:
    return Listing(tuple(content.get("keys") or ()), content.get("key_info") or {})
