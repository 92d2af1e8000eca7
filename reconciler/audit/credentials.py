"""Finds credentials in short texts: tokens of known providers by detect-secrets' patterns and ours, and what is as random as one.

What may be an id as well as a token is a sort of its own, since names of objects are made of ids: hexadecimal of 32 digits and
more, UUIDs (as AppRole's secret ids are), and long words in which letters and digits take turns.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Protocol

from .personal import Span

SORT = "token"
ID = "id"

# What detect-secrets does not know, or knows only behind a name and an equals sign.
_KNOWN = re.compile(
    r"\bhv[sbr]\.[\w-]{20,}|(?<![\w.])s\.[A-Za-z0-9]{24}(?!\w)|(?:A3T[A-Z0-9]|ABIA|ACCA|AGPA|AIDA|AIPA|AKIA|ANPA|ANVA|AROA|ASCA|ASIA)[A-Z0-9]{16}"
    r"|gh[opsur]_\w{20,}|github_pat_\w{20,}|gl[a-z]{2,6}-[\w-]{16,}|xox[a-z]-[\w-]{10,}|xapp-[\w-]{10,}|(?:sk|rk|pk)_(?:live|test)_\w{10,}"
    r"|sk-[\w-]{20,}|AIza[\w-]{30,}|ya29\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|npm_\w{20,}|pypi-[\w-]{20,}|dop_v1_\w{20,}|shp(?:at|ca|pa|ss)_\w{20,}"
    r"|dckr_[a-z]{3}_[\w-]{20,}|hf_\w{20,}|gl(?:sa|c)_[\w+/=-]{20,}|lin_(?:api|oauth)_\w{20,}|NRAK-\w{20,}|PMAK-[\w-]{20,}|ATATT3[\w=-]{20,}"
    r"|ntn_\w{20,}|secret_\w{40,}|sntrys_[\w+/=-]{20,}|dp\.[a-z]{2,5}\.[\w.-]{20,}|\w{14}\.atlasv1\.[\w-]{40,}|xkeysib-[\w-]{20,}"
    r"|sq0[a-z]{3}-[\w-]{20,}|do[or]_v1_\w{20,}|LTAI\w{12,}|[MN][\w-]{23,}\.[\w-]{6}\.[\w-]{27,}|(?<=AccountKey=)[\w+/=]{20,}|\d{8,10}:AA[\w-]{30,}"
    r"|EAA[A-Za-z0-9]{30,}|AC[0-9a-f]{32}|SK[0-9a-f]{32}|key-[0-9a-f]{32}|whsec_[\w+/=]{16,}|AGE-SECRET-KEY-1[A-Z0-9]{20,}"
    r"|eyJ[\w-]{8,}(?:\.[\w-]+)*|-----BEGIN[^-]*PRIVATE KEY-----.*|(?<=://)[^\s/:@]*:[^\s/@]+(?=@)",
    re.DOTALL,
)
_TELLTALE = re.compile(
    r"://[^\s/]*@|PRIVATE KEY|xox|eyJ|_live_|_test_|gh[pousr]_|glpat|AKIA|ASIA|_authToken|SG\.|AccountKey|-us\d|hooks\.slack|sk-|pypi-"
    r"|\d:AA"
)
# Each has a capital letter, a colon or a long word: a quick look spares nearly all texts the close one.
_HINT = re.compile(r"[A-Z:]|[0-9a-z]{20}|[0-9a-f]{8}-|xox|-us\d")
_WORD = re.compile(r"[A-Za-z0-9]{20,}")
_KEY = re.compile(r"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/]{40,}={0,2}(?![A-Za-z0-9+/=])")
_RANDOM_BITS = 3.5  # a letter; words of people have less, and 20 random ones nearly always more
_ID = re.compile(r"[0-9A-Fa-f]{32,}|(?<![A-Za-z0-9])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?![A-Za-z0-9])")
_LONG = re.compile(r"[a-z0-9]{24,}|[A-Z0-9]{24,}")
_TURN = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")
_TURNS = 6  # of letters and digits: what people write has two or three
_UNUSED = frozenset(("Secret Keyword", "Base64 High Entropy String", "Hex High Entropy String", "Public IP (ipv4)"))


class _Plugin(Protocol):
    secret_type: str

    def analyze_string(self, string: str) -> Iterator[str]: ...


def may_hold_credentials(text: str) -> bool:
    return _HINT.search(text) is not None


def credentials(text: str) -> Iterator[Span]:
    """Everything in a text that is a credential, or looks like one."""
    for found in _KNOWN.finditer(text):
        yield Span(*found.span(), SORT)
    for word in (*_WORD.finditer(text), *_KEY.finditer(text)):
        if _is_random(word[0]):
            yield Span(*word.span(), SORT)
    for found in _ID.finditer(text):
        yield Span(*found.span(), ID)
    for word in _LONG.finditer(text):
        if len(_TURN.findall(word[0])) >= _TURNS:
            yield Span(*word.span(), ID)
    if _TELLTALE.search(text):
        yield from _by_plugins(text)


def _by_plugins(text: str) -> Iterator[Span]:
    for plugin in _plugins():
        for secret in plugin.analyze_string(text):
            begin = text.find(secret)
            while secret and begin >= 0:
                yield Span(begin, begin + len(secret), SORT)
                begin = text.find(secret, begin + len(secret))


def _is_random(word: str) -> bool:
    """Whether a word has small and capital letters and digits, as evenly spread as keys have."""
    if word == word.lower() or word == word.upper() or word.isalpha():
        return False
    counts = Counter(word).values()
    return -sum(one / len(word) * math.log2(one / len(word)) for one in counts) >= _RANDOM_BITS


@lru_cache(maxsize=1)
def _plugins() -> tuple[_Plugin, ...]:
    # Slow to import, and nearly no text needs it.
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    found: Mapping[str, Callable[[], _Plugin]] = get_mapping_from_secret_type_to_class()
    return tuple(found[name]() for name in sorted(found) if name not in _UNUSED)
