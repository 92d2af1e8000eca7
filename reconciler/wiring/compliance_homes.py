"""Secrets lie in objects: one that is declared under either name is declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler.core.address import Address, Place
from reconciler.core.resource import Resource
from reconciler.core.secret import Secret
from reconciler.core.stores import AwsPlace, VaultPlace
from reconciler.rotation.state import FOLDER

if TYPE_CHECKING:
    from reconciler.desired.environments import Environment

_KV, _AWS = "vault.kv_secret", "aws.secret"
Resources = Mapping[Address, Resource[Any]]


def home_of(environment: Environment, store: str, path: str) -> Address | None:
    """The object that a secret of a store lies in; None where a store has no objects, as folders have none."""
    match getattr(environment.stores, store):
        case VaultPlace(instance=instance, mount=mount):
            return Address(_KV, f"{mount}/{path}", Place(instance))
        case AwsPlace(instance=instance, prefix=prefix):
            return Address(_AWS, f"{prefix}{path}", Place(instance))
        case _:
            return None


def homes(environment: Environment, resources: Resources) -> frozenset[Address]:
    """The objects of declared secrets, with what their rotations keep there, and of the values that applies make."""
    paths = [path for one in resources if one.kind == "secret" for path in (one.name, FOLDER + one.name)]
    found = {home_of(environment, store, path) for store in environment.stores.declared for path in paths}
    return frozenset(one for one in found if one) | _made(resources)


def unspoken(environment: Environment, resources: Resources, there: list[tuple[str, str]]) -> frozenset[str]:
    """Paths of what is there, by store and path, and lies in no object that is declared or that an apply makes a value for."""
    declared = {one for one in resources if one.kind in (_KV, _AWS)} | _made(resources)
    return frozenset(path for store, path in there if home_of(environment, store, path) not in declared)


def _made(resources: Resources) -> frozenset[Address]:
    values = (value for one in resources.values() for value in one.spec.__dict__.values())
    return frozenset(_target(value) for value in values if isinstance(value, Secret) and value.generate)


def _target(secret: Secret) -> Address:
    if secret.scheme == "aws":
        return Address(_AWS, secret.location)
    mount, _, path = secret.location.partition("/data/")
    return Address(_KV, f"{mount}/{path}")
