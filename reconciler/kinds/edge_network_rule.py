"""`network_rule`: who may send requests to the server at all, and how a client behind proxies is known."""

from __future__ import annotations

from reconciler.edge.network_spec import NetworkSpec, network_problems

from .declared import declared

NETWORK_RULE = declared("network_rule", NetworkSpec, check=network_problems)
