"""`route`: whether a route of the server takes anybody, or only who proved who they are."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.edge.route_spec import RouteSpec, route_problems

from .declared import declared


def _claims(_name: str, spec: RouteSpec) -> Iterator[str]:
    yield f"the class of {spec.path}"
    if spec.access == "public":
        yield f"route {spec.path}"  # what a webhook has, its signature protects


ROUTE = declared("route", RouteSpec, check=route_problems, claims=_claims)
