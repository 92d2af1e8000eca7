"""How uvicorn is run: the settings that protection hangs on are made here, once."""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import ip_address
from typing import Any

import uvicorn

from reconciler.core.errors import Usage
from reconciler.edge.asgi import App
from reconciler.edge.blocked import Observe, log_blocked

from .protocol import HEAD_SECONDS, observed
from .tls import refuse_unverified

MOST_CONNECTIONS = 1000


class EdgeLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, on which a TLS handshake has the time of a header and not a minute; uvicorn has no setting for it."""

    async def create_server(self, *args: Any, **options: Any) -> asyncio.Server:
        if options.get("ssl") is not None:
            options.setdefault("ssl_handshake_timeout", HEAD_SECONDS)
            options.setdefault("ssl_shutdown_timeout", HEAD_SECONDS)
        return await super().create_server(*args, **options)


def listening(
    app: App,
    host: str,
    port: int,
    context: ssl.SSLContext | None,
    *,
    proxied: bool = False,
    grace: int | None = None,
    observe: Observe = log_blocked,
) -> uvicorn.Config:
    """Return uvicorn's configuration. Raises Usage where requests would cross a network in the clear.

    `context`: from `server_context`; None: no TLS, on loopback only, or when `proxied`: proxies are declared, which end it.
    `grace`: seconds that requests have to end in, at the end. `observe` is told what the protocol refuses by itself.
    """
    if context is None and not proxied and not _loopback(host):
        raise Usage(
            f"{host} is reached over networks, and TLS is off (give a certificate, listen on 127.0.0.1, or declare trusted_proxies)"
        )
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=observed(observe),
        loop="reconciler.server.listen:EdgeLoop",
        ws="none",  # nothing here uses them, and uvicorn's own protocols for them would drop what ours adds
        lifespan="on",
        proxy_headers=False,  # the edge has its own, which believes nobody by default
        server_header=False,
        access_log=False,
        log_config=None,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=grace,
    )
    config.load()
    config.ssl = refuse_unverified(context) if context is not None else None
    return config


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
