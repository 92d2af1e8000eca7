"""Holds the stores of an environment against its audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from reconciler.audit.redaction import Masks, Redactor
from reconciler.completeness.assess import Completeness, Key, assess, unheld
from reconciler.completeness.claims import told_by
from reconciler.completeness.holdings import Held, holdings, look
from reconciler.completeness.match import Finding
from reconciler.core.address import Address, Place
from reconciler.core.stores import AwsPlace, VaultPlace
from reconciler.desired.environments import Environment
from reconciler.secrets.store import SecretStore, is_path
from reconciler.settings import Settings

from .auditing import book_of
from .clients import ClientPool
from .stores import environment_on_disk, pool, store_of


def completeness_json(settings: Settings, devices: Sequence[str] = ()) -> dict[str, Any]:
    """What `audit complete -o json` prints. Reads versions and never a value, but for an encrypted store, which is opened.

    `devices`: files of the audit device of the Vault that is a store, to name who wrote.
    """
    environment = environment_on_disk(settings)
    clients = pool(settings, environment)
    try:
        found = completeness_of(settings, environment, clients)
    finally:
        clients.close()
    if not devices:
        return _json(environment.name, found, {})
    from .writers import writers

    return _json(environment.name, found, writers(settings, environment, found, devices))


def completeness_of(settings: Settings, environment: Environment, clients: ClientPool) -> Completeness:
    """Hold all stores against the log. `clients` need not hold a lease."""
    book = book_of(settings, environment, clients, writing=False)
    stores: dict[str, SecretStore] = {name: store_of(settings, environment, clients, name) for name in environment.stores.declared}
    # Stores first: what is written meanwhile is then told by the log, and looked at again.
    held = [one for store in stores.values() for one in holdings(store)]
    told = told_by(book)
    # Without a log there is nothing that was redacted, and no key to do it with.
    clean = Redactor(Masks(), book.people.hidden) if told.begin else str
    judge = partial(assess, told=told, clean=clean, homes=_homes(environment, clean))
    held += _looked_at(stores, unheld(held, told, clean))
    found = judge(held)
    late = {(one.store, one.path) for one in found.findings if one.sort == "missing"}
    if not late:
        return found
    kept = [one for one in held if (one.store, one.path) not in late]
    return judge([*kept, *_looked_at(stores, late)])


def _looked_at(stores: dict[str, SecretStore], wanted: Iterable[Key]) -> list[Held]:
    """The versions of these; a path that was redacted cannot be asked for, and counts as one without versions."""
    found: list[Held] = []
    for name, store in stores.items():
        paths = sorted(path for where, path in wanted if where == name)
        found += look(store, [path for path in paths if is_path(path) and "[" not in path])
        found += [Held(name, path) for path in paths if not is_path(path) or "[" in path]
    return found


def _homes(environment: Environment, clean: Callable[[str], str]) -> Callable[[str, str], frozenset[str]]:
    """Which declared objects take a secret away with them when they are deleted."""

    def homes(store: str, path: str) -> frozenset[str]:
        names: tuple[tuple[str, str], ...]
        match getattr(environment.stores, store):
            case VaultPlace(instance=instance, mount=mount):
                names = (("vault.kv_secret", f"{mount}/{path}"), ("vault.secrets_engine", mount))
            case AwsPlace(instance=instance, prefix=prefix):
                names = (("aws.secret", f"{prefix}{path}"),)
            case _:
                return frozenset()
        return frozenset(clean(str(Address(kind, name, Place(instance)))) for kind, name in names)

    return homes


def _json(environment: str, found: Completeness, written: Mapping[Finding, list[str]]) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "environment": environment,
        "log_begins": found.begin or None,
        "stores": [
            {
                "store": name,
                "secrets": found.paths[name],
                "versions": account.versions,
                "matched": account.matched,
                "unsure": len(account.unsure),
                "before": account.before,
                "archived": account.archived,
                "undated": account.undated,
                "gone": account.gone,
            }
            for name, account in found.accounts.items()
        ],
        "findings": [one._asdict() | {"entries": _entries(one.entries), "written_by": written.get(one, [])} for one in found.findings],
        "unsure": [one._asdict() for account in found.accounts.values() for one in account.unsure],
        "unread": [{"store": one.store, "path": one.path, "reason": one.unread} for one in found.unread],
        "elsewhere": found.elsewhere,
    }


def _entries(numbers: Sequence[int]) -> list[int]:
    """Those that are committed."""
    return [one for one in numbers if one >= 0]
