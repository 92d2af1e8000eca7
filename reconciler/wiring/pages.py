"""What the server's pages are made of: the ledger's word on what is managed, and Vault's on people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.edge.tokens import VaultTokens
from reconciler.server.api import Api
from reconciler.server.pages import Pages, pages
from reconciler.server.pages.sources import Sources
from reconciler.server.refusals import Refusals
from reconciler.settings import Settings

from .access import able
from .managed import Managed


def pages_of(settings: Settings, api: Api, tokens: VaultTokens, managed: Managed, refusals: Refusals) -> Pages:
    """The pages over a ledger. `tokens` says whose a token is."""

    def able_to(path: str, capability: str, instance: str) -> Sequence[Mapping[str, Any]]:
        # As the clone declares it, at the branch's tip: servers would be asked with a login that may see more than the person.
        return able(settings, path, capability or None, "desired", instance)

    return pages(Sources(api, tokens.whose, tokens.forget, managed.resources, managed.versions, able_to, refusals.latest))
