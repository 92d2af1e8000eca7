"""`vault.kubernetes_role`: roles of Kubernetes auth methods. Names are MOUNT/ROLE; the server lower-cases the role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from reconciler.core.kind import Kind
from reconciler.core.values import StringSet, Text

from .listed import Folder, plain
from .token_fields import TokenFields, fold_leaf, role_refs, token_problems


class KubernetesRole(TokenFields):
    """Which service accounts may log in, and what login gives."""

    bound_service_account_names: StringSet
    bound_service_account_namespaces: StringSet = ()
    bound_service_account_namespace_selector: Text = ""
    audience: Text = ""
    alias_name_source: Literal["serviceaccount_uid", "serviceaccount_name"] = "serviceaccount_uid"


ROLES = Folder("auth/{mount}/role", plain(KubernetesRole), frozenset({"kubernetes"}))


def _problems(name: str, spec: KubernetesRole) -> Iterator[str]:
    yield from token_problems(name, spec)
    if not spec.bound_service_account_names:
        yield "bound_service_account_names must name at least one account, or '*'"
    if not (spec.bound_service_account_namespaces or spec.bound_service_account_namespace_selector):
        yield "one of bound_service_account_namespaces and bound_service_account_namespace_selector is needed"
    for field in ("bound_service_account_names", "bound_service_account_namespaces"):
        bound = getattr(spec, field)
        if "*" in bound and len(bound) > 1:
            yield f"{field} cannot mix '*' with names"


KUBERNETES_ROLE = Kind(
    name="vault.kubernetes_role",
    paths=("auth/{mount}/role/+",),
    backend="vault",
    spec=KubernetesRole,
    read=ROLES.read,
    write=ROLES.write,
    refs=role_refs,
    check=_problems,
    fold=fold_leaf,
)
