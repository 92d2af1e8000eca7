"""`vault.userpass_user`: users of userpass auth methods. Names are MOUNT/USER; the server lower-cases the user."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Change
from reconciler.core.kind import Kind
from reconciler.core.secret import Reveal, Secret

from .listed import Folder, plain, unchanged_secrets
from .token_fields import TokenFields, fold_leaf, role_refs, token_problems


class UserpassUser(TokenFields):
    """A person's or machine's login by password. A password that is not declared is left as it is."""

    password: Secret | None = None


USERS = Folder("auth/{mount}/users", plain(UserpassUser), frozenset({"userpass"}))


def _write(client: VaultClient, change: Change[UserpassUser], reveal: Reveal) -> None:
    USERS.write(client, unchanged_secrets(change), reveal)


def _problems(name: str, spec: UserpassUser) -> Iterator[str]:
    yield from token_problems(name, spec)
    if "@" in name:
        yield "a user's name cannot hold '@' on the server"


USERPASS_USER = Kind(
    name="vault.userpass_user",
    paths=("auth/{mount}/users/+",),
    backend="vault",
    spec=UserpassUser,
    read=USERS.read,
    write=_write,
    refs=role_refs,
    check=_problems,
    fold=fold_leaf,
    asks=lambda _live: ("password",),
)
