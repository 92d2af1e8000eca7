"""`vault.auth_config`: how an auth method trusts whoever logs in. Its name is the method's mount."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, WithJsonSchema

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Change
from reconciler.core.errors import BackendError
from reconciler.core.kind import Gap, Kind, Names, Reading, Ref
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal, Secret
from reconciler.core.values import StringList, StringSet, Text

from .mount_config import body_for, misfits, read_configs, says_nothing, set_fields


def _pems(given: object) -> object:
    """The server strips the last line's end of a PEM, and makes a list of a single one."""
    listed = [given] if isinstance(given, str) and given else given
    return tuple(str(pem).strip() for pem in listed) if isinstance(listed, list | tuple) else listed or ()


def _pem(given: object) -> object:
    return given.strip() if isinstance(given, str) else given or ""


def _folded(given: object) -> object:
    return given.lower() if isinstance(given, str) else given or ""  # as role names are


_PEM_SCHEMA = {"type": ["array", "string"], "items": {"type": "string"}}
Pems = Annotated[tuple[str, ...], BeforeValidator(_pems), WithJsonSchema(_PEM_SCHEMA)]
Pem = Annotated[str, BeforeValidator(_pem)]


class JwtConfig(Spec):
    """JWT and OIDC: exactly one of discovery URL, JWKS URL and public keys."""

    oidc_discovery_url: Text = ""
    oidc_discovery_ca_pem: Pem = ""
    oidc_client_id: Text = ""
    oidc_client_secret: Secret | None = None
    oidc_response_mode: Text = ""
    oidc_response_types: StringList = ()
    jwks_url: Text = ""
    jwks_ca_pem: Pem = ""
    jwt_validation_pubkeys: Pems = ()
    jwt_supported_algs: StringSet = ()
    bound_issuer: Text = ""
    default_role: Annotated[str, BeforeValidator(_folded)] = ""
    provider_config: dict[str, Any] = {}
    namespace_in_state: bool = True
    override_allowed_server_names: StringList = ()
    skip_jwks_validation: bool = False


class KubernetesConfig(Spec):
    """Kubernetes: the cluster that vouches for service accounts."""

    kubernetes_host: Text = ""
    kubernetes_ca_cert: Pem = ""
    token_reviewer_jwt: Secret | None = None
    pem_keys: Pems = ()
    issuer: Text = ""
    disable_iss_validation: bool = True
    disable_local_ca_jwt: bool = False


class CertConfig(Spec):
    """TLS certificates."""

    disable_binding: bool = False
    enable_identity_alias_metadata: bool = False
    # A configuration that was never written says 0, which cannot be written: it means 100.
    ocsp_cache_size: Annotated[int, BeforeValidator(lambda given: given or 100)] = 100


class AuthConfigSpec(JwtConfig, KubernetesConfig, CertConfig):
    """The settings of one method; those of the others stay at their defaults."""

    sparse: ClassVar[bool] = True


SORTS: Final[Mapping[str, type[Spec]]] = {"jwt": JwtConfig, "oidc": JwtConfig, "kubernetes": KubernetesConfig, "cert": CertConfig}


def _mount(name: str) -> str:
    """Some write the path on the API, `jwt/config`, where the mount alone says it."""
    return name.removesuffix("/config")


def _path(name: str) -> str:
    return f"auth/{_mount(name)}/config"


def _read(client: VaultClient, names: Names) -> Reading[AuthConfigSpec]:
    asked = {_path(name): name for name in names.wanted}
    gaps: list[Gap] = []
    if names.everything:
        mounts = client.auth_mounts()
        if mounts is None:
            gaps.append(Gap("", "sys/auth", "read"))
        asked |= {_path(name): name for name, body in (mounts or {}).items() if body.get("type") in SORTS}
    live, more = read_configs(client, asked, AuthConfigSpec, _held)
    return Reading(live, tuple(sorted([*gaps, *more])))


def _held(body: Mapping[str, Any]) -> Mapping[str, bool]:
    """Only of this one does the server say whether it has it."""
    known = body.get("token_reviewer_jwt_set")
    return {} if known is None else {"token_reviewer_jwt": bool(known)}


def _write(client: VaultClient, change: Change[AuthConfigSpec], reveal: Reveal) -> None:
    name, after = change.address.name, change.after
    if after is None:
        return  # see `undeletable`; undoing a create leaves the configuration, as the server has no way back
    method = (client.auth_mounts() or {}).get(_mount(name), {}).get("type") or _guess(after)
    if method not in SORTS:
        raise BackendError(f"auth methods of type {method} have no configuration that is managed here", path=_path(name))
    client.write(_path(name), body_for(SORTS[method], after, reveal))


def _guess(spec: AuthConfigSpec) -> str:
    """The type of a mount that may not be listed: the one whose settings are used."""
    return next((method for method, sort in SORTS.items() if not list(misfits(spec, {method: sort}))), "jwt")


def _refs(name: str, spec: AuthConfigSpec) -> Iterator[Ref]:
    # Within: a method that is replaced loses its configuration.
    yield Ref("name", "vault.auth_method", _mount(name), within=True)
    if spec.default_role:
        yield Ref("default_role", "vault.jwt_role", f"{_mount(name)}/{spec.default_role}", soft=True)


def _check(_name: str, spec: AuthConfigSpec) -> Iterator[str]:
    yield from misfits(spec, SORTS)
    if says_nothing(spec):
        yield "sets nothing: every field has the server's default (set one, or remove the document)"
    given = set_fields(spec)
    sources = [spec.oidc_discovery_url, spec.jwks_url, spec.jwt_validation_pubkeys]
    if sum(map(bool, sources)) > 1:
        yield "takes one of oidc_discovery_url, jwks_url and jwt_validation_pubkeys"
    if given & JwtConfig.model_fields.keys() and not any(sources) and not spec.provider_config:
        yield "needs one of oidc_discovery_url, jwks_url and jwt_validation_pubkeys"
    if bool(spec.oidc_client_id) != (spec.oidc_client_secret is not None):
        yield "oidc_client_id and oidc_client_secret are given together, or neither"
    if spec.disable_local_ca_jwt and not spec.kubernetes_ca_cert:
        yield "disable_local_ca_jwt needs kubernetes_ca_cert"
    if not spec.kubernetes_host and given & KubernetesConfig.model_fields.keys():
        yield "kubernetes_host is missing"


def _asks(live: AuthConfigSpec) -> Iterator[str]:
    if live.oidc_client_id:
        yield "oidc_client_secret"


AUTH_CONFIG = Kind(
    name="vault.auth_config",
    paths=("auth/{mount}/config",),
    backend="vault",
    spec=AuthConfigSpec,
    read=_read,
    write=_write,
    refs=_refs,
    check=_check,
    fold=lambda name: name.strip("/"),
    asks=_asks,
    kept=frozenset({"skip_jwks_validation"}),
    undeletable="the configuration of an auth method cannot be deleted, only the method",
)
