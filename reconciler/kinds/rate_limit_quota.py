"""`vault.rate_limit_quota`: how many requests a path takes. Quotas exist in the root namespace only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from reconciler.backends.vault.client import VaultClient
from reconciler.core.errors import BackendError
from reconciler.core.kind import Gap, Kind, Live, Names, Reading, Ref
from reconciler.core.resource import Spec
from reconciler.core.values import Seconds, Text

from .listed import Body, Folder

_NOT_HERE = "rate limit quotas exist in the root namespace only (declare it there, with the namespace in its path)"


def _path(given: object) -> object:
    """The server ends the path of a mount or namespace in "/", and leaves what goes on below a mount as it is."""
    return "" if given is None else given.strip("/") if isinstance(given, str) else given


class RateLimitQuotaSpec(Spec):
    """At most `rate` requests in `interval`, on everything if `path` is empty."""

    rate: Annotated[float, Field(gt=0)]
    path: Annotated[str, BeforeValidator(_path)] = ""
    interval: Seconds = 1
    block_interval: Seconds = 0
    role: Text = ""
    inheritable: bool | None = None
    """Left out: true for a quota on everything, else false, as the server has it."""

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("inheritable") is None:
            return {**given, "inheritable": not _path(given.get("path"))}
        return given


def _live(body: Body) -> Live[RateLimitQuotaSpec]:
    return Live(RateLimitQuotaSpec.from_live(body))


_FOLDER = Folder("sys/quotas/rate-limit", _live)


def _read(client: VaultClient, names: Names) -> Reading[RateLimitQuotaSpec]:
    try:
        return _FOLDER.read(client, names)
    except BackendError as error:
        # What every namespace but the root answers.
        if error.status != 400:
            raise
    return Reading({}, tuple(Gap(name, _FOLDER.at(name), "read", _NOT_HERE) for name in sorted(names.wanted)))


def _check(_name: str, spec: RateLimitQuotaSpec) -> Iterator[str]:
    if spec.role and "auth/" not in f"{spec.path}/":
        yield "role needs the path of the auth method whose role it is (path: auth/approle)"


def _refs(_name: str, spec: RateLimitQuotaSpec) -> Iterator[Ref]:
    """Hints, since a path may begin with a namespace or with a mount, and only the server can say which."""
    if spec.path.startswith("auth/"):
        yield Ref("path", "vault.auth_method", spec.path.removeprefix("auth/"), soft=True, within=True, hint=True)
    elif spec.path:
        yield Ref("path", "vault.secrets_engine", spec.path, soft=True, within=True, hint=True)
        yield Ref("path", "vault.namespace", spec.path, soft=True, within=True, hint=True)


RATE_LIMIT_QUOTA = Kind(
    name="vault.rate_limit_quota",
    paths=("sys/quotas/rate-limit/+",),
    backend="vault",
    spec=RateLimitQuotaSpec,
    read=_read,
    write=_FOLDER.write,
    refs=_refs,
    check=_check,
    immutable=frozenset({"role"}),  # the server takes another one and keeps the first
)
