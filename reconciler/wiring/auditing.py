"""The audit log of an environment: where it lies, whose key signs it, and how those who mutate record into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial

from reconciler.audit.log import Log
from reconciler.audit.note import Signer, Verifier, read_vkey
from reconciler.audit.people import People
from reconciler.audit.redaction import Masks
from reconciler.audit.scribe import About, Scribe
from reconciler.core.errors import Missing, Usage
from reconciler.desired.environments import Environment
from reconciler.dev.state import STATE, ensure_state_folder
from reconciler.ledger.file import FileShelf
from reconciler.ledger.shelf import Below
from reconciler.settings import Settings

from .clients import ClientPool
from .connect import shelf_of
from .session import actor
from .stores import at_hand, hsm_of


def book_of(settings: Settings, environment: Environment, clients: ClientPool, *, writing: bool) -> Log:
    """The log of an environment. Nothing is read or sent yet. `writing`: a key in a file is made where there is none."""
    audit = environment.audit
    declared_keys(environment)  # a key that is none is a mistake of the file, whatever is done
    folder = settings.repo / audit.path / environment.name
    origin = f"reconciler/{environment.project}/{environment.name}"
    signer = cache(partial(_signer, settings, environment, clients, origin, make=writing))
    trusted = cache(partial(_trusted, environment, signer))
    own = FileShelf(folder)
    if audit.ship != "ledger":
        return Log(folder, origin, own, People(own), signer, trusted)
    shelf = Below(shelf_of(settings, environment, clients, gated=False), "audit/")
    return Log(folder, origin, shelf, People(shelf, FileShelf(folder / "spare")), signer, trusted, shipped=True)


def _signer(settings: Settings, environment: Environment, clients: ClientPool, name: str, *, make: bool) -> Signer:
    from reconciler.audit.signing import file_key, hsm_key, transit_key

    key = environment.audit.key
    if key.transit is not None:
        return transit_key(clients.vault(key.transit.instance, gated=False), key.transit.mount, key.transit.key, name)
    if key.pkcs11 is not None:
        return hsm_key(hsm_of(key.pkcs11, at_hand(key.pkcs11.pin, settings, environment))(), name)
    return file_key(settings.repo / key.file, name, make=make)


def _trusted(environment: Environment, signer: Callable[[], Signer]) -> tuple[Verifier, ...]:
    """The declared keys, or those of the signer. None where it is not on this machine: then no signature counts."""
    if environment.audit.trusted:
        return declared_keys(environment)
    try:
        mine = signer()
    except Missing:
        return ()
    return getattr(mine, "verifiers", (mine.verifier,))  # those of a transit key's older versions too


def declared_keys(environment: Environment) -> tuple[Verifier, ...]:
    """The keys that the environment's file trusts. Raises Usage."""
    try:
        return tuple(read_vkey(one.public_key, one.until) for one in environment.audit.trusted)
    except ValueError as error:
        raise Usage(f"environment {environment.name}: audit: trusted: {error}") from None


@contextmanager
def recording(
    settings: Settings,
    clients: ClientPool,
    action: str,
    *,
    commit: str = "",
    rid: str = "",
    masks: Masks | None = None,
    guarded: bool = False,
) -> Iterator[Scribe]:
    """Whoever mutates tells this before and after. Nothing is opened before the first event."""
    environment = clients.environment
    if environment.audit.path.startswith(f"{STATE}/"):
        ensure_state_folder(settings.repo)
    book = book_of(settings, environment, clients, writing=True)
    who = actor(settings.environ)
    name, _, run = who.partition(" (")
    about = About(name, run.rstrip(")") or "machine", commit, action, f"{environment.project}/{environment.name}", rid or clients.run)
    with Scribe(book, about, Masks() if masks is None else masks, guarded=guarded) as scribe:
        yield scribe
