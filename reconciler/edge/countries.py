"""The country of an address, from a database of the operator's own in MaxMind's format. None is shipped: licences forbid it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import Usage
from .scope import Address

if TYPE_CHECKING:
    from maxminddb.reader import Reader

Country = Callable[[Address], str]
"""The ISO code of an address, or an empty string where nobody knows."""


def open_countries(path: Path) -> Country:
    """Open a database such as GeoLite2-Country. Raises Usage when there is none, or one of something else."""
    import maxminddb

    try:
        reader = maxminddb.open_database(path)
    except (OSError, maxminddb.InvalidDatabaseError) as error:
        raise Usage(f"{path}: no database of countries can be read there: {type(error).__name__}") from None
    sort = reader.metadata().database_type
    if not any(word in sort for word in ("Country", "City")):
        raise Usage(f"{path}: a database of {sort!r} and not of countries")
    return partial(_country, reader)


def _country(reader: Reader, ip: Address) -> str:
    try:
        entry = reader.get(ip)
    except ValueError:  # an IPv6 address, and the database has none
        return ""
    country = entry.get("country") if isinstance(entry, dict) else None
    code = country.get("iso_code") if isinstance(country, dict) else None
    return code if isinstance(code, str) else ""
