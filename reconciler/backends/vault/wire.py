"""One kept-alive HTTP/1.1 connection, as lean as Python allows.

`http.client` spends more on building header objects through the e-mail parser than on the request itself; a survey of
10,000 roles is 10,000 answers whose headers nobody reads. Here a request is one `sendall`, an answer mostly one `recv`,
and a header is looked for only when somebody asks. The package
docstring has the numbers.
"""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from .connection import Host, Proxy

if TYPE_CHECKING:
    import ssl

CONNECT_SECONDS = 5.0  # a host that does not answer a SYN in this time will not: another attempt is cheaper than waiting
MAX_HEAD = 65536  # a server that sends more header than this is not Vault
_CHUNK = 65536
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")  # OpenSSL's reasons, by version


class Dropped(Exception):
    """The connection ended before a whole answer was there. `sent`: the server may have acted on the request."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class Untrusted(Exception):
    """TLS could not be set up: the certificate, the name in it, or the protocol."""


class Unreadable(Exception):
    """What came back is not HTTP/1.1, or not TLS where that was asked for."""


class Answer(NamedTuple):
    """A whole answer. `head` holds the status line and headers as they came."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        return _find(self.head, self.head.lower(), b"\r\n" + name.lower().encode() + b":").decode("latin-1")


def _find(head: bytes, lower: bytes, key: bytes) -> bytes:
    at = lower.find(key)
    if at < 0:
        return b""
    start = at + len(key)
    end = head.find(b"\r\n", start)
    return (head[start:] if end < 0 else head[start:end]).strip()


class Wire:
    """A socket and the bytes read ahead on it. Used by one thread at a time; after any exception it must be closed."""

    __slots__ = ("_buffer", "_deadline", "_fresh", "_seconds", "_socket", "host", "open", "used")

    def __init__(self, host: Host, context: ssl.SSLContext | None, server_name: str, proxy: Proxy | None) -> None:
        """Connect. Raises Dropped(sent=False), Untrusted or Unreadable."""
        self.host = host
        self.used = time.monotonic()  # when the last answer was complete
        self.open = True  # may carry another request
        self._deadline = self.used + CONNECT_SECONDS
        self._fresh = False  # the socket's timeout still says what is left until the deadline
        self._seconds = CONNECT_SECONDS  # what the socket's timeout is
        self._buffer = b""
        end = (proxy.host, proxy.port) if proxy else (host.name, host.port)
        try:
            self._socket: socket.socket = socket.create_connection(end, CONNECT_SECONDS)
        except OSError as error:
            raise Dropped(_words(error), sent=False) from None
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if proxy and context:
                self._tunnel(proxy)
            if context:
                self._secure(context, server_name or host.name)
        except BaseException:
            self._socket.close()
            raise

    def _tunnel(self, proxy: Proxy) -> None:
        name = str(self.host).partition("://")[2]
        authorization = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
        try:
            self._socket.sendall(f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n{authorization}\r\n".encode())
            status, _ = self._head()
        except OSError as error:
            raise Dropped(f"the proxy {proxy.host}:{proxy.port}: {_words(error)}", sent=False) from None
        if status != 200:
            raise Dropped(f"the proxy {proxy.host}:{proxy.port} refused to connect with status {status}", sent=False)

    def _secure(self, context: ssl.SSLContext, name: str) -> None:
        import ssl

        try:
            self._socket = context.wrap_socket(self._socket, server_hostname=name)
        except ssl.SSLCertVerificationError as error:
            raise Untrusted(f"its certificate is not trusted: {error.verify_message}") from None
        except ssl.SSLEOFError:
            raise Dropped("the connection was dropped", sent=False) from None
        except ssl.SSLError as error:
            if error.reason in _NOT_TLS:
                raise Unreadable("it does not speak TLS") from None
            raise Untrusted(f"TLS failed: {_tls_reason(error)}") from None
        except OSError as error:
            raise Dropped(_words(error), sent=False) from None

    def stale(self) -> bool:
        """Say whether the other side has closed meanwhile: an idle connection has nothing to say but goodbye."""
        try:
            poll = select.poll()
            poll.register(self._socket, select.POLLIN)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            return True

    def exchange(self, request: bytes, seconds: float) -> Answer:
        """Send one request and return the whole answer, `seconds` from now at the latest. Raises Dropped or Unreadable."""
        self._deadline = time.monotonic() + seconds
        sent = False
        try:
            if self._seconds != seconds:  # a system call, saved on every request but the first
                self._socket.settimeout(seconds)
                self._seconds = seconds
            self._fresh = True
            self._socket.sendall(request)
            sent = True
            status, head = self._head()
            lower = head.lower()
            self.open = lower.startswith(b"http/1.1") and b"\r\nconnection: close" not in lower
            body = self._body(status, lower)
            self.used = time.monotonic()
            return Answer(status, head, body)
        except OSError as error:
            # With TLS 1.3 a server refuses a missing client certificate only after the handshake.
            if "CERTIFICATE" in _tls_reason(error).upper():
                raise Untrusted(f"TLS failed: {_tls_reason(error)}") from None
            # A request that was sent in part cannot be acted on: its length was announced.
            raise Dropped(_words(error), sent=sent) from None

    def _head(self) -> tuple[int, bytes]:
        while True:
            while (end := self._buffer.find(b"\r\n\r\n")) < 0:
                if len(self._buffer) > MAX_HEAD:
                    raise Unreadable("endless headers")
                self._more()
            head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
            if not head.startswith(b"HTTP/1.") or not head[9:12].isdigit():
                raise Unreadable("not an HTTP answer")
            status = int(head[9:12])
            if status >= 200 or status == 101:  # 100 and 103 only announce the real one
                return status, head

    def _body(self, status: int, lower: bytes) -> bytes:
        if status in (204, 304):
            return b""
        length = _find(lower, lower, b"\r\ncontent-length:")
        if b"\r\ntransfer-encoding:" in lower:
            return self._chunks()
        if not length:
            return self._rest()
        if not length.isdigit():
            raise Unreadable("a Content-Length that is not a number")
        return self._take(int(length))

    def _take(self, size: int) -> bytes:
        if len(self._buffer) < size:
            parts, have = [self._buffer], len(self._buffer)
            while have < size:
                self._buffer = b""
                self._more()
                parts.append(self._buffer)
                have += len(self._buffer)
            self._buffer = b"".join(parts)  # joined once: += on a 100 MB answer would be quadratic
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD:
                raise Unreadable("an endless line")
            self._more()
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _chunks(self) -> bytes:
        parts = []
        while True:
            size = self._line().partition(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError:
                raise Unreadable("a chunk without a size") from None
            if length < 0:
                raise Unreadable("a chunk of negative size")
            if length == 0:
                break
            parts.append(self._take(length))
            if self._line():
                raise Unreadable("a chunk longer than its size")
        while self._line():  # trailers
            pass
        return b"".join(parts)

    def _rest(self) -> bytes:
        self.open = False  # only the end of the connection ends such a body
        parts = [self._buffer]
        while True:
            if not (got := self._receive()):
                break
            parts.append(got)
        self._buffer = b""
        return b"".join(parts)

    def _receive(self) -> bytes:
        if not self._fresh:
            # A socket's own timeout starts anew with every byte; a lease must outlive the whole request.
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            self._seconds = left
        self._fresh = False
        return self._socket.recv(_CHUNK)

    def _more(self) -> None:
        if not (got := self._receive()):
            raise ConnectionResetError
        self._buffer += got

    def close(self) -> None:
        self._socket.close()


def _tls_reason(error: OSError) -> str:
    """The reason of an ssl.SSLError in words; empty for any other error."""
    return str(getattr(error, "reason", None) or "").replace("_", " ").lower()


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return "the connection was dropped"
    # An SSLError's text holds source lines of OpenSSL's binding.
    return _tls_reason(error) or (error.strerror or "the connection failed").lower()
