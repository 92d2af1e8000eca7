"""Values in AWS Secrets Manager, as sources of write-only fields: `aws:NAME` or `aws:NAME#KEY` of a JSON map."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any

from ..backends.aws.client import AwsClient
from ..core.errors import BackendError, Conflict, Denied, Invalid, Missing, Problem
from .value import ABSENT, ATTEMPTS, UNKNOWN, Value, text_of

_SERVICE = "secretsmanager"
_TOKENS = uuid.UUID("6a1c5f0e-2c0b-4f0e-9d53-5f0f6a3f7a11")  # names our idempotency tokens; any constant would do


def aws_marks(client: AwsClient, locations: Iterable[str]) -> dict[str, str]:
    """The id of each secret's AWSCURRENT version, in parallel; no value is read."""
    names = tuple(locations)
    return dict(zip(names, client.map(lambda name: _mark(client, name), names), strict=True))


def aws_value(client: AwsClient, name: str, key: str) -> Value:
    """Read the AWSCURRENT version, or one key of it. Raises Missing."""
    text, version = _held(client, name)
    held = _keys(name, text) if key else {"": text}
    if held.get(key) is None:
        raise _nothing(name, key)
    return Value(text_of(held[key], _source(name, key)), version)


def aws_made(client: AwsClient, name: str, key: str, fresh: str) -> tuple[Value, str | None]:
    """Return the value, and keep `fresh` as that if there is none yet; other keys stay as they are.

    The second is the version that this write followed, None if nothing was written.
    """
    for _ in range(ATTEMPTS):
        text, follows = _held(client, name)
        held = _keys(name, text) if key and text is not None else {}
        if (text is not None and not key) or held.get(key) is not None:
            return aws_value(client, name, key), None
        content = json.dumps({**held, key: fresh}) if key else fresh
        # Whoever starts from the same version makes the same token, and AWS takes the first of them: its check-and-set.
        token = str(uuid.uuid5(_TOKENS, f"{name}\n{follows}"))
        try:
            return Value(fresh, _write(client, name, content, token)), follows
        except Conflict:
            continue  # somebody else was first, and theirs counts
    raise Conflict(f"{_source(name, key)} is written by others all the time; its value could not be made", path=name)


def _write(client: AwsClient, name: str, content: str, token: str) -> str:
    try:
        answer = client.change(_SERVICE, "put_secret_value", SecretId=name, SecretString=content, ClientRequestToken=token)
    except Missing:
        if name.startswith("arn:"):
            raise
        answer = client.change(_SERVICE, "create_secret", Name=name, SecretString=content, ClientRequestToken=token)
    return str(answer["VersionId"])


def _held(client: AwsClient, name: str) -> tuple[str | None, str]:
    """The AWSCURRENT text and its version id; None where there is none."""
    try:
        answer = client.call(_SERVICE, "get_secret_value", SecretId=name)
    except Missing:
        return None, ""
    if "SecretString" not in answer:
        raise Invalid([Problem(f"aws:{name}", "", "holds binary content, which cannot be written into a field")])
    return str(answer["SecretString"]), str(answer["VersionId"])


def _keys(name: str, text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        held = json.loads(text)
    except ValueError:
        held = None
    if not isinstance(held, dict):
        raise Invalid([Problem(f"aws:{name}", "", "is not a JSON map, so it has no keys", f"write aws:{name} without #KEY")])
    return held


def _mark(client: AwsClient, name: str) -> str:
    try:
        about = client.call(_SERVICE, "describe_secret", SecretId=name)
    except Missing:
        return ABSENT
    except Denied:
        return UNKNOWN
    versions = (about.get("VersionIdsToStages") or {}) if not about.get("DeletedDate") else {}
    return next((str(version) for version, stages in versions.items() if "AWSCURRENT" in stages), ABSENT)


def _source(name: str, key: str) -> str:
    return f"aws:{name}#{key}" if key else f"aws:{name}"


def _nothing(name: str, key: str) -> BackendError:
    remedy = f"write it once by hand, or declare it with `generate` and `to: {_source(name, key)}`"
    return Missing(f"{_source(name, key)} has no value ({remedy})", path=name)
