"""`route`: whether a route of the server takes anybody, or only who proved who they are."""

from __future__ import annotations

from reconciler.edge.route_spec import RouteSpec, route_problems

from .declared import declared

ROUTE = declared("route", RouteSpec, check=route_problems)
