"""`stores:` of an environment: where secret values are kept, in which order they are read, and how they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from .secret import Secret
from .values import Seconds

_FROZEN = ConfigDict(frozen=True, extra="forbid")
NAMES = ("vault", "aws", "files")
Name = Literal["vault", "aws", "files"]


class VaultPlace(BaseModel):
    """A KV v2 mount: `api_keys/claude` is at `MOUNT/data/api_keys/claude`."""

    model_config = _FROZEN
    instance: str = "primary"
    mount: Annotated[str, Field(min_length=1)]


class AwsPlace(BaseModel):
    """AWS Secrets Manager: `api_keys/claude` is the secret `PREFIXapi_keys/claude`."""

    model_config = _FROZEN
    instance: str = "primary"
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9/_+=.@-]*$")] = ""


class TransitKey(BaseModel):
    """A key of a Vault's transit engine."""

    model_config = _FROZEN
    instance: str = "primary"
    mount: str = "transit"
    key: str


class KmsKey(BaseModel):
    """A key of AWS KMS: its ARN, id or `alias/NAME`."""

    model_config = _FROZEN
    instance: str = "primary"
    key: str


class HsmKey(BaseModel):
    """An AES key in a PKCS#11 token, by labels. `module` is the path of the maker's library."""

    model_config = _FROZEN
    module: str
    token: str
    key: str
    pin: Secret

    @field_validator("pin")
    @classmethod
    def _at_hand(cls, given: Secret) -> Secret:
        return at_hand(given)


class Slot(BaseModel):
    """One way to open the encrypted store."""

    model_config = _FROZEN
    name: Annotated[str, Field(description="default: the slot's type")] = ""
    passphrase: Secret | None = None
    kdf: Annotated[Literal["argon2id", "pbkdf2"], Field(description="of a passphrase")] = "argon2id"
    transit: TransitKey | None = None
    kms: KmsKey | None = None
    pkcs11: HsmKey | None = None

    @field_validator("passphrase")
    @classmethod
    def _at_hand(cls, given: Secret | None) -> Secret | None:
        return given and at_hand(given)

    @model_validator(mode="after")
    def _one_type(self) -> Self:
        if len(self._types()) != 1:
            raise ValueError("a slot is one of {passphrase}, {transit}, {kms} and {pkcs11}")
        if "kdf" in self.model_fields_set and self.passphrase is None:
            raise ValueError("`kdf` belongs to `passphrase`")
        return self

    def _types(self) -> list[str]:
        return [name for name in ("passphrase", "transit", "kms", "pkcs11") if getattr(self, name) is not None]

    @property
    def called(self) -> str:
        return self.name or self._types()[0]


class FilesPlace(BaseModel):
    """A folder of encrypted files, relative to the repository."""

    model_config = _FROZEN
    path: Annotated[str, Field(min_length=1)]
    slots: Annotated[tuple[Slot, ...], Field(min_length=1)]

    @field_validator("slots")
    @classmethod
    def _names_once(cls, given: tuple[Slot, ...]) -> tuple[Slot, ...]:
        twice = [name for name, count in Counter(slot.called for slot in given).items() if count > 1]
        if twice:
            raise ValueError(f"two slots are called {twice[0]} (give them a `name`)")
        return given


class Stores(BaseModel):
    """All stores of an environment."""

    model_config = _FROZEN
    vault: VaultPlace | None = None
    aws: AwsPlace | None = None
    files: FilesPlace | None = None
    order: Annotated[tuple[Name, ...], Field(description="reads fail over in this order; default: as they stand above")] = ()
    write: Annotated[Literal["primary", "dual"], Field(description="the first of the order, or all of it")] = "primary"
    cache: Annotated[Seconds, Field(description="how long a client keeps a value")] = 2

    @model_validator(mode="after")
    def _declared(self) -> Self:
        for name in self.order:
            if getattr(self, name) is None:
                raise ValueError(f"`order` names {name}, which is not declared beside it")
        if len(set(self.order)) < len(self.order):
            raise ValueError("`order` names a store twice")
        return self

    @property
    def declared(self) -> tuple[Name, ...]:
        """The stores in their order; those that `order` leaves out come last."""
        there: list[Name] = [name for name in ("vault", "aws", "files") if getattr(self, name) is not None]
        return (*self.order, *(name for name in there if name not in self.order))

    def instances(self) -> Iterator[tuple[str, str]]:
        """The backend and the name of every instance that a store or a slot is in."""
        for backend, place in (("vault", self.vault), ("aws", self.aws)):
            if place is not None:
                yield backend, place.instance
        for slot in self.files.slots if self.files else ():
            for backend, key in (("vault", slot.transit), ("aws", slot.kms)):
                if key is not None:
                    yield backend, key.instance

    @property
    def reading(self) -> tuple[Name, ...]:
        """The stores that a client reads from."""
        return self.order or self.declared


def at_hand(given: Secret) -> Secret:
    """What opens a store cannot lie in another store. Raises ValueError."""
    if given.scheme not in ("env", "file"):
        raise ValueError("comes from `env:NAME` or `file:NAME`")
    return given
