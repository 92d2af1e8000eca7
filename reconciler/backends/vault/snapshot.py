"""A raft snapshot of a server of one's own, as a stream: it may be larger than this machine's memory."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator

from ...core.errors import BackendError, Denied, Unavailable
from .client import VaultClient
from .connection import tls_context
from .wire import Dropped, Unreadable, Untrusted, Wire

PATH = "sys/storage/raft/snapshot"
SECONDS = 3600.0  # for all of it, at the speed of the slower of network and disk


def raft_snapshot(client: VaultClient) -> Iterator[bytes]:
    """Pieces of a snapshot of the whole server, all namespaces. Needs read on `sys/storage/raft/snapshot` in the root namespace."""
    client.health()  # from now on the pool knows which server is the active one
    pool = client.transport.pool
    host, tls = pool.host, pool.connection.tls
    try:
        wire = _Streamed(host, tls_context(tls) if host.secure else None, tls.server_name, pool.connection.proxy)
    except (Dropped, Untrusted, Unreadable) as error:
        raise Unavailable(f"{host}: {error}", path=PATH) from None
    whole = zlib.decompressobj(wbits=31)  # of gzip: its end is the only sign that a server which failed on the way cannot give
    try:
        for piece in wire.pieces(_request(client, str(host) if pool.connection.proxy and not host.secure else "", host.header)):
            whole.decompress(piece)
            yield piece
        if not whole.eof:
            raise Unreadable("it has no end")
    except (Unreadable, ValueError, OSError, zlib.error):
        raise Unavailable(f"{host}: the raft snapshot was cut off (try again)", path=PATH) from None
    finally:
        wire.close()


def _request(client: VaultClient, proxied: str, host: str) -> bytes:
    fields = {"Host": host, "User-Agent": "reconciler", "X-Vault-Request": "true", "X-Vault-Token": client.token()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"GET {proxied}/v1/{PATH} HTTP/1.1\r\n{head}\r\n".encode()


class _Streamed(Wire):
    """A connection for one answer, which is passed on as it comes."""

    __slots__ = ()

    def pieces(self, request: bytes) -> Iterator[bytes]:
        self._allow(SECONDS)
        self._socket.sendall(request)
        status, head = self._head()
        if status == 403:
            raise Denied(f"{PATH}: the login may not read here (a snapshot is of the whole server)", path=PATH, capability="read")
        if 300 <= status < 400:
            raise BackendError(f"{PATH}: {self.host} is a standby (set the address to the active server)", path=PATH, status=status)
        if status != 200:
            remedy = "only a server whose storage is raft has snapshots"
            raise BackendError(f"{PATH}: {self.host} answered with status {status} ({remedy})", path=PATH, status=status)
        if b"\r\ntransfer-encoding:" in head.lower():
            yield from self._chunk_by_chunk()
        else:
            yield self._body(status, head.lower())

    def _allow(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._fresh = False

    def _chunk_by_chunk(self) -> Iterator[bytes]:
        while size := int(self._line().partition(b";")[0], 16):
            yield self._take(size)
            self._line()
