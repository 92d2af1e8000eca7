"""Evidence from the desired state alone: what validate and plan can know, and what everything else is held against."""

from __future__ import annotations

import datetime
import math
import string
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from reconciler.backends.vault.connection import connection_from
from reconciler.compliance.assess import assess
from reconciler.compliance.checks import OFFLINE
from reconciler.compliance.evidence import Declared, Endpoint, Evidence, Lift, Retained, Sealed
from reconciler.compliance.result import Excepted, Report
from reconciler.core.address import Address, Place
from reconciler.core.errors import BackendError
from reconciler.core.keeping import RetentionSpec
from reconciler.core.resource import Origin, Resource
from reconciler.core.stores import Stores

from .rotation import overridden
from .session import now

if TYPE_CHECKING:
    from reconciler.desired.documents import Exempt
    from reconciler.desired.load import Desired
    from reconciler.desired.tree import Tree
    from reconciler.rotation.policy import SecretSpec

_LETTER_BITS = math.log2(len(string.ascii_letters + string.digits))  # of what is generated
_MADE_OF_LETTERS = frozenset({"api_key", "webhook_secret", "password", "database", "external"})
_FORGES = {"github": "https://api.github.com", "gitlab": "https://gitlab.com"}


def offline_report(tree: Tree, desired: Desired) -> Report:
    """What a desired state alone shows. Nothing is asked, and nothing of this machine counts."""
    return assess(offline_evidence(tree, desired, now(), {}), OFFLINE)


def offline_evidence(tree: Tree, desired: Desired, at: datetime.datetime, environ: Mapping[str, str]) -> Evidence:
    """Evidence without anything from outside the repository. `environ`: where instances are that the environment leaves out."""
    environment = desired.environment
    where = Origin(tree.environments().get(environment.name, ""), 1)
    return Evidence(
        project=environment.project,
        environment=environment.name,
        commit=tree.commit,
        at=at,
        thresholds=environment.compliance.held,
        exceptions=tuple(map(_lift, desired.exceptions)),
        resources=desired.resources,
        secrets=tuple(_secrets(desired, environ)),
        endpoints=tuple(_endpoints(desired, environ, where)),
        sealed=tuple(_sealed(environment.stores)),
        retained=_retained(desired),
        mounts=tuple((place.instance, place.mount) for place in [environment.stores.vault] if place is not None),
    )


def _lift(one: Exempt) -> Lift:
    return Lift(one.check, one.pattern, Excepted(one.name, one.approver, one.reason, one.expires))


def _secrets(desired: Desired, environ: Mapping[str, str]) -> Iterator[Declared]:
    usual = next(iter(desired.environment.stores.reading), "")
    default_days = overridden(desired.environment.rotation, environ).default_interval_days
    for address, resource in desired.resources.items():
        if address.kind != "secret":
            continue
        spec: SecretSpec = resource.spec
        policy = desired.resources.get(Address("rotation_policy", spec.rotation))
        interval = policy.spec.interval(default_days) if policy is not None else None
        length = spec.making.length if spec.type in _MADE_OF_LETTERS else None
        bits = (length or 0) * _LETTER_BITS
        yield Declared(
            str(address), resource.origin, address.name, spec.type, spec.owner, interval, length, bits, spec.store or usual, _key(spec)
        )


def _key(spec: SecretSpec) -> str:
    """The address of the key that a secret stands for."""
    target = spec.target
    if target is None:
        return ""
    if spec.type == "transit_key":
        return str(Address("vault.transit_key", f"{target.mount or 'transit'}/{target.name}", Place(target.instance)))
    return str(Address("aws.kms_key", target.key, Place(target.instance))) if spec.type == "kms_key" else ""


def uses_vault(desired: Desired, environ: Mapping[str, str]) -> bool:
    """Whether there is a Vault at all: an environment that names none has one where the usual variables do."""
    named = "vault" in desired.environment.model_fields_set or desired.environment.stores.vault is not None
    return named or bool(environ.get("BAO_ADDR") or environ.get("VAULT_ADDR")) or _declares(desired, "vault.")


def uses_aws(desired: Desired) -> bool:
    """The same for AWS."""
    environment = desired.environment
    return "aws" in environment.model_fields_set or environment.stores.aws is not None or _declares(desired, "aws.")


def _declares(desired: Desired, backend: str) -> bool:
    return any(address.kind.startswith(backend) for address in desired.resources)


def _endpoints(desired: Desired, environ: Mapping[str, str], where: Origin) -> Iterator[Endpoint]:
    environment = desired.environment
    for name, vault in environment.vault.items() if uses_vault(desired, environ) else ():
        try:
            connection = connection_from(environ, vault.address)
        except BackendError:
            yield Endpoint(f"vault/{name}", "")
            continue
        origin = where if vault.address else None
        yield Endpoint(f"vault/{name}", connection.address, not connection.tls.skip_verify, origin)
    for name, aws in environment.aws.items() if uses_aws(desired) else ():
        yield Endpoint(f"aws/{name}", aws.endpoint or "https://amazonaws.com", origin=where if aws.endpoint else None)
    if environment.forge is not None:
        yield Endpoint("forge", environment.forge.api or _FORGES[environment.forge.type], origin=where)


def _sealed(stores: Stores) -> Iterator[Sealed]:
    """What each store does by itself, and how the keys of the encrypted one are made."""
    if stores.vault is not None:
        yield Sealed("store/vault", "AES-256-GCM, by the server's barrier")
    if stores.aws is not None:
        yield Sealed("store/aws", "AES-256-GCM, by KMS")
    if stores.files is None:
        return
    from reconciler.secrets.file_slots import KDFS

    for slot in stores.files.slots:
        kdf = KDFS[slot.kdf] if slot.passphrase is not None else None
        work = (kdf.parameters.get("rounds") or kdf.parameters["memory_kib"]) if kdf else 0
        how = "AES-256-GCM; master keys opened by "
        yield Sealed(f"store/files/{slot.called}", how + (kdf.name if kdf else slot.called), kdf.name if kdf else "", work)


def _retained(desired: Desired) -> Retained:
    document: Resource[Any] | None = next((one for address, one in desired.resources.items() if address.kind == "retention"), None)
    if document is None:
        usual = RetentionSpec()
        return Retained(f"environment/{desired.environment.name}", None, usual.audit_log, usual.secret_versions)
    return Retained(str(document.address), document.origin, document.spec.audit_log, document.spec.secret_versions)


__all__ = ["offline_evidence", "offline_report", "uses_aws", "uses_vault"]
