"""Logging in and out, and what is shown instead of a page to whoever may not see it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ...core.errors import BackendError
from ...edge.asgi import Headers, Scope, Send, header_values, refuse
from .render import page
from .sessions import Sessions, cookie_name, cookie_of, form_token, is_page
from .sources import Sources

LARGEST_FORM = 20_000  # bytes: a batch token, and where to go on
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
_PAGE = re.compile(r"/ui(?:/[A-Za-z0-9._~%!$&'()*+,;=:@/-]*)?(?:\?[A-Za-z0-9._~%!$&'()*+,;=:@/?-]*)?")
NO_LEDGER = "Your Vault token may not read the ledger of this environment, so there is nothing to show."
WORDS: Mapping[int, tuple[str, str]] = {
    401: ("Log in", ""),
    403: ("Not for you", "This is not open to you, or not from where you are."),
    404: ("Not there", "There is no such page."),
    429: ("Too many requests", "More requests came from your address than are allowed. Try again in a moment."),
    503: ("Not now", "What this page shows cannot be asked for at present. Try again in a moment."),
}


class Doors:
    """The endpoints, and the answers 401, 403 and 404 as pages."""

    def __init__(self, sources: Sources, sessions: Sessions) -> None:
        self._sources = sources
        self._sessions = sessions

    async def log_in(self, request: Request) -> Response:
        fields = await _fields(request)
        if fields is None:
            return login_page(400, "The form was not sent from this page. Try again.")
        token = fields.get("token", "").strip()
        going_on = fields.get("next", "")
        try:
            known = await self._sources.whose(token) if _TOKEN.fullmatch(token) else None
        except BackendError:
            return login_page(503, "Vault cannot be asked at present. Try again in a moment.", going_on)
        if known is None:
            return login_page(401, "Vault does not know this token.", going_on)
        self._leave(request.scope)
        answer = RedirectResponse(going_on if _PAGE.fullmatch(going_on) else "/ui", 303)
        secure = request.scope["scheme"] == "https"
        cookie = self._sessions.begin(token)
        answer.set_cookie(cookie_name(request.scope), cookie, path="/", secure=secure, httponly=True, samesite="strict")
        return answer

    async def log_out(self, request: Request) -> Response:
        fields = await _fields(request)
        cookie = cookie_of(request.scope)
        if fields is None or not cookie or not hmac.compare_digest(fields.get("form", "").encode(), form_token(cookie).encode()):
            return refused_page(400, "The form was not sent from this page.")
        self._leave(request.scope)
        answer = login_page(200, "You are logged out.")
        secure = request.scope["scheme"] == "https"
        answer.delete_cookie(cookie_name(request.scope), path="/", secure=secure, httponly=True, samesite="strict")
        return answer

    async def refuse(self, scope: Scope, send: Send, status: int, headers: Headers) -> None:
        """A Refuse for ClassifiedRoutes: people see a page, programs what they always do."""
        if scope["type"] != "http" or not is_page(scope["path"]) or scope["method"] not in ("GET", "HEAD"):
            await refuse(scope, send, status, headers)
            return
        query = scope["query_string"].decode("latin-1")
        path = scope["path"] + (f"?{query}" if query else "")
        answer = login_page(401, "", path) if status == 401 else refused_page(status)
        answer.raw_headers.extend((name, value) for name, value in headers if name != b"www-authenticate")
        await answer(scope, _nothing, send)

    def _leave(self, scope: Scope) -> None:
        """End the session that a request comes with."""
        cookie = cookie_of(scope)
        token = self._sessions.token(cookie) if cookie else ""
        if token:
            self._sources.forget(token)
            self._sessions.end(cookie)


async def _nothing() -> dict[str, str]:
    return {"type": "http.disconnect"}


def login_page(status: int, said: str, going_on: str = "") -> Response:
    going_on = going_on if _PAGE.fullmatch(going_on) else "/ui"
    return page("login.html", {"title": "Log in", "said": said, "failed": status >= 400, "going_on": going_on}, status)


def refused_page(status: int, said: str = "") -> Response:
    title, words = WORDS.get(status, (HTTPStatus(status).phrase, ""))
    return page("refused.html", {"title": title, "said": said or words}, status)


async def _fields(request: Request) -> dict[str, str] | None:
    """The fields of a form that a page of this host sent; None for any other, or one that is too long."""
    if not _ours(request.scope) or request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        return None
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_FORM:
            return None
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=8)
    except ValueError:
        return None
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else None


def _ours(scope: Scope) -> bool:
    """Whether the browser says that a page of this very origin sent it. Every one that is in use does say."""
    origins, hosts = header_values(scope, b"origin"), header_values(scope, b"host")
    if len(origins) != 1 or len(hosts) != 1:
        return False
    origin = urlsplit(origins[0].decode("latin-1"))
    return (origin.scheme, origin.netloc) == (scope["scheme"], hosts[0].decode("latin-1"))
