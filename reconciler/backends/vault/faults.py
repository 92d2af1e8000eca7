"""What Vault answered when it did not do what was asked, in words: what, and what to do about it.

Texts of the server are shown, since they are the only ones that know; values that were sent are cut out of them first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ...core.errors import BackendError, Conflict, Denied, Missing

MAX_WORDS = 300  # a server's text beyond this is a dump, not an explanation
MIN_SCRUBBED = 6  # shorter values are words like "read": cutting them out would make texts unreadable
_PLAIN_TO_TLS = b"Client sent an HTTP request to an HTTPS server"  # what Go's servers answer
_LEFT_OUT = "(left out)"


def server_words(body: bytes, sent: Mapping[str, Any] | None = None) -> str:
    """Return the `errors` of an answer on one line, without any value that was sent; empty where there are none."""
    if body.startswith(_PLAIN_TO_TLS):
        return "it speaks TLS: write https:// in the address"
    try:
        errors = json.loads(body)["errors"]
        text = "; ".join(str(error) for error in errors)
    except (ValueError, KeyError, TypeError):
        return ""
    # Whole values, longest first: a password that holds another value must not leave its other half.
    for value in sorted(_leaves(sent or {}), key=len, reverse=True):
        for spelling in (value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], quote(value, safe="")):
            text = text.replace(spelling, _LEFT_OUT)
    text = " ".join(text.split())
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 3] + "..."


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) >= MIN_SCRUBBED:
            yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)


def is_check_and_set(words: str) -> bool:
    """Say whether a 400 means that another version was found; that `cas` was left out is not that."""
    return "check-and-set parameter" in words and "required" not in words


def is_unmounted(words: str) -> bool:
    """Say whether a 404 means that no mount or namespace is there, rather than nothing in it."""
    return "no handler for route" in words or "namespace not found" in words


def refusal(method: str, path: str, status: int, words: str, capability: str) -> BackendError:
    """Turn an error status into the error to raise."""
    if status == 403:
        return Denied(f"{path}: the login may not {capability} here", path=path, capability=capability)
    words = words.replace("1 error occurred: * ", "")
    if status == 404:
        remedy = " (create the namespace first, or correct it)" if "namespace not found" in words else ""
        remedy = " (make the mount first, or correct its name)" if "no handler for route" in words else remedy
        return Missing(f"{path}: {words or 'there is nothing here'}{remedy}", path=path, status=404)
    if status == 400 and is_check_and_set(words):
        return Conflict(f"{path}: somebody else wrote it meanwhile (plan again)", path=path, status=400)
    said = f": {words}" if words else ""
    return BackendError(f"{path}: {method} was answered with status {status}{said}", path=path, status=status)


def not_json(path: str, address: str, status: int) -> BackendError:
    """Something that is not Vault answered, most often a proxy or a login page."""
    remedy = "check the address, and whether a proxy or a login page stands before it"
    return BackendError(f"{path}: {address} answered with status {status} and a body that is not JSON ({remedy})", path=path, status=status)
