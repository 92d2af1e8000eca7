"""The identity token that GitHub Actions gives to a job with `permissions: id-token: write`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from ...core.errors import BackendError, Unavailable
from .connection import Tls, parse_host, proxy_from, tls_context
from .wire import Dropped, Unreadable, Untrusted, Wire

_URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
_BEARER = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
_SECONDS = 20.0
_ATTEMPTS = 3  # GitHub's endpoint drops a request now and then


def identity_token(environ: Mapping[str, str], audience: str) -> str:
    """Ask GitHub for a signed token about this job. Raises BackendError, Unavailable."""
    url, bearer = environ.get(_URL, ""), environ.get(_BEARER, "")
    if not url or not bearer:
        remedy = "give the job `permissions: id-token: write`; jobs of forks never get it; elsewhere write `jwt: env:NAME` or `file:PATH`"
        raise BackendError(f"login by GitHub's identity token: {_URL if not url else _BEARER} is not set ({remedy})")
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, f"audience={quote(audience, safe='')}" if audience else "") if part)
    # Our own connection, since urllib would carry the bearer token along to wherever it is redirected.
    body = _get(f"{parts.scheme}://{parts.netloc}", f"{parts.path}?{query}", bearer, environ)
    try:
        return str(json.loads(body)["value"])
    except (ValueError, KeyError, TypeError):
        raise BackendError("GitHub's identity service answered without a token (run the job again)") from None


def _get(address: str, target: str, bearer: str, environ: Mapping[str, str]) -> bytes:
    host = parse_host(address)
    context = tls_context(Tls()) if host.secure else None
    request = f"GET {target} HTTP/1.1\r\nHost: {host.header}\r\nAuthorization: bearer {bearer}\r\nAccept: application/json\r\n\r\n"
    reason = ""
    for _ in range(_ATTEMPTS):
        try:
            wire = Wire(host, context, "", proxy_from(environ, host))
            try:
                answer = wire.exchange(request.encode(), _SECONDS)
            finally:
                wire.close()
        except Dropped as dropped:
            reason = str(dropped)
        except (Untrusted, Unreadable) as error:
            raise BackendError(f"GitHub's identity service: {error} (check the runner's certificates and proxy)") from None
        else:
            if answer.status == 200:
                return answer.body
            reason = f"it answered with status {answer.status}"
            if answer.status < 500:
                break
    raise Unavailable(f"GitHub's identity service: {reason} (run the job again; check `permissions: id-token: write`)")
