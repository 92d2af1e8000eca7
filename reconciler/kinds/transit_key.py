"""`vault.transit_key`: named keys of transit engines. Names are MOUNT/KEY. Key material never leaves the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Action, Change
from reconciler.core.kind import Kind, Ref
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import Seconds, show_duration

from .listed import Folder, plain

_HOUR = 3600
Version = Annotated[int, Field(ge=0)]


class TransitKey(Spec):
    """A key of the transit engine. Versions that may decrypt or encrypt are the server's affair unless declared."""

    type: str = "aes256-gcm96"
    key_size: Annotated[int, Field(ge=0)] = 0  # bytes, for hmac alone
    derived: bool = False
    convergent_encryption: bool = False
    exportable: bool = False
    allow_plaintext_backup: bool = False
    deletion_allowed: bool = False
    auto_rotate_period: Seconds = 0
    min_decryption_version: Version | None = None
    min_encryption_version: Version | None = None


KEYS = Folder("{mount}/keys", plain(TransitKey), frozenset({"transit"}))

# The rest is decided when the key is made: afterwards the server answers 200 and changes nothing.
_CHANGEABLE = (
    "exportable",
    "allow_plaintext_backup",
    "deletion_allowed",
    "auto_rotate_period",
    "min_decryption_version",
    "min_encryption_version",
)
_AT_CREATION = ("type", "key_size", "derived", "convergent_encryption", "exportable", "allow_plaintext_backup", "auto_rotate_period")


def _write(client: VaultClient, change: Change[TransitKey], _reveal: Reveal) -> None:
    path = KEYS.at(change.address.name)
    after = change.after
    if after is None or change.action is Action.REPLACE:
        # A planned delete has passed the guard `irreversible`; the server wants to be told as well.
        client.write(f"{path}/config", {"deletion_allowed": True})
        client.delete(path)
    if after is None:
        return
    if change.before is None or change.action is Action.REPLACE:
        client.write(path, {name: value for name in _AT_CREATION if (value := getattr(after, name))})
    changeable = {name: getattr(after, name) for name in _CHANGEABLE}
    client.write(f"{path}/config", {name: value for name, value in changeable.items() if value is not None})


def _refs(name: str, _spec: TransitKey) -> Iterator[Ref]:
    yield Ref("name", "vault.secrets_engine", name, within=True)


def _problems(_name: str, spec: TransitKey) -> Iterator[str]:
    if 0 < spec.auto_rotate_period < _HOUR:
        yield f"auto_rotate_period {show_duration(spec.auto_rotate_period)} is shorter than the hour that the server asks for"
    if spec.key_size and spec.type != "hmac":
        yield "key_size is for type hmac alone"
    if spec.type == "hmac" and not 32 <= spec.key_size <= 512:
        yield "type hmac needs a key_size of 32 to 512 (bytes)"
    if spec.convergent_encryption and not spec.derived:
        yield "convergent_encryption needs derived: true"


def _loses(_name: str, _spec: TransitKey) -> str:
    return "every version of the key: what it encrypted can never be decrypted"


TRANSIT_KEY = Kind(
    name="vault.transit_key",
    paths=("{mount}/keys/+", "{mount}/keys/+/config"),
    backend="vault",
    spec=TransitKey,
    read=KEYS.read,
    write=_write,
    refs=_refs,
    check=_problems,
    immutable=frozenset({"type", "key_size", "derived", "convergent_encryption"}),
    one_way=frozenset({"exportable", "allow_plaintext_backup"}),
    runtime=frozenset({"min_decryption_version", "min_encryption_version"}),
    lowers=frozenset({"min_decryption_version", "min_encryption_version"}),
    loses=_loses,
)
