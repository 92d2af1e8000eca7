"""What an `aws.secret` is, and the calls that lead from one state of it to another. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from reconciler.access.iam_document import Document
from reconciler.backends.aws.shapes import Step, TagCalls, pairs_of
from reconciler.core.resource import Spec
from reconciler.core.values import StringMap, Text, canonical_json

SERVICE = "secretsmanager"
DEFAULT_KEY = "alias/aws/secretsmanager"
"""The key that AWS uses where none is given."""
_TAGS = TagCalls(SERVICE, "tag_resource", "untag_resource")


def _key(given: object) -> object:
    return "" if given is None or str(given).endswith(DEFAULT_KEY) else given


def _replicas(given: object) -> object:
    """A region alone is short for a replica under that region's default key."""
    if not isinstance(given, list | tuple):
        return given
    replicas = [Replica.model_validate({"region": entry} if isinstance(entry, str) else entry) for entry in given]
    return tuple(sorted(replicas, key=lambda replica: replica.region))


KeyId = Annotated[str, BeforeValidator(_key)]


class Rotation(Spec):
    """When AWS calls the Lambda function that rotates the value."""

    lambda_arn: str
    automatically_after_days: int | None = None
    schedule_expression: Text = ""
    duration: Text = ""


class Replica(Spec):
    """A read-only copy in another region."""

    region: str
    kms_key_id: KeyId = ""


class SecretSpec(Spec):
    """A secret as it is compared. How long a delete can be undone is known to git alone."""

    description: Text = ""
    kms_key_id: KeyId = ""
    tags: StringMap = {}
    rotation: Rotation | None = None
    resource_policy: Document = {}
    replicas: Annotated[tuple[Replica, ...], BeforeValidator(_replicas)] = ()
    recovery_window_days: int = 30


def steps(name: str, before: SecretSpec | None, after: SecretSpec | None) -> list[Step]:
    """The calls that turn one state of a secret into another, in order. None is absence."""
    if after is None:
        return _removal(name, before) if before is not None else []
    if before is None:
        return [_creation(name, after), *_policy(name, {}, after.resource_policy), *_rotating(name, None, after.rotation)]
    return [
        *_settings(name, before, after),
        *_replication(name, before, after),
        *_policy(name, before.resource_policy, after.resource_policy),
        *_rotating(name, before.rotation, after.rotation),
        *_TAGS.steps({"SecretId": name}, before.tags, after.tags),
    ]


def _call(operation: str, name: str, **parameters: Any) -> Step:
    return Step(SERVICE, operation, {"SecretId": name, **parameters})


def _creation(name: str, spec: SecretSpec) -> Step:
    parameters: dict[str, Any] = {"Name": name, "Description": spec.description, "Tags": pairs_of(spec.tags)}
    if spec.kms_key_id:
        parameters["KmsKeyId"] = spec.kms_key_id
    if spec.replicas:
        parameters["AddReplicaRegions"] = _regions(spec.replicas)
    return Step(SERVICE, "create_secret", parameters)


def _regions(replicas: tuple[Replica, ...]) -> list[dict[str, str]]:
    return [{"Region": one.region, **({"KmsKeyId": one.kms_key_id} if one.kms_key_id else {})} for one in replicas]


def _settings(name: str, before: SecretSpec, after: SecretSpec) -> Iterator[Step]:
    if (before.description, before.kms_key_id) != (after.description, after.kms_key_id):
        yield _call("update_secret", name, Description=after.description, KmsKeyId=after.kms_key_id or DEFAULT_KEY)


def _replication(name: str, before: SecretSpec, after: SecretSpec) -> Iterator[Step]:
    # A replica's key cannot be changed: it is taken away and made anew.
    gone = sorted(replica.region for replica in before.replicas if replica not in after.replicas)
    new = tuple(replica for replica in after.replicas if replica not in before.replicas)
    if gone:
        yield _call("remove_regions_from_replication", name, RemoveReplicaRegions=gone)
    if new:
        yield _call("replicate_secret_to_regions", name, AddReplicaRegions=_regions(new))


def _policy(name: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[Step]:
    if after and before != after:
        yield _call("put_resource_policy", name, ResourcePolicy=canonical_json(after))
    elif before and not after:
        yield _call("delete_resource_policy", name)


def _rotating(name: str, before: Rotation | None, after: Rotation | None) -> Iterator[Step]:
    if after is None and before is not None:
        yield _call("cancel_rotate_secret", name)
    elif after is not None and before != after:
        rules = {
            "AutomaticallyAfterDays": after.automatically_after_days,
            "ScheduleExpression": after.schedule_expression,
            "Duration": after.duration,
        }
        given = {rule: value for rule, value in rules.items() if value}
        # AWS would otherwise rotate at once, in the middle of whatever the plan was reviewed for.
        yield _call("rotate_secret", name, RotationLambdaARN=after.lambda_arn, RotationRules=given, RotateImmediately=False)


def _removal(name: str, spec: SecretSpec) -> list[Step]:
    window: dict[str, Any] = {"RecoveryWindowInDays": spec.recovery_window_days}
    if spec.recovery_window_days == 0:
        window = {"ForceDeleteWithoutRecovery": True}
    alone = spec.model_copy(update={"replicas": ()})  # AWS deletes no secret that has replicas
    return [*_replication(name, spec, alone), _call("delete_secret", name, **window)]
