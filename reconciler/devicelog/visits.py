"""What one response says: who asked for what, from where, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

Ending = Literal["done", "failed", "denied", "login", "failed login", "unknown token"]
"""`failed`: the request was allowed, and did not work. `unknown token`: one that is none, or that has ended."""

LONGEST = 1000  # characters of a path or name: whoever comes may send megabytes
WRITES = frozenset({"create", "update", "patch", "delete"})
_ROLE_KINDS = {
    "approle": ("vault.approle_role", "role_name"),
    "jwt": ("vault.jwt_role", "role"),
    "oidc": ("vault.jwt_role", "role"),
    "kubernetes": ("vault.kubernetes_role", "role"),
    "cert": ("vault.cert_role", "cert_name"),
    "userpass": ("vault.userpass_user", "username"),
}


class Login(NamedTuple):
    """What a login says of the token that it gives."""

    kind: str
    """Of the role, as documents name it; empty where the method is none of ours."""
    name: str
    """MOUNT/ROLE."""
    namespace: str


class Visit(NamedTuple):
    """One request that was answered."""

    time: str
    """UTC, to the second, as ISO 8601."""
    ending: Ending
    operation: str
    path: str
    """As seen from its namespace."""
    namespace: str
    address: str
    token: str
    """The keyed hash of the token that was used, or that a login gave; empty: none was."""
    display: str
    entity: str
    role: str
    """Of a token that came from a role: the role's name alone."""
    run: str
    """What was sent as X-Correlation-Id, where the server keeps that."""
    login: Login | None = None
    version: str = ""
    """Of a KV v2 secret, that was written or read: a number, and numbers are not hashed."""


def visit_of(entry: Mapping[str, Any]) -> Visit | None:
    """Read a response; None for what has no request or no time, which no device writes."""
    request, auth, response = _map(entry, "request"), _map(entry, "auth"), _map(entry, "response")
    time = f"{_text(entry, 'time')[:19]}Z"
    if not request.get("path") or not _is_moment(time):
        return None
    given = _map(response, "auth")
    # A login gives its token by `response.auth`, and repeats there what it says under `auth`.
    is_login = bool(given) and not request.get("client_token")
    who = given if is_login else auth
    return Visit(
        time,
        _ending(entry, request, auth, response, is_login=is_login),
        _text(request, "operation"),
        _text(request, "path"),
        _text(_map(request, "namespace"), "path").strip("/"),
        _text(request, "remote_address"),
        _text(who, "client_token") or _text(request, "client_token"),
        _text(who, "display_name"),
        _text(who, "entity_id"),
        _role(_map(who, "metadata")),
        _run(request),
        _login(request, given) if is_login else None,
        _version(_map(response, "data")),
    )


def _is_moment(time: str) -> bool:
    try:
        datetime.fromisoformat(time)
    except ValueError:
        return False
    return len(time) == len("2027-01-15T12:00:00Z")


def _ending(
    entry: Mapping[str, Any], request: Mapping[str, Any], auth: Mapping[str, Any], response: Mapping[str, Any], *, is_login: bool
) -> Ending:
    if is_login:
        return "login"
    # What a plugin answers with 400 has no error of the server's own, but one among its (hashed) content.
    error, has_failed = _text(entry, "error"), bool(entry.get("error")) or "error" in _map(response, "data")
    if not has_failed:
        return "done"
    if not request.get("client_token"):
        return "failed login" if _text(request, "path").startswith("auth/") else "failed"
    if not (auth.get("display_name") or auth.get("policies") or auth.get("accessor")):
        return "unknown token"
    return "denied" if "permission denied" in error else "failed"


def _login(request: Mapping[str, Any], given: Mapping[str, Any]) -> Login:
    namespace = _text(_map(request, "namespace"), "path").strip("/")
    mount = _text(request, "mount_point").removeprefix(f"{namespace}/" if namespace else "").removeprefix("auth/").strip("/")
    kind, key = _ROLE_KINDS.get(_text(request, "mount_type"), ("", ""))
    name = _text(_map(given, "metadata"), key) if key else ""
    return Login(kind if name else "", f"{mount}/{name}" if name else mount, namespace)


def _role(metadata: Mapping[str, Any]) -> str:
    return next((_text(metadata, key) for _, key in _ROLE_KINDS.values() if metadata.get(key)), "")


def _run(request: Mapping[str, Any]) -> str:
    headers = _map(request, "headers")
    found = next((value for name, value in headers.items() if str(name).lower() == "x-correlation-id"), None)
    return str(found[0])[:LONGEST] if isinstance(found, list) and found else ""


def _version(content: Mapping[str, Any]) -> str:
    found = content.get("version", _map(content, "metadata").get("version"))
    return str(found) if isinstance(found, int) else ""


def _map(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = given.get(name)
    return found if isinstance(found, Mapping) else {}


def _text(given: Mapping[str, Any], name: str) -> str:
    found = given.get(name)
    return found[:LONGEST] if isinstance(found, str) else ""
