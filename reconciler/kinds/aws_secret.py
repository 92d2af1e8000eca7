"""`aws.secret`: a secret in AWS Secrets Manager with all that surrounds its value. The value is never read or written here.

A deleted secret blocks its name until its recovery window ends: creating it again restores it, value and all, and then
brings the rest up to date.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.access.iam_document import document_problems, principals, respell
from reconciler.backends.aws.client import AwsClient
from reconciler.backends.aws.reading import read_each
from reconciler.backends.aws.shapes import Step, iam_ref, key_ref, same_key, tag_problems, tags_of, walk
from reconciler.core.change import Action, Change
from reconciler.core.errors import Conflict, Denied, Missing
from reconciler.core.kind import Gap, Kind, Live, Names, Reading, Ref
from reconciler.core.secret import Reveal

from .aws_secret_steps import SERVICE, Replica, Rotation, SecretSpec, steps


def read(client: AwsClient, names: Names) -> Reading[SecretSpec]:
    """List all secrets, and describe each wanted one: the listing lags by up to five minutes and lacks half of it."""
    refused: tuple[Gap, ...] = ()
    try:
        listed = frozenset(_listed(client))
    except Denied as denied:
        # Wanted names are described by themselves, so not being allowed to list leaves none of them unknown.
        listed = frozenset()
        refused = (Gap("", denied.path, denied.capability),) if names.everything else ()
    asked = names.wanted | listed if names.everything else names.wanted
    live, gaps = read_each(client, asked, lambda name: _live(client, name))
    return Reading(live, (*refused, *gaps), listed - asked)


def _listed(client: AwsClient) -> Iterator[str]:
    for entry in client.pages(SERVICE, "list_secrets", "SecretList", MaxResults=100):
        # Secrets of AWS's services and stacks, and replicas of another region's secrets, are somebody else's.
        theirs = entry.get("OwningService") or any(tag["Key"].startswith("aws:") for tag in entry.get("Tags", ()))
        if not theirs and entry.get("PrimaryRegion", client.region) == client.region:
            yield entry["Name"]


def _live(client: AwsClient, name: str) -> Live[SecretSpec] | None:
    found = client.call(SERVICE, "describe_secret", SecretId=name)
    if "DeletedDate" in found:
        return None
    policy = client.call(SERVICE, "get_resource_policy", SecretId=name).get("ResourcePolicy", "")
    return Live(_parsed(found, policy), attributes={"arn": found["ARN"]})


def _parsed(found: Mapping[str, Any], policy: str) -> SecretSpec:
    return SecretSpec(
        description=found.get("Description", ""),
        kms_key_id=found.get("KmsKeyId", ""),
        tags=tags_of(found.get("Tags", ())),
        rotation=_rotation(found) if found.get("RotationEnabled") else None,
        resource_policy=policy,
        replicas=tuple(
            Replica(region=replica["Region"], kms_key_id=replica.get("KmsKeyId", "")) for replica in found.get("ReplicationStatus", ())
        ),
    )


def _rotation(found: Mapping[str, Any]) -> Rotation:
    rules = found.get("RotationRules", {})
    schedule = rules.get("ScheduleExpression", "")
    return Rotation(
        lambda_arn=found.get("RotationLambdaARN", ""),
        automatically_after_days=None if schedule else rules.get("AutomaticallyAfterDays"),  # AWS derives it from a rate
        schedule_expression=schedule,
        duration=rules.get("Duration", ""),
    )


def write(client: AwsClient, change: Change[SecretSpec], _reveal: Reveal) -> None:
    """Take the steps of the change; a name that waits for its deletion is restored first."""
    name, before, after = change.address.name, change.before, change.after
    if before is not None and (after is None or change.action is Action.REPLACE):
        for step in steps(name, before, None):
            with contextlib.suppress(Missing):
                walk(client, [step])
        before = None
    if after is None:
        return
    try:
        walk(client, steps(name, before, after))
    except Conflict:
        if before is not None or "DeletedDate" not in client.call(SERVICE, "describe_secret", SecretId=name):
            raise
        walk(client, [Step(SERVICE, "restore_secret", {"SecretId": name})])
        restored = _live(client, name)
        walk(client, steps(name, restored.spec if restored else None, after))


def refs(_name: str, spec: SecretSpec) -> Iterator[Ref]:
    """The key by its alias. A replica's key lives in another region, so in another place."""
    yield from key_ref("kms_key_id", spec.kms_key_id)
    for arn in principals(spec.resource_policy):
        yield from iam_ref("resource_policy", arn, hint=True)


def check(name: str, spec: SecretSpec) -> Iterator[str]:
    """Say what AWS would refuse."""
    if not re.fullmatch(r"[\w/+=.@-]{1,512}", name, re.ASCII):
        yield "a secret's name has 1 to 512 letters, digits and /_+=.@-"
    if spec.recovery_window_days != 0 and not 7 <= spec.recovery_window_days <= 30:
        yield "recovery_window_days must be between 7 and 30, or 0 to delete at once"
    if spec.rotation is not None and bool(spec.rotation.automatically_after_days) == bool(spec.rotation.schedule_expression):
        yield "rotation needs either automatically_after_days or schedule_expression"
    regions = [replica.region for replica in spec.replicas]
    if len(regions) != len(set(regions)):
        yield "replicas names a region twice"
    yield from (f"resource_policy: {problem}" for problem in document_problems(spec.resource_policy, "resource"))
    yield from tag_problems(spec.tags)


def align(desired: SecretSpec, live: SecretSpec) -> SecretSpec:
    """Spell the living policy and keys as the declared ones."""
    update: dict[str, Any] = {"resource_policy": respell(desired.resource_policy, live.resource_policy)}
    if same_key(desired.kms_key_id, live.kms_key_id):
        update["kms_key_id"] = desired.kms_key_id
    keys = {replica.region: replica for replica in desired.replicas}
    update["replicas"] = tuple(
        keys[one.region] if one.region in keys and same_key(keys[one.region].kms_key_id, one.kms_key_id) else one for one in live.replicas
    )
    return live.model_copy(update=update)


def loses(_name: str, spec: SecretSpec) -> str:
    """A recovery window makes a delete reversible."""
    return "" if spec.recovery_window_days else "its value and all versions, at once: it has no recovery window"


SECRET = Kind(
    name="aws.secret",
    backend="aws",
    spec=SecretSpec,
    read=read,
    write=write,
    refs=refs,
    check=check,
    align=align,
    builtin=("*!*",),  # only AWS's own services make names with "!"
    kept=frozenset({"recovery_window_days"}),
    loses=loses,
)
