"""`vault.pki_role`: what certificates a PKI engine issues. Names are MOUNT/ROLE. The endpoint replaces: every field is sent."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from reconciler.core.kind import Kind, Ref
from reconciler.core.resource import Spec
from reconciler.core.values import Seconds, StringList, StringSet, Text, show_duration

from .listed import Folder, plain

_KEY_USAGES = (
    "DigitalSignature",
    "ContentCommitment",
    "KeyEncipherment",
    "DataEncipherment",
    "KeyAgreement",
    "CertSign",
    "CRLSign",
    "EncipherOnly",
    "DecipherOnly",
)
_EXT_KEY_USAGES = (
    "Any",
    "ServerAuth",
    "ClientAuth",
    "CodeSigning",
    "EmailProtection",
    "IPSECEndSystem",
    "IPSECTunnel",
    "IPSECUser",
    "TimeStamping",
    "OCSPSigning",
    "MicrosoftServerGatedCrypto",
    "NetscapeServerGatedCrypto",
    "MicrosoftCommercialCodeSigning",
    "MicrosoftKernelCodeSigning",
)
_SPELLING = {name.lower(): name for name in (*_KEY_USAGES, *_EXT_KEY_USAGES)}
_KEY_BITS = {"rsa": 2048, "ec": 256}  # what the server takes for 0
_BITS = {"rsa": (2048, 3072, 4096, 8192), "ec": (224, 256, 384, 521), "ed25519": (), "any": (224, 256, 384, 521, 2048, 3072, 4096, 8192)}
_VALIDATIONS = ("email", "hostname")  # what the server takes for none


def _issuer(given: object) -> object:
    """An empty reference is the default issuer."""
    return given or "default"


def _spelled(given: object) -> object:
    """The server reads usages without regard to case and keeps what was written."""
    listed = given.split(",") if isinstance(given, str) else given
    if not isinstance(listed, list | tuple):
        return listed
    return [_SPELLING.get(str(entry).strip().lower(), str(entry).strip()) for entry in listed]


def _networks(given: object) -> object:
    """The server keeps the network of `10.0.0.1/8`: 10.0.0.0/8."""
    listed = given.split(",") if isinstance(given, str) else given
    if not isinstance(listed, list | tuple):
        return listed
    if bare := [entry for entry in listed if "/" not in str(entry)]:
        raise ValueError(f"{bare[0]!r} is not a network (write {bare[0]}/32)")
    return [str(ipaddress.ip_network(str(entry).strip(), strict=False)) for entry in listed]


def _validations(given: tuple[str, ...]) -> tuple[str, ...]:
    return given or _VALIDATIONS


Usages = Annotated[StringSet, BeforeValidator(_spelled)]


class PkiRole(Spec):
    """What may be in a certificate. Parts of the subject keep their order; other lists are sets. Durations in seconds."""

    issuer_ref: Annotated[str, BeforeValidator(_issuer)] = "default"
    ttl: Seconds = 0
    max_ttl: Seconds = 0
    not_before: Text = ""
    not_before_bound: Text = "permit"
    not_before_duration: Seconds = 30
    not_after: Text = ""
    not_after_bound: Text = "permit"
    allow_any_name: bool = False
    allow_bare_domains: bool = False
    allow_glob_domains: bool = False
    allow_globs_in_identity_templates: bool = False
    allow_ip_sans: bool = True
    allow_localhost: bool = True
    allow_subdomains: bool = False
    allow_wildcard_certificates: bool = True
    allowed_domains: StringSet = ()
    allowed_domains_template: bool = False
    allowed_ip_sans_cidr: Annotated[StringSet, BeforeValidator(_networks)] = ()
    allowed_other_sans: StringSet = ()
    allowed_serial_numbers: StringSet = ()
    allowed_uri_sans: StringSet = ()
    allowed_uri_sans_template: bool = False
    allowed_user_ids: StringSet = ()
    basic_constraints_valid_for_non_ca: bool = False
    client_flag: bool = True
    server_flag: bool = True
    code_signing_flag: bool = False
    email_protection_flag: bool = False
    cn_validations: Annotated[StringSet, AfterValidator(_validations)] = _VALIDATIONS
    enforce_hostnames: bool = True
    require_cn: bool = True
    key_type: Literal["rsa", "ec", "ed25519", "any"] = "rsa"
    key_bits: Annotated[int, Field(ge=0)] = 0
    signature_bits: Annotated[int, Field(ge=0)] = 0
    use_pss: bool = False
    key_usage: Usages = ("DigitalSignature", "KeyAgreement", "KeyEncipherment")
    ext_key_usage: Usages = ()
    ext_key_usage_oids: StringSet = ()
    policy_identifiers: StringSet = ()
    use_csr_common_name: bool = True
    use_csr_sans: bool = True
    country: StringList = ()
    province: StringList = ()
    locality: StringList = ()
    street_address: StringList = ()
    postal_code: StringList = ()
    organization: StringList = ()
    ou: StringList = ()
    generate_lease: bool = False
    no_store: bool = False

    @field_validator("key_bits")
    @classmethod
    def _as_the_server_fills_in(cls, given: int, known: ValidationInfo) -> int:
        return 0 if given == _KEY_BITS.get(known.data.get("key_type", "")) else given


ROLES = Folder("{mount}/roles", plain(PkiRole), frozenset({"pki"}))


def _refs(name: str, _spec: PkiRole) -> Iterator[Ref]:
    yield Ref("name", "vault.secrets_engine", name, within=True)


def _problems(_name: str, spec: PkiRole) -> Iterator[str]:
    if 0 < spec.max_ttl < spec.ttl:
        yield f"ttl {show_duration(spec.ttl)} is larger than max_ttl {show_duration(spec.max_ttl)}"
    if spec.key_bits and spec.key_bits not in _BITS[spec.key_type]:
        yield f"key_bits {spec.key_bits} is no size of key_type {spec.key_type}"
    if spec.no_store and spec.generate_lease:
        yield "generate_lease has no effect with no_store (remove one)"


PKI_ROLE = Kind(
    name="vault.pki_role",
    paths=("{mount}/roles/+",),
    backend="vault",
    spec=PkiRole,
    read=ROLES.read,
    write=ROLES.write,
    refs=_refs,
    check=_problems,
)
