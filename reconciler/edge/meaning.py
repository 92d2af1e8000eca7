"""What a proven body says, where that is not for the application to find out: its event, and whether it is for us at all."""

from __future__ import annotations

from urllib.parse import parse_qsl

from ..core.values import visible
from .endpoints import Endpoint
from .events import Unknown, github_event, gitlab_event, repository, typed_event
from .refusals import malformed
from .strict_json import NotStrict, parse

MOST_FIELDS = 100  # of a form; Slack sends about a dozen


class Aside(Exception):
    """A proven delivery that the application does not get. `word` is what its sender is told, with 200."""

    def __init__(self, word: str, reason: str) -> None:
        super().__init__(reason)
        self.word = word
        self.reason = reason


def meaning(endpoint: Endpoint, name: str, body: bytes, *, form: bool) -> tuple[object, str]:
    """Return what `body` says and of which event it is, `name` being what its header says. Raises Refusal or Aside."""
    parsed = _fields(body) if form else _parsed(body)
    try:
        event = _event(endpoint, name, parsed)
    except Unknown:
        raise Aside("ignored", "its event is not known, and the body does not bear it out") from None
    about = repository(parsed)
    # Without one it is about an organisation or the webhook itself.
    if endpoint.repositories and about is not None and about not in endpoint.repositories:
        raise Aside("ignored", f"repository {visible(about[:128])} is not one of the webhook's")
    return parsed, event


def _event(endpoint: Endpoint, name: str, parsed: object) -> str:
    if endpoint.scheme == "github":
        return github_event(name, parsed)
    if endpoint.scheme == "gitlab":
        return gitlab_event(name, parsed)
    return typed_event(parsed)


def _parsed(body: bytes) -> object:
    try:
        return parse(body)
    except NotStrict as error:
        raise malformed(f"the body is no strict JSON: {error}") from None


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise malformed("the body is no form") from None
    fields = dict(pairs)
    if len(fields) != len(pairs) or any("\0" in text for pair in pairs for text in pair):
        raise malformed("the form has a field twice, or a NUL")
    return fields
