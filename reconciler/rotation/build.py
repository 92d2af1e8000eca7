"""Chooses the strategy and the validation of a declared secret. Clients are asked for by name, when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from ..backends.aws.client import AwsClient
from ..backends.vault.client import VaultClient
from ..core.errors import Usage
from ..secrets.sources import random_text
from ..secrets.store import SecretStore
from .generated import Generated
from .outside import Surroundings, as_answer, as_verdict, run_command, status_of
from .policy import GENERATED, SecretSpec
from .seen import Checks
from .state import Kept
from .strategy import Call, Full, Strategy
from .targets import Endpoint, Source, Target
from .validation import validator

NO_ROOM = 73  # EX_CANTCREAT
INSUFFICIENT_STORAGE = 507
NO_MORE = "has no room for another value (end one there, then `release` this)"


class Clients(Protocol):
    """The clients of an environment, by instance."""

    def vault(self, instance: str) -> VaultClient: ...

    def aws(self, instance: str) -> AwsClient: ...


class Means(NamedTuple):
    """What strategies are made of."""

    clients: Clients
    reveal: Callable[[Source], str]
    around: Surroundings


def strategy_of(path: str, spec: SecretSpec, store: SecretStore, means: Means) -> Strategy:
    """The strategy of a secret's type."""
    if spec.type in GENERATED:
        return Generated(spec.making, random_text)
    if spec.target is None:
        raise Usage(f"secret/{path}: a secret of type {spec.type} needs a target")
    return _MADE[spec.type](path, spec, spec.target, store, means)


def _database(path: str, spec: SecretSpec, target: Target, store: SecretStore, means: Means) -> Strategy:
    from ..backends.postgres import Postgres
    from .database import Database

    admin = target.admin
    if admin is None:
        raise Usage(f"secret/{path}: a database target needs `admin`")
    return Database(target, spec.making, Postgres(target.dsn, lambda: means.reveal(admin)), random_text)


def _certificate(path: str, spec: SecretSpec, target: Target, store: SecretStore, means: Means) -> Strategy:
    from .tls_certificate import TlsCertificate

    return TlsCertificate(target, means.clients.vault(target.instance))


def _transit(path: str, spec: SecretSpec, target: Target, store: SecretStore, means: Means) -> Strategy:
    from .transit_key import TransitKey

    return TransitKey(target, means.clients.vault(target.instance), store)


def _kms(path: str, spec: SecretSpec, target: Target, store: SecretStore, means: Means) -> Strategy:
    from .kms_key import KmsKey

    return KmsKey(target, means.clients.aws(target.instance))


def _external(path: str, spec: SecretSpec, target: Target, store: SecretStore, means: Means) -> Strategy:
    from .external import External

    endpoint = target.http
    if endpoint is not None:
        return External(endpoint.url, spec.making, lambda verb, sent: _told(endpoint, verb, sent, means), random_text)
    return External(" ".join(target.command), spec.making, lambda verb, sent: _ran(target, verb, sent, means), random_text)


def _ran(target: Target, verb: str, sent: bytes, means: Means) -> bool | None:
    code = run_command((*target.command, verb), sent, target.timeout, means.around)
    if code == NO_ROOM:
        raise Full(f"{target.command[0]} {NO_MORE}")
    return as_verdict(code)


def _told(endpoint: Endpoint, verb: str, sent: bytes, means: Means) -> bool | None:
    headers = {"Content-Type": "application/json"}
    if endpoint.token is not None:
        headers["Authorization"] = f"Bearer {means.reveal(endpoint.token)}"
    status = status_of(f"{endpoint.url.rstrip('/')}/{verb}", "POST", headers, sent, endpoint.timeout)
    if status == INSUFFICIENT_STORAGE:
        raise Full(f"{endpoint.url} {NO_MORE}")
    return as_answer(status)


_MADE: Mapping[str, Callable[[str, SecretSpec, Target, SecretStore, Means], Strategy]] = {
    "database": _database,
    "tls_certificate": _certificate,
    "transit_key": _transit,
    "kms_key": _kms,
    "external": _external,
}


def validation_of(path: str, spec: SecretSpec, strategy: Strategy, around: Surroundings) -> Callable[[Kept], Checks] | None:
    """What tries a new value; None where nothing was declared for that."""
    if spec.validation is None:
        return None
    return validator(spec.validation, path, spec.making.key, lambda value: strategy.probe(Call(path, "", 0), value), around)
