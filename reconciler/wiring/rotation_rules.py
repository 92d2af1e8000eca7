"""What the logins need for the stores, for rotation and for the audit log, beside what the kinds say: rules for bootstrap's policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.access.login_rules import READ, Rule
from reconciler.rotation.policy import SecretSpec
from reconciler.rotation.targets import Source, Target

if TYPE_CHECKING:
    from reconciler.desired.environments import Environment
    from reconciler.desired.load import Desired

_VALUE = ("create", "read", "update", "delete")
_DETAILS = ("create", "read", "update", "patch", "delete", "list")


def looked_at(environment: Environment, instance: str) -> Iterator[Rule]:
    """For the login that plans: when each secret was last rotated, and no value."""
    place = environment.stores.vault
    if place is not None and place.instance == instance:
        yield Rule(f"{place.mount}/metadata/*", READ)
    key = environment.audit.key.transit
    if key is not None and key.instance == instance:
        yield Rule(f"{key.mount}/keys/{key.key}", ("read",))  # its public half, to verify the audit log


def rotated(environment: Environment, desired: Desired, instance: str) -> Iterator[Rule]:
    """For the login that applies and rotates: the values, and the targets."""
    place = environment.stores.vault
    if place is not None and place.instance == instance:
        yield Rule(f"{place.mount}/data/*", _VALUE)
        yield Rule(f"{place.mount}/metadata/*", _DETAILS)
        yield Rule(f"{place.mount}/detailed-metadata/*", ("list", "scan"))
        yield Rule(f"{place.mount}/destroy/*", ("create", "update"))
    key = environment.audit.key.transit
    if key is not None and key.instance == instance:
        yield Rule(f"{key.mount}/keys/{key.key}", ("read",))
        yield Rule(f"{key.mount}/sign/{key.key}", ("create", "update"))
    for resource in desired.resources.values():
        spec = resource.spec
        if isinstance(spec, SecretSpec) and spec.target is not None:
            yield from _of_target(spec.type, spec.target, instance)


def _of_target(type_: str, target: Target, instance: str) -> Iterator[Rule]:
    if type_ == "transit_key" and target.instance == instance:
        yield Rule(f"{target.mount}/keys/{target.name}", ("read",))
        for verb in (f"keys/{target.name}/rotate", f"keys/{target.name}/config", f"rewrap/{target.name}"):
            yield Rule(f"{target.mount}/{verb}", ("create", "update"))
    elif type_ == "tls_certificate" and target.instance == instance:
        yield Rule(f"{target.mount}/roles/{target.role}", ("read",))
        yield Rule(f"{target.mount}/certs", ("list",))
        yield Rule(f"{target.mount}/cert/*", ("read",))
        for verb in (f"sign/{target.role}", "revoke"):
            yield Rule(f"{target.mount}/{verb}", ("create", "update"))
    for source in (target.admin, target.http.token if target.http else None):
        if isinstance(source, Source) and source.origin.startswith("vault:") and instance == "primary":
            yield Rule(source.origin.removeprefix("vault:").partition("#")[0], ("read",))
