"""Runs the server until it is told to stop, and then lets end what is under way.

The first SIGTERM or SIGINT: no more connections, no more looks; plans are cut off, an apply ends. The second: an apply
finishes the object that it is at, and records. Either way what was not done stays in the events, for the next server.
SIGHUP ends nothing: certificates are read again.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from ..core.errors import Usage, bug
from .listen import EdgeLoop

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class Course:
    """What is done besides serving, and when. All but `prepare` are quick; `finish` waits."""

    prepare: Callable[[], Awaitable[None]]
    start: Callable[[], None]
    stop: Callable[[], None]
    hurry: Callable[[], None]
    finish: Callable[[], None]
    again: Callable[[], None] = lambda: None
    """Told of SIGHUP: files may have been renewed."""
    listening: Callable[[str], None] = lambda _address: None
    """Told where the server listens: port 0 is chosen by the system."""


class _Server(uvicorn.Server):
    """uvicorn without its own signals, which it would send to us once more at the end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _InWords(logging.Filter):
    """Says of a mistake of ours where it is, without the values that a traceback or an exception's text may hold."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            record.msg, record.args, record.exc_info, record.exc_text = bug(error), (), None, None
        return True


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is not None:
        log.error("%s: %s", failure.thread.name if failure.thread else "a thread", bug(failure.exc_value))


def run(config: uvicorn.Config, course: Course) -> None:
    """Serve. Returns when everything has ended. Raises ReconcilerError where it cannot begin."""
    for name in ("uvicorn.error", "asyncio", "concurrent.futures"):
        logging.getLogger(name).addFilter(_InWords())
    threading.excepthook = _thread_failed
    with asyncio.Runner(loop_factory=EdgeLoop) as runner:
        runner.run(_serve(config, course))


async def _serve(config: uvicorn.Config, course: Course) -> None:
    server = _Server(config)
    told: list[int] = []

    def tell(number: int) -> None:
        told.append(number)
        if len(told) == 1:
            log.warning("stopping: what is applied ends, the rest is left for the next server")
            server.should_exit = True
            course.stop()
        else:
            log.warning("stopping at once: the object that is applied is finished and recorded")
            server.force_exit = True
            course.hurry()

    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, tell, number)
    loop.add_signal_handler(signal.SIGHUP, course.again)
    with _bound(config) as own:
        await course.prepare()
        course.start()
        try:
            if not told:
                course.listening("{}:{}".format(*own.getsockname()))
                await server.serve([own])
        finally:
            course.stop()
            await asyncio.to_thread(course.finish)


def _bound(config: uvicorn.Config) -> socket.socket:
    """The socket, before anything is begun: uvicorn would end the process where it is taken."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # With the protocol named, asyncio sends answers at once; else each waits for an acknowledgement that is put off by 40 ms.
    own = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind((config.host, config.port))
        own.listen(config.backlog)
        return own
    except OSError as error:
        own.close()
        raise Usage(f"{config.host}:{config.port} cannot be listened on: {error.strerror or error}") from None
