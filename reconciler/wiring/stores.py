"""The stores of an environment, and the client in front of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.core import stores as declared
from reconciler.core.errors import Invalid, Missing, ReconcilerError, Usage
from reconciler.core.secret import Secret
from reconciler.desired.environments import Environment, read_environment
from reconciler.desired.tree import ENVIRONMENTS, MAX_FILE_BYTES, YAML_SUFFIXES, Tree, too_large
from reconciler.secrets.client import SecretClient
from reconciler.secrets.source_local import Local
from reconciler.secrets.store import SecretStore, Version
from reconciler.settings import Settings
from reconciler.settings import settings as gather

from .clients import ClientPool

if TYPE_CHECKING:
    from reconciler.backends.hsm import Hsm
    from reconciler.secrets.file_slots import Slot
    from reconciler.secrets.file_store import FileStore


_LOADED_LATE = {
    "vault": ("reconciler.backends.vault.hvac_login", "tenacity"),
    "aws": ("boto3",),
    "files": ("cryptography.hazmat.primitives.ciphers.aead",),
}


def secret_client(settings: Settings) -> SecretClient:
    """A client of the stores that the environment's file declares, as it lies on the disk. Nothing is sent yet."""
    return secret_client_of(settings, environment_on_disk(settings))


def heeding_client(settings: Settings, path: str) -> SecretClient:
    """The same, which asks first the store that a migration lets decide. For commands: services know the file, and no ledger."""
    from .migrating import orders_in_force

    environment = environment_on_disk(settings)
    clients = pool(settings, environment)
    return _client(settings, environment, clients, orders_in_force(settings, environment, clients, [path])[path], clients.close)


@contextmanager
def heeding_clients(settings: Settings, paths: Iterable[str]) -> Iterator[Callable[[str], SecretClient]]:
    """The same for several secrets, of which a migration may move some: another client for each order of the stores."""
    from .migrating import orders_in_force

    environment = environment_on_disk(settings)
    clients = pool(settings, environment)
    with ExitStack() as opened:
        opened.callback(clients.close)
        orders = orders_in_force(settings, environment, clients, paths)
        made = {names: opened.enter_context(_client(settings, environment, clients, names)) for names in set(orders.values())}
        yield lambda path: made[orders[path]]


def secret_client_of(settings: Settings, environment: Environment) -> SecretClient:
    """The same for an environment that was read already."""
    clients = pool(settings, environment)
    return _client(settings, environment, clients, environment.stores.reading, clients.close)


def _client(
    settings: Settings, environment: Environment, clients: ClientPool, names: Sequence[str], close: Callable[[], None] = lambda: None
) -> SecretClient:
    named = [store_of(settings, environment, clients, name) for name in names]
    return SecretClient(named, write=environment.stores.write, cache=environment.stores.cache, close=close)


def secret_client_at(repo: Path, environment: str | None) -> SecretClient:
    """The same for a program: what `SecretClient.from_environment` does."""
    given = gather(repo, environment, None, "text")
    client = secret_client(replace(given, environment=given.environment or given.environ.get("RECONCILE_ENV", "")))
    # On a machine with little to spare, a first read that loads them too takes as long as a store that hangs.
    for name in client.stores:
        for module in _LOADED_LATE[name]:
            import_module(module)
    return client


class Removal(NamedTuple):
    """What a delete would do, before anybody is asked."""

    question: str
    done: str
    carry_out: Callable[[], None]


def removal(client: SecretClient, path: str, version: str, store: str) -> Removal:
    """Prepare to delete a secret, or to destroy one version. Raises Missing where there is none, Usage where it lies elsewhere."""
    if version:
        return _destruction(client, path, version, store or client.stores[0])
    where = client.written(store)
    newest = {name: _newest(client, path, name) for name in where}
    if not any(one and one.readable for one in newest.values()):
        raise _not_there(client, path, store, [name for name, one in newest.items() if one])
    places = ", ".join(where)
    return Removal(f"Delete {path} in {places}?", f"{path}: deleted in {places}", partial(client.delete, path, store=store))


def _destruction(client: SecretClient, path: str, version: str, store: str) -> Removal:
    """Of one store and no other: versions of two stores may have the same names."""
    if version not in [one.id for one in client.versions(path, store=store).versions]:
        raise Missing(f"{path}: {store} has no version {version} of it", path=path)
    question = f"Destroy version {version} of {path} in {store}? Nothing brings it back."
    return Removal(question, f"{path}: version {version} is destroyed in {store}", partial(client.destroy, path, version, store=store))


def _newest(client: SecretClient, path: str, store: str) -> Version | None:
    try:
        return client.versions(path, store=store).versions[0]
    except Missing:
        return None


def _not_there(client: SecretClient, path: str, store: str, deleted: Sequence[str]) -> ReconcilerError:
    where = client.written(store)
    others = () if store else tuple(name for name in client.stores if name not in where)
    found = next((name for name in others if (one := _newest(client, path, name)) and one.readable), "")
    if found:
        return Usage(f"{path} is in {found}, and writes go to {', '.join(where)} (name it: --store {found})")
    if deleted:
        return Missing(f"{path}: it is deleted already in {', '.join(deleted)}", path=path)
    return Missing(f"{path}: there is no such secret in {', '.join((*where, *others))}", path=path)


def rotate_master(store: FileStore) -> int:
    """Rotate the master key of the encrypted store. Returns how many files were encrypted anew."""
    from reconciler.secrets import file_rotate

    return file_rotate.rotate_master(store)


@contextmanager
def encrypted_files(settings: Settings) -> Iterator[FileStore]:
    """The encrypted store, for work on its keyring."""
    from reconciler.secrets.file_store import FileStore

    environment = environment_on_disk(settings)
    clients = pool(settings, environment)
    try:
        store = store_of(settings, environment, clients, "files")
        if isinstance(store, FileStore):
            yield store
    finally:
        clients.close()


def pool(settings: Settings, environment: Environment) -> ClientPool:
    """Clients for stores: with the login that applies, without a lease, and quick to give up, since another store may answer."""
    return ClientPool(environment, "apply", settings.environ, {}, lambda _seconds: None, hasty=True)


def store_of(settings: Settings, environment: Environment, clients: ClientPool, name: str) -> SecretStore:
    """A declared store; without a name the first of the order. The pool need not hold a lease. Raises Usage."""
    name = name or next(iter(environment.stores.reading), "")
    place = getattr(environment.stores, name, None) if name in environment.stores.declared else None
    match place:
        case declared.VaultPlace():
            from reconciler.secrets.kv_store import KvStore

            # Made when it is asked: where no address is set, the other stores may still answer.
            return KvStore(name, partial(clients.vault, place.instance, gated=False), place.mount)
        case declared.AwsPlace():
            from reconciler.secrets.aws_store import AwsStore

            return AwsStore(name, clients.aws(place.instance, gated=False), place.prefix)
        case declared.FilesPlace():
            from reconciler.secrets.file_store import FileStore

            return FileStore(name, settings.repo / place.path, [_slot(slot, settings, environment, clients) for slot in place.slots])
    remedy = "write `stores: {vault: {mount: MOUNT}}` in its file"
    raise Usage(
        f"environment {environment.name} declares no store {name!r} ({remedy})"
        if name
        else f"environment {environment.name} declares no stores ({remedy})"
    )


def environment_on_disk(settings: Settings) -> Environment:
    """As it lies on the disk: a service that reads secrets has the environment's file, and neither git nor a repository."""
    folder = (settings.repo / ENVIRONMENTS).resolve()
    files: dict[str, bytes] = {}
    try:
        for file in sorted(folder.glob("*")):
            # Links are followed within the folder, as Kubernetes mounts files; elsewhere they could show any file in an error.
            if file.suffix in YAML_SUFFIXES and file.is_file() and file.resolve().is_relative_to(folder):
                path, size = f"{ENVIRONMENTS}{file.name}", file.stat().st_size
                if size > MAX_FILE_BYTES:
                    raise Invalid([too_large(path, size)])
                files[path] = file.read_bytes()
    except OSError as error:
        raise Usage(f"{error.filename}: {error.strerror}") from None
    return read_environment(Tree(files), settings.environment or None)


def _slot(slot: declared.Slot, settings: Settings, environment: Environment, clients: ClientPool) -> Slot:
    from reconciler.secrets.file_slots import KDFS, HsmSlot, KmsSlot, PassphraseSlot, TransitSlot

    if slot.passphrase is not None:
        return PassphraseSlot(slot.called, at_hand(slot.passphrase, settings, environment), KDFS[slot.kdf])
    if slot.transit is not None:
        return TransitSlot(slot.called, partial(clients.vault, slot.transit.instance, gated=False), slot.transit.mount, slot.transit.key)
    if slot.kms is not None:
        return KmsSlot(slot.called, partial(clients.aws, slot.kms.instance, gated=False), slot.kms.key)
    if slot.pkcs11 is not None:
        return HsmSlot(slot.called, hsm_of(slot.pkcs11, at_hand(slot.pkcs11.pin, settings, environment)))
    raise AssertionError("a slot without a type: the model refuses it")


def hsm_of(key: declared.HsmKey, pin: Callable[[], str]) -> Callable[[], Hsm]:
    from reconciler.backends.hsm import Hsm

    return lambda: Hsm(key.module, key.token, key.key, pin())


def at_hand(secret: Secret, settings: Settings, environment: Environment) -> Callable[[], str]:
    """Reads what opens a store. That the environment's file names it is leave enough to read it."""
    folder = settings.repo / environment.secret_files if environment.secret_files else None
    local = Local(settings.environ, frozenset({secret.location}), folder)

    def read() -> str:
        text = local.text(secret)
        if text is None:
            raise Missing(f"{secret.source} is not set here, or empty: it opens the encrypted store", path=secret.source)
        return text

    return read
