"""`webhook`: where a sender's webhooks arrive, and how it proves that they are its own."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.kind import Ref
from reconciler.edge.webhook_spec import WebhookSpec, webhook_problems

from .declared import declared


def _refs(_name: str, spec: WebhookSpec) -> Iterator[Ref]:
    # A document of the secret is optional: where there is one, it makes the value that the webhook needs.
    yield Ref("secret", "secret", spec.secret, hint=True)


def _claims(_name: str, spec: WebhookSpec) -> Iterator[str]:
    yield f"route {spec.route}"


WEBHOOK = declared("webhook", WebhookSpec, refs=_refs, check=webhook_problems, claims=_claims)
