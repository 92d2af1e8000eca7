"""The routes of the pages, each with its class, and what the edge needs to know of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ...core.errors import ReconcilerError
from ...edge.access import PROTECTED, PUBLIC
from ...edge.identity import Proof
from ...edge.routes import Refuse
from ...edge.scope import PRINCIPAL, Principal
from .doors import NO_LEDGER, Doors, refused_page
from .render import FILES, page, static
from .sessions import SessionProof, Sessions, cookie_of, form_token
from .sources import Sources
from .views import VIEWS, NotThere, View

STATIC_SECONDS = 31536000  # a year: a file that changes has another name


@dataclass(frozen=True, slots=True)
class Pages:
    """To be handed to `composed`: routes, one more proof, and how refusals look."""

    routes: Sequence[BaseRoute]
    proof: Proof
    refuse: Refuse


def pages(sources: Sources) -> Pages:
    """All pages. Made once: sessions last as long as this does."""
    sessions = Sessions()
    doors = Doors(sources, sessions)
    found = [PROTECTED(Route(path, _endpoint(sources, view), methods=["GET"])) for path, view in VIEWS.items()]
    found.append(PUBLIC(Route("/ui/login", doors.log_in, methods=["POST"])))
    found.append(PUBLIC(Route("/ui/logout", doors.log_out, methods=["POST"])))
    found.extend(PUBLIC(Route(f"/ui/static/{{mark}}/{name}", _static(name, media), methods=["GET"])) for name, media in FILES.items())
    return Pages(found, SessionProof(sessions, sources.whose), doors.refuse)


def _endpoint(sources: Sources, view: View) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        principal: Principal = request.scope[PRINCIPAL]
        cookie = cookie_of(request.scope)
        try:
            if not await asyncio.to_thread(sources.api.may_see, principal):
                return refused_page(403, NO_LEDGER)
            shown = await asyncio.to_thread(view.show, sources, request)
        except NotThere:
            return refused_page(404)
        except ReconcilerError:
            return refused_page(503)
        about = {"project": sources.api.project, "environment": sources.api.environment, "locked": sources.api.closed()}
        who = {"who": principal.name, "form": form_token(cookie) if cookie and principal.kind == "vault" else "", "here": view.here}
        return page(view.template, {"title": view.title, **about, **who, **shown})

    return endpoint


def _static(name: str, media: str) -> Callable[[Request], Awaitable[Response]]:
    content = static(name)

    async def endpoint(_request: Request) -> Response:
        return Response(content, media_type=media, headers={"cache-control": f"public, max-age={STATIC_SECONDS}, immutable"})

    return endpoint
