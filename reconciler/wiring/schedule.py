"""What a plan says of schedules: which secrets are overdue or due soon, as their metadata tells a login that reads no value."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from reconciler.core.address import Address
from reconciler.core.errors import BackendError
from reconciler.core.standing import as_text
from reconciler.rotation.due import Due
from reconciler.rotation.policy import PolicySpec, SecretSpec
from reconciler.rotation.state import seconds

from .rotation import overridden, schedule_of
from .stores import store_of

if TYPE_CHECKING:
    from reconciler.secrets.store import SecretStore

    from .session import Session

READERS = 16
LAST = "reconciler_last_rotated"


def schedule_notes(session: Session) -> list[str]:
    """One sentence for each secret whose schedule deserves a look."""
    resources = session.wish.resources
    declared = {address: one.spec for address, one in resources.items() if address.kind == "secret"}
    return list(_overdue(session, declared)) if declared else []


def _overdue(session: Session, declared: Mapping[Address, SecretSpec]) -> Iterator[str]:
    environment, now = session.clients.environment, int(time.time())
    settings = overridden(environment.rotation, session.settings.environ)
    scheduled = {address: spec for address, spec in declared.items() if spec.rotation}
    known = environment.stores.reading

    @cache
    def store(name: str) -> SecretStore:
        return store_of(session.settings, environment, session.clients, name)

    def last(address: Address) -> int | BackendError | None:
        try:
            written = store(scheduled[address].store or known[0]).metadata(address.name).get(LAST, "")
            return seconds(written) if written else None
        except BackendError as error:
            return error
        except ValueError:
            return None  # a person wrote something else there

    unread = 0
    with ThreadPoolExecutor(READERS, thread_name_prefix="schedule") as pool:
        for address, moment in zip(scheduled, pool.map(last, scheduled), strict=True) if known else ():
            if isinstance(moment, BackendError):
                unread += 1
            elif moment is not None:
                yield from _said(
                    address, schedule_of(address.name, scheduled[address], _policy(session, scheduled[address]), settings)(moment), now
                )
    if unread:
        yield f"when {unread:,} of the declared secrets were last rotated cannot be read with this login"


def _policy(session: Session, spec: SecretSpec) -> PolicySpec:
    found = session.wish.resources.get(Address("rotation_policy", spec.rotation))
    return found.spec if found else PolicySpec()


def _said(address: Address, found: Due | None, now: int) -> Iterator[str]:
    if found is not None and found.overdue(now):
        yield f"{address} is overdue for rotation since {as_text(found.at)} (reconcile rotate --all)"
    elif found is not None and found.warns(now):
        yield f"{address} is due for rotation at {as_text(found.at)}"
