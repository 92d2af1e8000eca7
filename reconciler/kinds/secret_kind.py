"""`secret`: a value in a store with an owner, consumers and a schedule. The value itself is never declared, and outlives its document."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.kind import Beside, Find, Ref
from reconciler.rotation.policy import PolicySpec, SecretSpec, pair_problems, secret_problems

from .declared import declared


def _refs(_name: str, spec: SecretSpec) -> Iterator[Ref]:
    if spec.rotation:
        yield Ref("rotation", "rotation_policy", spec.rotation)


def _fits(_name: str, spec: SecretSpec, find: Find) -> Iterator[str]:
    policy = find("rotation_policy", spec.rotation) if spec.rotation else None
    if isinstance(policy, PolicySpec):
        yield from pair_problems(spec, spec.rotation, policy)


def _suits(name: str, spec: SecretSpec, beside: Beside) -> Iterator[str]:
    stores = beside.stores
    store = spec.store or next(iter(stores.reading), "")
    if store not in stores.declared:
        named = f" `{spec.store}`" if spec.store else ""
        known = f"it has {', '.join(stores.declared)}" if stores.declared else "write `stores: {vault: {mount: MOUNT}}` in its file"
        yield f"store: the environment declares no store{named} ({known})"
    native = beside.find("aws.secret", f"{stores.aws.prefix}{name}") if store == "aws" and stores.aws else None
    if getattr(native, "rotation", None):
        yield "AWS rotates it itself, as its aws.secret says: two that rotate one secret undo each other (take one of them away)"


def _stays(name: str, _spec: SecretSpec) -> str:
    return f"its value stays in the store, and is not rotated any more (reconcile secret delete {name})"


DECLARED_SECRET = declared("secret", SecretSpec, refs=_refs, check=secret_problems, fits=_fits, suits=_suits, stays=_stays)
