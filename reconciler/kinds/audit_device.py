"""`vault.audit_device`: where the server writes its own audit log.

OpenBao takes audit devices from its configuration file only: there they are compared, and a difference is reported with what
to put in that file. Vault takes them through the API, but cannot change one: every change is a replace.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Action, Change
from reconciler.core.errors import BackendError, Denied
from reconciler.core.kind import Gap, Kind, Live, Names, Reading
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import StringMap, Text

from .listed import understood

_NOT_HERE = "audit devices exist in the root namespace only"


class AuditDeviceSpec(Spec):
    """An audit device: `file`, `syslog` or `socket`, with options such as `file_path`."""

    type: str
    description: Text = ""
    local: bool = False
    options: StringMap = {}


def _read(client: VaultClient, names: Names) -> Reading[AuditDeviceSpec]:
    try:
        found = client.read("sys/audit")
    except Denied as denied:
        return Reading({}, (Gap("", denied.path, denied.capability),))
    except BackendError as error:
        # What every namespace but the root answers.
        if error.status != 400:
            raise
        return Reading({}, tuple(Gap(name, "sys/audit", "read", _NOT_HERE) for name in sorted(names.wanted)))
    devices = {name.rstrip("/"): body for name, body in (found or {}).items() if isinstance(body, dict)}
    read = devices if names.everything else {name: body for name, body in devices.items() if name in names.wanted}
    live, gaps = understood(read, lambda _: "sys/audit", lambda body: Live(AuditDeviceSpec.from_live(body)))
    return Reading(live, gaps, frozenset(devices) - read.keys())


def _write(client: VaultClient, change: Change[AuditDeviceSpec], _reveal: Reveal) -> None:
    name, after = change.address.name, change.after
    path = f"sys/audit/{name}"
    if client.dialect == "openbao":
        wanted = f"put it there: audit {after.type!r} {name!r} {{ ... }}" if after else f"take audit device {name!r} out there"
        raise BackendError(f"OpenBao takes audit devices from its server configuration only ({wanted}, then reload)", path=path)
    if after is None or change.action is Action.REPLACE:
        client.delete(path)
    if after is not None:
        client.write(path, dict(after.__dict__))


def _check(name: str, spec: AuditDeviceSpec) -> Iterator[str]:
    if not name or any(character.isspace() for character in name):
        yield f"{name!r} is not a path"
    if spec.type == "file" and not spec.options.get("file_path"):
        yield "an audit device of type file needs options: {file_path: ...}"


AUDIT_DEVICE = Kind(
    name="vault.audit_device",
    paths=("sys/audit", "sys/audit/*"),
    backend="vault",
    spec=AuditDeviceSpec,
    read=_read,
    write=_write,
    check=_check,
    fold=lambda name: name.strip("/"),
    immutable=frozenset(AuditDeviceSpec.model_fields),
)
