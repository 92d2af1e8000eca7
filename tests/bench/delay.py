"""A relay on loopback that holds every answer back: a server as far away as another continent's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def delayed(address: str, seconds: float) -> Iterator[str]:
    """Relay `http://HOST:PORT`, each piece of an answer `seconds` late; yields the relay's address."""
    host, _, port = address.removeprefix("http://").partition(":")
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(_relay(host, int(port), seconds), "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def _relay(host: str, port: int, seconds: float) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection(host, port)
        await asyncio.gather(_pass_on(reader, to, 0.0), _pass_on(there, writer, seconds))

    return relay


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    with suppress(ConnectionError, asyncio.CancelledError):
        while data := await reader.read(65536):
            await asyncio.sleep(seconds)
            writer.write(data)
            await writer.drain()
        writer.close()
