"""Finds personal data in short texts: e-mail and network addresses, card numbers, IBANs, phone and social security numbers.

Checksums and number plans are those of python-stdnum and phonenumbers. Where a text may or may not be personal data it is
taken to be: what is written into the log is there for good. Spellings are looked through (separators, full-width and
invisible characters), and a card or an account need not stand alone. What is spelled as an id is left alone: hexadecimal
words of twelve letters and more, and UUIDs.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

EMAIL = "email"


class Span(NamedTuple):
    """Where in a text something is, and what."""

    begin: int
    end: int
    sort: str


# All of these have so many digits, or one of those signs: a quick look spares nearly all texts the close one.
_FEWEST_DIGITS = 6
_DOTTED = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d")
# In an address of an object a plain @ stands before the instance, so there what follows it has to look like a domain.
_EMAIL = re.compile(r"[\w.!#$&'*+=?^`{|}~-]+(?:@(?=[\w.-]*\.[A-Za-z])|%40)[\w-]+(?:\.[\w-]+)*", re.ASCII)
_DIGITS = re.compile(r"\d(?:[ ./_-]?\d){11,}")
# By issuer, as their number plans say: Visa, Mastercard, American Express, Diners, Discover, JCB, UnionPay and Maestro.
_CARD = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[689]\d)\d{11,16}|(?:6011|64[4-9]\d|65\d\d)\d{12,15}|35(?:2[89]|[3-8]\d)\d{12,15}|(?:62|5[06-9]|6\d)\d{10,17}"
)
_IBAN = re.compile(r"(?=([A-Za-z]{2}\d\d(?:[ ./_-]?[A-Za-z0-9]){11,30}))")
_IBAN_LENGTHS = range(15, 35)
_SSN = re.compile(r"\d{3}[ ./_-]\d\d[ ./_-]\d{4}")
_SWISS = re.compile(r"756[ ./_-]?\d{4}[ ./_-]?\d{4}[ ./_-]?\d\d")
_FRENCH = re.compile(r"[12][ ./_-]?\d\d[ ./_-]?\d\d[ ./_-]?\d[\dAB][ ./_-]?\d{3}[ ./_-]?\d{3}[ ./_-]?\d\d")
_BRITISH = re.compile(
    r"(?<![A-Za-z])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ ._-]?\d\d[ ._-]?\d\d[ ._-]?\d\d[ ._-]?[A-D](?![A-Za-z0-9])", re.IGNORECASE
)
_ITALIAN = re.compile(r"[A-Z]{6}\d\d[A-Z]\d\d[A-Z]\d{3}[A-Z]", re.IGNORECASE)
_PHONE = re.compile(r"(?<![A-Za-z0-9])(?:\+[ (]?)?\(?\d(?:[ ().\-/_]{0,3}\d){6,16}(?![A-Za-z0-9])")
# National spellings begin with 0, or in North America have ten digits: what has neither is an id as likely as a number.
_REGIONS = ("DE", "FR", "GB")
_V4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\w)")
_V6 = re.compile(r"(?=[0-9A-Fa-f]*:)[0-9A-Fa-f:]*:[0-9A-Fa-f]*(?:\.\d+){0,3}")
_ID = re.compile(r"(?<![A-Za-z0-9])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=[0-9]*[a-f])[0-9a-f]{12,})(?![A-Za-z0-9])")
_PLAIN = re.compile(r"[ ./_-]")


def flattened(text: str) -> str:
    """A text in which a digit is a digit and nothing is invisible: so that nothing hides behind another spelling."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKC", text)
    return "".join(str(unicodedata.decimal(one)) if one.isdecimal() else one for one in plain if unicodedata.category(one) != "Cf")


def personal(text: str) -> Iterator[Span]:
    """Everything in a flattened text that is personal data, or may be."""
    for found in _EMAIL.finditer(text):
        yield Span(*found.span(), EMAIL)
    yield from _ibans(text)
    text = _ID.sub(lambda found: "x" * len(found[0]), text)
    yield from _cards(text)
    yield from _social(text)
    yield from _addresses(text)
    yield from _phones(text)


def may_be_personal(text: str) -> bool:
    return "@" in text or "%40" in text or ":" in text or sum(map(text.count, "0123456789")) >= _FEWEST_DIGITS or bool(_DOTTED.search(text))


def _cards(text: str) -> Iterator[Span]:
    from stdnum import luhn

    for found in _DIGITS.finditer(text):
        digits = _PLAIN.sub("", found[0])
        windows = (_CARD.match(digits, start) for start in range(len(digits) - 11))
        # A shorter number may be the card, too: the longest that the issuer has is not always the one.
        lengths = (digits[one.start() : one.start() + count] for one in windows if one for count in range(12, 20))
        if any(_CARD.fullmatch(number) and luhn.is_valid(number) for number in lengths):
            yield Span(*found.span(), "card")


def _ibans(text: str) -> Iterator[Span]:
    from stdnum import iban

    for found in _IBAN.finditer(text):
        ends = [found.start(1) + index + 1 for index, one in enumerate(found[1]) if not _PLAIN.match(one)]
        compact = _PLAIN.sub("", found[1])
        for length in _IBAN_LENGTHS:
            if length <= len(compact) and iban.is_valid(compact[:length], check_country=False):
                yield Span(found.start(1), ends[length - 1], "iban")
                break


def _social(text: str) -> Iterator[Span]:
    from stdnum.ch import ssn as swiss
    from stdnum.fr import nir as french
    from stdnum.it import codicefiscale as italian
    from stdnum.us import ssn as american

    for pattern, is_valid in (
        (_SSN, american.is_valid),
        (_SWISS, swiss.is_valid),
        (_FRENCH, french.is_valid),
        (_ITALIAN, italian.is_valid),
        (_BRITISH, lambda _number: True),  # it has no checksum
    ):
        for found in pattern.finditer(text):
            if is_valid(_PLAIN.sub("", found[0])):
                yield Span(*found.span(), "ssn")


def _addresses(text: str) -> Iterator[Span]:
    for found in _V4.finditer(text):
        if _is_public(found[0]):
            yield Span(*found.span(), "ip")
    for found in _V6.finditer(text):
        # Colons stand before and behind it too, in sentences and in names: it is the longest part that is an address.
        starts = [0, *(one.end() for one in re.finditer(":", found[0]))]
        for start in starts:
            address = found[0][start:]
            address = address if _is_public(address) else address.rstrip(":")
            if address.count(":") > 1 and _is_public(address):
                yield Span(found.start() + start, found.start() + start + len(address), "ip")
                break


def _is_public(text: str) -> bool:
    """Whether it is an address that many can reach: private ones tell of a network, not of a person."""
    try:
        return ipaddress.ip_address(text).is_global
    except ValueError:
        return False


def _phones(text: str) -> Iterator[Span]:
    for found in _PHONE.finditer(text):
        number = re.sub(r"[_/]", "-", found[0])
        if any(_is_phone(number, region) for region in _regions(number)):
            yield Span(*found.span(), "phone")


def _regions(number: str) -> tuple[str | None, ...]:
    digits = re.sub(r"\D", "", number)
    if number.startswith("+"):
        return (None,)
    american: tuple[str | None, ...] = ("US",) if len(digits) == 10 or (len(digits) == 11 and digits[0] == "1") else ()
    return (*american, *_REGIONS) if digits[0] == "0" else american


def _is_phone(number: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False
