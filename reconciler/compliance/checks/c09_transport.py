"""C09: every server is reached over TLS, and its certificate is checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from reconciler.core.resource import Resource

from ..evidence import Evidence, Part
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity

_NAMES = ("url", "host", "address", "issuer", "endpoint", "dsn")
_PLAIN = "http://"
_WEAK = ("sslmode=disable", "sslmode=allow", "sslmode=prefer", "tls=false", "tls=skip-verify")
# Revocation lists and issuers' certificates are signed, and fetched by those who have no trust yet.
_BY_DESIGN = frozenset({"vault.engine_config", "vault.pki_role"})


def _assess(evidence: Evidence) -> Assessment:
    urls = list(_declared(evidence))
    # Not the text itself, which may have a name and a password.
    seen = [*evidence.endpoints, *((str(one.address), field, _weakness(text)) for one, field, text in urls)]
    nowhere = tuple(f"where {one.address} is, this machine does not know" for one in evidence.endpoints if not one.url)
    return judged(seen, [*_endpoints(evidence), *_fields(urls)], Part((), nowhere), population=len(seen) - len(nowhere))


def _endpoints(evidence: Evidence) -> Iterator[Finding]:
    for one in evidence.endpoints:
        if one.url.lower().startswith("http://"):
            yield flaw(one.address, f"is reached without TLS, at {one.url}", one.origin, "give it an https:// address")
        elif one.url and not one.checked:
            yield flaw(one.address, "its certificate is not checked", one.origin, "unset *_SKIP_VERIFY, and name its CA: VAULT_CACERT")


def _declared(evidence: Evidence) -> Iterator[tuple[Resource[Any], str, str]]:
    for address, resource in evidence.resources.items():
        if address.kind not in _BY_DESIGN:
            for name, text in _texts("", resource.spec):
                if name.lower().endswith(_NAMES) and ("://" in text or "sslmode=" in text or "@tcp(" in text):
                    yield resource, name, text


def _texts(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, BaseModel):
        for field, entry in value.__dict__.items():
            if entry and not isinstance(entry, bool | int):
                yield from _texts(field, entry)
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _texts(str(key), entry)
    elif isinstance(value, tuple | list):
        for entry in value:
            yield from _texts(name, entry)


def _fields(urls: list[tuple[Resource[Any], str, str]]) -> Iterator[Finding]:
    for resource, name, text in urls:
        weak = _weakness(text)
        if weak == _PLAIN:
            yield flaw(str(resource.address), f"`{name}` is reached without TLS", resource.origin, "give it an https:// address")
        elif weak:
            yield flaw(str(resource.address), f"`{name}` says {weak}", resource.origin, "use sslmode=verify-full, or tls=true")


def _weakness(text: str) -> str:
    lower = text.lower()
    return _PLAIN if lower.startswith(_PLAIN) else next((word for word in _WEAK if word in lower), "")


C09 = Check("C09", "TLS on every endpoint", Severity.HIGH, "use TLS", offline=True, assess=_assess)
