"""`secret`: a value in a store with an owner, consumers and a schedule. The value itself is never declared, and outlives its document."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.kind import Find, Ref
from reconciler.rotation.policy import PolicySpec, SecretSpec, pair_problems, secret_problems

from .declared import declared


def _refs(_name: str, spec: SecretSpec) -> Iterator[Ref]:
    if spec.rotation:
        yield Ref("rotation", "rotation_policy", spec.rotation)


def _fits(_name: str, spec: SecretSpec, find: Find) -> Iterator[str]:
    policy = find("rotation_policy", spec.rotation) if spec.rotation else None
    if isinstance(policy, PolicySpec):
        yield from pair_problems(spec, spec.rotation, policy)


def _stays(name: str, _spec: SecretSpec) -> str:
    return f"its value stays in the store, and is not rotated any more (reconcile secret delete {name})"


DECLARED_SECRET = declared("secret", SecretSpec, refs=_refs, check=secret_problems, fits=_fits, stays=_stays)
