"""`vault.cert_role`: trusted certificates of TLS auth methods. Names are MOUNT/NAME; the server lower-cases the name."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator

from reconciler.backends.vault.client import VaultClient
from reconciler.core.kind import Kind, Live, Names, Reading
from reconciler.core.values import StringSet, Text

from .listed import Folder, plain
from .token_fields import TokenFields, fold_leaf, role_refs, token_problems


def _pem(given: object) -> object:
    """One text for one chain: blanks around lines and empty lines mean nothing."""
    if not isinstance(given, str):
        return given
    lines = [line.strip() for line in given.splitlines()]
    return "".join(f"{line}\n" for line in lines if line)


Pem = Annotated[Text, BeforeValidator(_pem)]


class _Unset(str):
    """The empty display name of a role that was read: it knows the role's own name, which says the same."""

    own: str

    def __new__(cls, own: str) -> Self:
        made = super().__new__(cls)
        made.own = own
        return made


class CertRole(TokenFields):
    """Which client certificates may log in, and what login gives. `display_name` is the role's name unless set."""

    certificate: Pem
    allowed_names: StringSet = ()
    allowed_common_names: StringSet = ()
    allowed_dns_sans: StringSet = ()
    allowed_email_sans: StringSet = ()
    allowed_uri_sans: StringSet = ()
    allowed_organizational_units: StringSet = ()
    required_extensions: StringSet = ()
    allowed_metadata_extensions: StringSet = ()
    display_name: Text = ""
    ocsp_enabled: bool = False
    ocsp_ca_certificates: Pem = ""
    ocsp_servers_override: StringSet = ()
    ocsp_fail_open: bool = False
    ocsp_query_all_servers: bool = False


ROLES = Folder("auth/{mount}/certs", plain(CertRole), frozenset({"cert"}))


def _read(client: VaultClient, names: Names) -> Reading[CertRole]:
    reading = ROLES.read(client, names)
    return reading._replace(live={name: _unnamed(name, found) for name, found in reading.live.items()})


def _unnamed(name: str, found: Live[CertRole]) -> Live[CertRole]:
    """The server answers the role's own name for a display name that is not set."""
    own = name.rpartition("/")[2]
    if found.spec.display_name != own:
        return found
    return found._replace(spec=found.spec.model_copy(update={"display_name": _Unset(own)}))


def _align(desired: CertRole, live: CertRole) -> CertRole:
    unset = live.display_name
    written = isinstance(unset, _Unset) and desired.display_name == unset.own
    return live.model_copy(update={"display_name": desired.display_name}) if written else live


CERT_ROLE = Kind(
    name="vault.cert_role",
    paths=("auth/{mount}/certs/+",),
    backend="vault",
    spec=CertRole,
    read=_read,
    write=ROLES.write,
    refs=role_refs,
    check=token_problems,
    align=_align,
    fold=fold_leaf,
)
