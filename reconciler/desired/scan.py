"""Plaintext credentials in desired state. They belong in a store; YAML says where.

Parsed values are scanned, never raw lines. The patterns are those of detect-secrets; its plugins are loaded, and values
walked, only for texts that one cheap look finds suspicious, since almost none are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from .source import Path

CHECK = "C22"
REMEDY = f"rotate it, store it, and write where it is: {{from: ...}}; a false alarm is silenced by an `exception` for {CHECK}"

# Fields that name things, or hold references to them.
_NAMES = """
    kind name names path paths instance namespace address ref reference template file action actions notaction resource resources
    notresource arn role_arn kms_key kms_key_id capabilities environments from to source moved_from check guard public_key pubkey
"""
_NAMING = frozenset(_NAMES.split())
_SECRETIVE = re.compile(
    r"(?:^|[_\-. ]|(?<=[a-z])(?=[A-Z]))"
    r"(?:passwords?|passwd|passphrase|pwd|secrets?|tokens?|keys?|credentials?|secret_?ids?|apikeys?|secretkeys?)$",
    re.IGNORECASE,
)
_PASSWORD = re.compile(r"(?:password|passwd|passphrase|pwd)$", re.IGNORECASE)
_TELLTALE = (
    r"://[^\s/]*@|PRIVATE KEY|xox[a-z]-|eyJ|_live_|hv[sbr]\.|gh[pousr]_|glpat-|AKIA|ASIA|_authToken|SG\.|AccountKey|-us\d|hooks\.slack"
)
_TELLING = re.compile(_TELLTALE)
_LONG_RUN = re.compile(r"[A-Za-z0-9+=_-]{20}")
_ESCAPED = re.compile(r"\\(?:[xuU]|\r?\n)")  # could hide any of them from a look at the text
_LONG_WORD = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_PLACEHOLDER = re.compile(r"\{\{.*\}\}|<.*>|\*+|x+", re.DOTALL)
_VAULT_TOKEN = re.compile(r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}|\bs\.[A-Za-z0-9]{24}\b")
_PART = r"(?:[A-Za-z]+[0-9]{0,4}|[0-9]{1,4}|[*+])"
_NOT_RANDOM = re.compile(
    rf"arn:.*|(?:env|file|vault|aws):.*|\$\{{\{{.*|\{{\{{.*|https?://.*|-----BEGIN .*|/?{_PART}(?:[-_./:]+{_PART})*/?", re.DOTALL
)
_HEX = re.compile(r"[0-9a-fA-F-]{16,}")
_SHORTEST = 12  # shorter ones are words

# What they find needs a whole line with a name, or is no credential.
_UNUSED = frozenset(("Secret Keyword", "Base64 High Entropy String", "Hex High Entropy String", "Public IP (ipv4)"))


class _Plugin(Protocol):
    secret_type: str

    def analyze_string(self, string: str) -> Iterator[str]: ...


class Finding(NamedTuple):
    """A value that looks like a credential: where, and of what sort. Never the value."""

    path: Path
    sort: str


def is_suspicious(text: str, keys: Collection[str]) -> bool:
    """Whether the values of a text are worth a walk: a look at the text, and at the distinct keys in it."""
    # One expression for all of it takes twice as long as these.
    return bool(_TELLING.search(text) or _LONG_RUN.search(text) or _ESCAPED.search(text) or any(map(_is_secretive, keys)))


def scan(value: Any, path: Path = ()) -> Iterator[Finding]:
    """Find what looks like a credential in a parsed value."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from scan(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from scan(entry, (*path, index))
    elif isinstance(value, str) and value:
        field = next((part for part in reversed(path) if isinstance(part, str)), "")
        sort = "" if field.lower() in _NAMING else _sort(field, value)
        if sort:
            yield Finding(path, sort)


def _sort(field: str, value: str) -> str:
    """Name the sort of credential that a value looks like; empty if none."""
    if _VAULT_TOKEN.search(value):
        return "a Vault token"
    if _TELLING.search(value) or any(map(_is_mixed, _LONG_WORD.findall(value))):
        for plugin in _plugins():
            if any(not _PLACEHOLDER.fullmatch(found) for found in plugin.analyze_string(value)):
                return f"a credential ({plugin.secret_type})"
    return _by_name(field, value) if _is_secretive(field) else ""


def _is_mixed(word: str) -> bool:
    """Whether a word has digits and capitals, as keys have and names do not."""
    return word != word.lower() and any(letter.isdigit() for letter in word)


@lru_cache(maxsize=4096)
def _is_secretive(field: str) -> bool:
    return field.lower() not in _NAMING and bool(_SECRETIVE.search(field))


def _by_name(field: str, value: str) -> str:
    """Judge the value of a field that is named like a secret."""
    if _PLACEHOLDER.fullmatch(value) or value.lower() in ("true", "false", "none", "null") or value.startswith("${{"):
        return ""
    if _PASSWORD.search(field):
        return "a password"
    if len(value) < _SHORTEST or " " in value or _NOT_RANDOM.fullmatch(value):
        return ""
    base64, hexadecimal = _entropies()
    # A text of n letters has at most log2(n) bits a letter, so short ones cannot reach detect-secrets' 4.5.
    random = hexadecimal(value) > 3.0 if _HEX.fullmatch(value) else base64(value) > min(4.5, 0.8 * math.log2(len(value)))
    return "what looks like a secret (a random value)" if random else ""


@lru_cache(maxsize=1)
def _plugins() -> tuple[_Plugin, ...]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    found: Mapping[str, Callable[[], _Plugin]] = get_mapping_from_secret_type_to_class()
    return tuple(found[name]() for name in sorted(found) if name not in _UNUSED)


@lru_cache(maxsize=1)
def _entropies() -> tuple[Callable[[str], float], Callable[[str], float]]:
    from detect_secrets.plugins.high_entropy_strings import Base64HighEntropyString, HexHighEntropyString

    return Base64HighEntropyString().calculate_shannon_entropy, HexHighEntropyString().calculate_shannon_entropy
