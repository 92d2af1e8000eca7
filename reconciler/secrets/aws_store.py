"""AWS Secrets Manager as a store.

AWS has no check-and-set on values. Its one operation that checks what it replaces is the move of a label, so a put that
expects a version first writes the new one under a label of ours, which no reader follows, and then moves AWSCURRENT from
the version it expects. Of two writers one move fails, and that is the conflict. Any refusal of the move is answered by
looking where the label is: an earlier attempt of ours whose answer was lost may have moved it.

A deleted secret takes no put: it is restored first, and until the put is done readers get what it had when it was deleted.

AWS cannot destroy a version. One without any label is deprecated and later removed by AWS; here it counts as unreadable.
"""

from __future__ import annotations

import datetime
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

from ..core.errors import BackendError, Conflict, Denied, Missing, Unavailable, Usage
from .store import SINGLE, Held, Version, checked_path, checked_value, value_of

LIVE = "AWSCURRENT"
HISTORY = "reconciler-history-"  # by which a migration has a version stay readable
STAGED = "reconciler-put"
"""The label of a version that is not yet what readers get. One name for all puts: a version that loses it to another put
can still be moved to, and a put that was killed leaves nothing to tidy up."""
RECOVERY_DAYS = 30  # how long a deleted secret can be restored: the longest that AWS offers
_SERVICE = "secretsmanager"
_FIRST = uuid.UUID("0c5b7d39-6d43-4c68-8f0e-7a4a5a4be3c2")  # names the token of a first version; any constant would do
_VERSION_IDS = range(32, 65)  # characters; anything else is refused before it is looked up
_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
LARGEST = 65_536  # bytes of a value, as the JSON that it is kept as
_NO_TAG = re.compile(r"[^\w\s.:/=+\-@]")
_ATTEMPTS = 5


class Aws(Protocol):
    """What is needed of `AwsClient`."""

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]: ...
    def change(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]: ...
    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]: ...


class AwsStore:
    """The secrets of one account and region whose names begin with `prefix`."""

    def __init__(self, name: str, client: Aws, prefix: str = "", token: Callable[[], str] = lambda: str(uuid.uuid4())) -> None:
        self.name = name
        self._client = client
        self._prefix = prefix
        self._token = token

    def check(self, path: str, value: Mapping[str, str]) -> None:
        if not self._possible(path):
            remedy = "letters, digits and /_+=.@- only, 512 with the prefix"
            raise Usage(f"{path}: {self.name} cannot hold a secret of this name ({remedy})")
        if len(_text(checked_value(path, value)).encode()) > LARGEST:
            raise Usage(f"{path}: {self.name} holds values of {LARGEST:,} bytes at most (keep the rest in a secret of its own)")

    def get(self, path: str, version: str = "") -> Held | None:
        if not self._possible(path) or (version and len(version) not in _VERSION_IDS):
            return None  # a path or a version of another store
        wanted = {"VersionId": version} if version else {"VersionStage": LIVE}
        try:
            answer = self._client.call(_SERVICE, "get_secret_value", SecretId=self._id(path), **wanted)
        except Missing:
            return None
        except Denied:
            raise
        except BackendError:
            if self._about(path).get("DeletedDate"):
                return None
            raise
        if not answer.get("VersionStages"):
            return None
        if "SecretString" not in answer:
            raise BackendError(f"{path}: holds binary content in {self.name}, not text", path=path)
        return Held(_parsed(str(answer["SecretString"])), str(answer["VersionId"]))

    def put(self, path: str, value: Mapping[str, str], expected: str | None = None) -> str:
        self.check(path, value)
        text = _text(value)
        if expected is not None:
            return self._put(path, text, expected)
        for _ in range(_ATTEMPTS):
            with suppress(Conflict):  # it was made or deleted since we looked
                return self._put(path, text, None)
        raise Conflict(f"{path}: others make and delete it all the time", path=path)

    def promote(self, path: str, value: Mapping[str, str], expected: str, attempt: int) -> str:
        """Put what replaces a version. Those who do it at once, or again, make one version of it. Raises Conflict."""
        about = self._about(path)
        if not expected or about.get("DeletedDate") or _live(about.get("VersionIdsToStages") or {}) != expected:
            return self.put(path, value, expected)
        text = json.dumps(checked_value(path, value), ensure_ascii=False)
        token = str(uuid.uuid5(_FIRST, f"{about['ARN']} {expected} {attempt}"))
        try:
            # Under our label and not AWSPENDING: what is cut off here must not look like a rotation of AWS's own.
            made = self._write(path, text, token, STAGED)
        except Conflict:
            return self.put(path, value, expected)  # an attempt of that number had another value: its state was lost
        return self._move(path, made, expected, shared=True)

    def list(self, prefix: str = "") -> tuple[str, ...]:
        whole = self._prefix + prefix
        filters = {"Filters": [{"Key": "name", "Values": [whole]}]} if whole else {}
        found = self._client.pages(_SERVICE, "list_secrets", "SecretList", **filters)
        # AWS's filter takes no notice of case.
        names = (
            str(one["Name"])
            for one in found
            if not one.get("DeletedDate") and _live(one.get("SecretVersionsToStages", {"": [LIVE]})) is not None
        )
        return tuple(sorted(name.removeprefix(self._prefix) for name in names if name.startswith(whole)))

    def versions(self, path: str) -> tuple[Version, ...]:
        about = self._about(path)
        found = list(self._all_versions(path)) if about and not about.get("DeletedDate") else []
        # What is live comes first: versions of one second have no order of their own.
        found.sort(key=lambda one: (LIVE in one.get("VersionStages", ()), _moment(one)), reverse=True)
        return tuple(_version(one) for one in found)

    def _all_versions(self, path: str) -> Iterator[dict[str, Any]]:
        token = ""
        while True:  # botocore has no paginator for this one
            rest = {"NextToken": token} if token else {}
            page = self._client.call(_SERVICE, "list_secret_version_ids", SecretId=self._id(path), IncludeDeprecated=True, **rest)
            yield from page.get("Versions", ())
            token = page.get("NextToken") or ""
            if not token:
                return

    def labelled(self, path: str) -> Mapping[str, str]:
        """Which version each label is on."""
        return {label: version for version, labels in self._about(path).get("VersionIdsToStages", {}).items() for label in labels}

    def metadata(self, path: str) -> Mapping[str, str]:
        return {str(tag["Key"]): str(tag["Value"]) for tag in self._about(path).get("Tags", ())}

    def annotate(self, path: str, metadata: Mapping[str, str]) -> None:
        # Tags take fewer characters than the metadata of others, and these are for people to read.
        tags = [{"Key": key, "Value": _NO_TAG.sub("_", text)[:256]} for key, text in metadata.items()]
        self._client.change(_SERVICE, "tag_resource", SecretId=self._id(path), Tags=tags)

    def delete(self, path: str) -> None:
        about = self._about(path)
        if about and not about.get("DeletedDate"):
            self._client.change(_SERVICE, "delete_secret", SecretId=self._id(path), RecoveryWindowInDays=RECOVERY_DAYS)

    def destroy(self, path: str, version: str) -> None:
        labels = [label for label, holder in self.labelled(path).items() if holder == version]
        if LIVE in labels:
            raise BackendError(f"{path}: what readers get cannot be destroyed in {self.name} (put another value, or delete it)", path=path)
        for label in labels:
            self._client.change(
                _SERVICE, "update_secret_version_stage", SecretId=self._id(path), VersionStage=label, RemoveFromVersionId=version
            )

    def rotates(self, path: str) -> bool:
        """Whether AWS itself rotates the secret, by a function of its own."""
        return bool(self._about(path).get("RotationEnabled"))

    def probe(self) -> str:
        try:
            self._client.call(_SERVICE, "describe_secret", SecretId=self._id("_probe"))
        except (Missing, Denied):  # it answers, and knows who asks
            return ""
        except BackendError as error:
            return str(error)
        return ""

    def _id(self, path: str) -> str:
        return self._prefix + checked_path(path)

    def _possible(self, path: str) -> bool:
        return _NAME.fullmatch(self._id(path)) is not None

    def _about(self, path: str) -> dict[str, Any]:
        if not self._possible(path):
            return {}
        try:
            return self._client.call(_SERVICE, "describe_secret", SecretId=self._id(path))
        except Missing:
            return {}

    def _put(self, path: str, text: str, expected: str | None) -> str:
        about = self._about(path)
        live, deleted = _live(about.get("VersionIdsToStages") or {}) or "", bool(about.get("DeletedDate"))
        if expected is not None and expected != ("" if deleted else live):
            raise self._conflict(path)
        if not about:
            return self._create(path, text)
        if deleted:
            self._client.change(_SERVICE, "restore_secret", SecretId=self._id(path))
        if not live:
            # Whoever makes the first version makes this token, and AWS takes one content for it.
            return self._write(path, text, str(uuid.uuid5(_FIRST, str(about["ARN"]))))
        return self._write(path, text, self._token()) if expected is None else self._replace(path, text, live)

    def _create(self, path: str, text: str) -> str:
        token = self._token()
        try:
            self._client.change(_SERVICE, "create_secret", Name=self._id(path), SecretString=text, ClientRequestToken=token)
        except Unavailable:
            if self.labelled(path).get(LIVE) != token:
                raise
        return token

    def _write(self, path: str, text: str, token: str, *labels: str) -> str:
        parameters: dict[str, Any] = {"SecretId": self._id(path), "SecretString": text, "ClientRequestToken": token}
        answer = self._client.change(_SERVICE, "put_secret_value", **parameters, **({"VersionStages": [*labels]} if labels else {}))
        return str(answer["VersionId"])

    def _replace(self, path: str, text: str, follows: str) -> str:
        return self._move(path, self._write(path, text, self._token(), STAGED), follows)

    def _move(self, path: str, made: str, follows: str, *, shared: bool = False) -> str:
        """Let readers get a version. `shared`: others may be about to do the same with it, so it is left to them."""
        move = {"VersionStage": LIVE, "MoveToVersionId": made, "RemoveFromVersionId": follows}
        try:
            self._client.change(_SERVICE, "update_secret_version_stage", SecretId=self._id(path), **move)
        except BackendError:
            labels = self.labelled(path)
            if labels.get(LIVE) == made:
                return made
            if not shared and [label for label, version in labels.items() if version == made] == [STAGED]:
                with suppress(BackendError):  # a value that nobody took must not stay readable; AWS removes it in time anyway
                    self.destroy(path, made)
            if labels.get(LIVE) != follows:
                raise self._conflict(path) from None
            raise
        return made

    def _conflict(self, path: str) -> Conflict:
        return Conflict(f"{path}: somebody else wrote it in {self.name} meanwhile (read it again)", path=path)


def _live(stages: Mapping[str, Any]) -> str | None:
    return next((version for version, labels in stages.items() if LIVE in labels), None)


def _text(value: Mapping[str, str]) -> str:
    return json.dumps(dict(value), ensure_ascii=False)


def _parsed(text: str) -> dict[str, str]:
    try:
        held = json.loads(text)
    except ValueError:
        held = None
    return value_of(held) if isinstance(held, dict) else {SINGLE: text}


def _moment(about: Mapping[str, Any]) -> datetime.datetime:
    made = about.get("CreatedDate")
    return made.astimezone(datetime.UTC) if isinstance(made, datetime.datetime) else datetime.datetime.min.replace(tzinfo=datetime.UTC)


def _version(about: Mapping[str, Any]) -> Version:
    labels = tuple(sorted(about.get("VersionStages") or ()))
    made = _moment(about).strftime("%Y-%m-%dT%H:%M:%SZ") if about.get("CreatedDate") else ""
    return Version(str(about["VersionId"]), made, bool(labels), labels)
