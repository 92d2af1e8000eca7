"""A double of AWS Secrets Manager that keeps the documented rules which moto does not, for crashes and races.

Kept here, by the API reference: one `ClientRequestToken` has one content; a label is on one version; AWSCURRENT moves only
from the version that is named, leaves AWSPREVIOUS behind, and a refused move changes nothing; a secret that waits for its
deletion answers nothing but DescribeSecret and RestoreSecret. Errors are those that `AwsClient` makes of AWS's answers.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from reconciler.core.errors import BackendError, Conflict, Missing

Crash = Callable[[str, str], None]
"""Called with "before" or "after" and the operation; raises what shall happen there."""


def never(_when: str, _operation: str) -> None: ...


@dataclass
class Kept:
    """One secret."""

    arn: str
    contents: dict[str, str] = field(default_factory=dict)
    made: dict[str, datetime.datetime] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)  # label -> version: by its shape on one version at most
    tags: dict[str, str] = field(default_factory=dict)
    deleted: datetime.datetime | None = None
    rotates: bool = False

    def stages(self, version: str) -> list[str]:
        return sorted(label for label, holder in self.labels.items() if holder == version)


class AwsDouble:
    """Stands where `AwsClient` stands. `crash` is called around each operation that changes something."""

    def __init__(self, crash: Crash = never) -> None:
        self.secrets: dict[str, Kept] = {}
        self.crash = crash
        self.calls: list[str] = []
        self._lock = threading.Lock()
        self._ticks = 0

    def call(self, service: str, operation: str, **given: Any) -> dict[str, Any]:
        return self._do(service, operation, given)

    def change(self, service: str, operation: str, **given: Any) -> dict[str, Any]:
        self.crash("before", operation)
        answer = self._do(service, operation, given)
        self.crash("after", operation)
        return answer

    def pages(self, service: str, operation: str, key: str, **given: Any) -> Iterator[dict[str, Any]]:
        yield from self._do(service, operation, given)[key]

    def _do(self, service: str, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        assert service == "secretsmanager"
        answer: Callable[..., dict[str, Any]] = getattr(self, f"_{operation}")
        with self._lock:
            self.calls.append(operation)
            return answer(**given)

    def _found(self, secret_id: str, operation: str, *, deleted_too: bool = False) -> Kept:
        kept = next((one for name, one in self.secrets.items() if secret_id in (name, one.arn)), None)
        if kept is None:
            raise Missing(f"secretsmanager:{operation} on {secret_id}: not found", path=secret_id, status=400)
        if kept.deleted and not deleted_too:
            raise _refused(operation, secret_id, "InvalidRequestException")
        return kept

    def _now(self) -> datetime.datetime:
        self._ticks += 1
        return datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(seconds=self._ticks)

    def _create_secret(self, Name: str, ClientRequestToken: str, SecretString: str | None = None) -> dict[str, Any]:
        known = self.secrets.get(Name)
        if known and not known.deleted and known.contents.get(ClientRequestToken) == SecretString is not None:
            return {"ARN": known.arn, "VersionId": ClientRequestToken}
        if known:
            raise Conflict(f"secretsmanager:create_secret on {Name}: exists", path=Name, status=400)
        kept = self.secrets[Name] = Kept(f"arn:aws:secretsmanager:us-east-1:123456789012:secret:{Name}-AbCdEf")
        if SecretString is None:
            return {"ARN": kept.arn}
        self._add(kept, ClientRequestToken, SecretString, ["AWSCURRENT"])
        return {"ARN": kept.arn, "VersionId": ClientRequestToken}

    def _put_secret_value(
        self, SecretId: str, SecretString: str, ClientRequestToken: str, VersionStages: list[str] | None = None
    ) -> dict[str, Any]:
        kept = self._found(SecretId, "put_secret_value")
        held = kept.contents.get(ClientRequestToken)
        if held is not None and held != SecretString:
            raise Conflict(f"secretsmanager:put_secret_value on {SecretId}: ResourceExistsException", path=SecretId, status=400)
        if held is None:
            first = [] if "AWSCURRENT" in kept.labels else ["AWSCURRENT"]
            self._add(kept, ClientRequestToken, SecretString, [*(VersionStages or ["AWSCURRENT"]), *first])
        return {"ARN": kept.arn, "VersionId": ClientRequestToken, "VersionStages": kept.stages(ClientRequestToken)}

    def _add(self, kept: Kept, version: str, content: str, labels: list[str]) -> None:
        kept.contents[version], kept.made[version] = content, self._now()
        for label in labels:
            self._move(kept, label, version)

    def _move(self, kept: Kept, label: str, version: str) -> None:
        before = kept.labels.get(label)
        kept.labels[label] = version
        if label == "AWSCURRENT" and before and before != version:
            kept.labels["AWSPREVIOUS"] = before

    def _update_secret_version_stage(
        self, SecretId: str, VersionStage: str, MoveToVersionId: str | None = None, RemoveFromVersionId: str | None = None
    ) -> dict[str, Any]:
        kept = self._found(SecretId, "update_secret_version_stage")
        holder = kept.labels.get(VersionStage)
        unknown = MoveToVersionId is not None and MoveToVersionId not in kept.contents
        if unknown or holder != RemoveFromVersionId or (VersionStage == "AWSCURRENT" and MoveToVersionId is None):
            raise _refused("update_secret_version_stage", SecretId, "InvalidParameterException")
        if MoveToVersionId is not None:
            self._move(kept, VersionStage, MoveToVersionId)
        elif holder:
            del kept.labels[VersionStage]
        return {"ARN": kept.arn}

    def _get_secret_value(self, SecretId: str, VersionId: str | None = None, VersionStage: str | None = None) -> dict[str, Any]:
        kept = self._found(SecretId, "get_secret_value")
        version = VersionId or kept.labels.get(VersionStage or "AWSCURRENT", "")
        if version not in kept.contents or (VersionStage and version != kept.labels.get(VersionStage)):
            raise Missing(f"secretsmanager:get_secret_value on {SecretId}: not found", path=SecretId, status=400)
        return {"VersionId": version, "SecretString": kept.contents[version], "VersionStages": kept.stages(version)}

    def _describe_secret(self, SecretId: str) -> dict[str, Any]:
        kept = self._found(SecretId, "describe_secret", deleted_too=True)
        stages = {version: labels for version in kept.contents if (labels := kept.stages(version))}
        tags = [{"Key": key, "Value": text} for key, text in kept.tags.items()]
        about = {"ARN": kept.arn, "VersionIdsToStages": stages, "Tags": tags, "RotationEnabled": kept.rotates}
        return {**about, "DeletedDate": kept.deleted} if kept.deleted else about

    def _list_secret_version_ids(self, SecretId: str, IncludeDeprecated: bool = False) -> dict[str, Any]:
        kept = self._found(SecretId, "list_secret_version_ids")
        all_of_them = [
            {"VersionId": version, "VersionStages": kept.stages(version), "CreatedDate": kept.made[version]} for version in kept.contents
        ]
        return {"Versions": [one for one in all_of_them if IncludeDeprecated or one["VersionStages"]]}

    def _list_secrets(self, Filters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        prefixes = [str(one["Values"][0]).lower() for one in Filters or ()]
        return {
            "SecretList": [
                {"Name": name, "SecretVersionsToStages": {version: kept.stages(version) for version in kept.contents}}
                for name, kept in self.secrets.items()
                if not kept.deleted and all(name.lower().startswith(prefix) for prefix in prefixes)
            ]
        }

    def _delete_secret(self, SecretId: str, RecoveryWindowInDays: int) -> dict[str, Any]:
        kept = self._found(SecretId, "delete_secret")
        kept.deleted = self._now()
        return {"ARN": kept.arn, "DeletionDate": kept.deleted + datetime.timedelta(days=RecoveryWindowInDays)}

    def _restore_secret(self, SecretId: str) -> dict[str, Any]:
        kept = self._found(SecretId, "restore_secret", deleted_too=True)
        kept.deleted = None
        return {"ARN": kept.arn}

    def _tag_resource(self, SecretId: str, Tags: list[dict[str, str]]) -> dict[str, Any]:
        self._found(SecretId, "tag_resource").tags.update({tag["Key"]: tag["Value"] for tag in Tags})
        return {"ARN": SecretId}


def _refused(operation: str, secret_id: str, code: str) -> BackendError:
    return BackendError(f"secretsmanager:{operation} on {secret_id}: AWS refuses ({code})", path=secret_id, status=400)
