"""`HeadersMiddleware`: what browsers are told about every answer."""

from __future__ import annotations

from collections.abc import Awaitable

from .asgi import App, Message, Receive, Scope, Send
from .layers import Layer, entrance

# No inline script or style, nothing from elsewhere, no frame around it: text that slips through a template can do nothing.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_ALWAYS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),  # with `no-referrer`, browsers send forms of our own with `Origin: null`
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_FALLBACK = (b"cache-control", b"no-store")  # a file that never changes may say otherwise
_SECURE = (b"strict-transport-security", b"max-age=31536000")  # a year
_OURS = frozenset(name for name, _ in (*_ALWAYS, _SECURE))


class HeadersMiddleware(Layer):
    """ASGI middleware, the outermost: refusals of the others have these headers too. What an application sets of them is replaced.

    A proxy that ends TLS is believed about the scheme only by NetworkMiddleware, which is within: so it is asked at the answer.
    """

    def __init__(self, app: App) -> None:
        self._app = entrance(app)

    def enter(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self._app(scope, receive, send)

        def with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = _told(message.get("headers", ()), secure=scope["scheme"] == "https")
            return send(message)

        return self._app(scope, receive, with_headers)


def _told(headers: list[tuple[bytes, bytes]], *, secure: bool) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name not in _OURS]
    kept += _ALWAYS
    if secure:
        kept.append(_SECURE)
    if not any(name == b"cache-control" for name, _ in headers):
        kept.append(_FALLBACK)
    return kept
