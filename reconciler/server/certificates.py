"""The server's certificate, who signs those of clients, and their revocation list: read again when the files change, or on SIGHUP.

Each connection gets the context that is the newest when it is opened, made of all files at once: OpenSSL can add to the
authorities of a context, but not take any away. Open connections keep theirs, and are not dropped. Files that do not fit,
such as a new certificate whose key is not written yet, change nothing: they are looked at again, and it is said.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..core.errors import Usage
from .tls import refuse_unverified, server_context

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


class Files(NamedTuple):
    """What a server context is made of. `client_ca` holds the revocation list, too."""

    cert: Path
    key: Path
    client_ca: Path | None = None


class Newest(ssl.SSLContext):
    """A context that hands every connection to another one, which can be exchanged."""

    newest: ssl.SSLContext

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return self.newest.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


class Certificates:
    """Keeps one context up to date in a thread. Without files there is no TLS. Raises Usage where the first ones do not fit."""

    def __init__(self, files: Files | None) -> None:
        self.context: Newest | None = None
        self._files = files
        self._marks: Sequence[object] = ()
        self._problem = ""
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="certificates", daemon=True)
        if files is not None:
            self._marks = _marks(files)
            self.context = Newest(ssl.PROTOCOL_TLS_SERVER)
            self.context.newest = refuse_unverified(server_context(*files))

    def start(self) -> None:
        self._thread.start()

    def again(self) -> None:
        """Read the files again, whether or not they look changed. Safe from a signal's handler."""
        self._marks = ()
        self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def join(self) -> None:
        self._thread.join()

    def problems(self) -> Sequence[str]:
        """Why the files as they are now are not in effect."""
        return [self._problem] if self._problem else []

    def look(self) -> None:
        """Put the files in effect where they have changed since they last were."""
        if self._files is None or self.context is None:
            return
        marks = _marks(self._files)
        if marks == self._marks:
            return
        try:
            self.context.newest = _revoking(self.context.newest, refuse_unverified(server_context(*self._files)))
        except Usage as error:
            if str(error) != self._problem:
                log.warning("the certificates in effect stay, since the new ones do not fit: %s", error)
            self._problem = str(error)
            return
        self._marks, self._problem = marks, ""
        log.info("certificates were read again")

    def _keep_up(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(LOOK_SECONDS)
            self._wake.clear()
            self.look()


def _revoking(before: ssl.SSLContext, new: ssl.SSLContext) -> ssl.SSLContext:
    """The new context. Raises Usage where it has lost the revocation list: a file that is half written would let in who was revoked."""
    if before.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF and not new.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF:
        raise Usage("the revocation list is gone from the file of client authorities (only a new start does without one)")
    return new


def _marks(files: Files) -> Sequence[object]:
    """What tells that a file was written, or that a link to it leads elsewhere."""
    return [_mark(path) for path in files if path is not None]


def _mark(path: Path) -> object:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
