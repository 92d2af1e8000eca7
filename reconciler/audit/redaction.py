"""Takes out of texts what the log must never hold, before it is hashed: afterwards nothing can be taken out any more.

Three things: values of secrets that this process knows, in whatever spelling; credentials; personal data. An e-mail
address and what may be an id become keyed pseudonyms, since names of objects are made of them and must stay different
from one another.
"""

from __future__ import annotations

import base64
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator

from ..core.values import visible
from .credentials import ID, credentials, may_hold_credentials
from .personal import EMAIL, Span, flattened, may_be_personal, personal

LONGEST = 1000  # characters of one field; a name of an object has fewer
_SHORTEST = 6  # characters of a value that is looked for inside of texts: shorter ones are parts of words
_LOOK = 4  # leading characters by which values are found
_REMEMBERED = 4096
_CUT = "..."


class Masks:
    """Values of secrets that were in this process's hands. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._whole: set[str] = set()
        self._by_start: dict[str, tuple[str, ...]] = {}
        self.count = 0

    def add(self, value: str) -> None:
        """Remember a value, and how it is spelled in JSON, URLs, base64 and hexadecimal."""
        with self._lock:
            if not value or value in self._whole:
                return
            self._whole.add(value)
            self.count += 1
            for one in _spellings(value):
                if len(one) >= _SHORTEST:
                    start = one[:_LOOK]
                    self._by_start[start] = (*self._by_start.get(start, ()), one)

    def spans(self, text: str) -> Iterator[Span]:
        """Where in a text any of them is."""
        if text in self._whole:
            yield Span(0, len(text), "secret")
        starts = self._by_start
        for at in range(len(text) - _SHORTEST + 1) if starts else ():
            for value in starts.get(text[at : at + _LOOK], ()):
                if text.startswith(value, at):
                    yield Span(at, at + len(value), "secret")


def _spellings(value: str) -> set[str]:
    raw = value.encode(errors="surrogatepass")
    standard, safe = base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()
    quoted = json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], urllib.parse.quote(raw, safe="")
    return {value, flattened(value), visible(value), *quoted, standard.rstrip("="), safe.rstrip("="), raw.hex(), raw.hex().upper()}


class Redactor:
    """Makes any text fit to be logged. `pseudonym` turns an e-mail address or an id into letters that do not tell it."""

    def __init__(self, masks: Masks, pseudonym: Callable[[str], str]) -> None:
        self._masks = masks
        self._pseudonym = pseudonym
        self._seen: dict[str, str] = {}  # actions, stores and commits come again and again
        self._known = 0

    def __call__(self, text: str) -> str:
        if self._known != self._masks.count:
            self._seen, self._known = {}, self._masks.count
        found = self._seen.get(text)
        if found is None:
            found = self._redacted(text)
            if len(self._seen) < _REMEMBERED:
                self._seen[text] = found
        return found

    def own(self, text: str) -> str:
        """An id in the field that is for it: it stays, unless it is a value that is known."""
        return self(text) if self._masks.count and any(self._masks.spans(text)) else text

    def _redacted(self, given: str) -> str:
        # Looked for in the whole text before it is cut: a half of a secret would not be found.
        text = given if given.isascii() else flattened(given)
        spans = list(self._masks.spans(text)) if self._known else []
        if self._known and text != given:
            spans += [Span(0, len(text), one.sort) for one in self._masks.spans(given)]
        if may_hold_credentials(text):
            spans += credentials(text)
        if may_be_personal(text):
            spans += personal(text)
        clean = visible(self._without(text, spans) if spans else text)
        return clean if len(clean) <= LONGEST else clean[: LONGEST - len(_CUT)] + _CUT

    def _without(self, text: str, spans: list[Span]) -> str:
        parts, at = [], 0
        for span in _joined(spans):
            parts += [text[at : span.begin], self._label(text[span.begin : span.end], span.sort)]
            at = span.end
        return "".join([*parts, text[at:]])

    def _label(self, found: str, sort: str) -> str:
        if sort == EMAIL:
            return f"[email:{self._pseudonym(found.replace('%40', '@').lower())}]"
        if sort == ID:
            return f"[id:{self._pseudonym(found)}]"
        return f"[{sort}]"


def _joined(spans: list[Span]) -> list[Span]:
    """Spans in their order, those that overlap made one: named after the one that begins first, or is longest, or is surest."""
    joined: list[Span] = []
    for span in sorted(set(spans), key=lambda one: (one.begin, -one.end, one.sort == ID, one.sort)):
        if joined and span.begin < joined[-1].end:
            joined[-1] = joined[-1]._replace(end=max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined
