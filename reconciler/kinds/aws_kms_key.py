"""`aws.kms_key`: a symmetric customer key behind an alias, which is its name here.

Deleting schedules the key's deletion and then takes the alias away. An alias whose key waits for its deletion counts as
absent; creating it again keeps that key, and with it everything encrypted under it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.access.iam_document import Document, canonical_document, document_problems, principals, respell
from reconciler.backends.aws.client import AwsClient
from reconciler.backends.aws.reading import read_each
from reconciler.backends.aws.shapes import Step, TagCalls, iam_ref, pairs_of, tag_problems, tags_of, walk
from reconciler.core.change import Action, Change
from reconciler.core.errors import BackendError, Conflict, Denied, Missing, Unavailable
from reconciler.core.kind import Gap, Kind, Live, Names, Reading, Ref
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import StringMap, Text, canonical_json

YEAR = 365
"""Days between rotations, unless said otherwise."""
_TAGS = TagCalls("kms", "tag_resource", "untag_resource", "TagKey", "TagValue")
MEANT_FOR = "reconciler_alias"
"""The tag of a key that is being made, until it has its alias. Killed in between, a run leaves a key that the next one finds by it."""


class KmsKeySpec(Spec):
    """A key as it is compared. No policy means AWS's default one; how long a delete waits is known to git alone."""

    description: Text = ""
    policy: Document = {}
    rotation: bool = False
    rotation_period_days: int | None = YEAR
    """None: left to the server (endpoints that imitate AWS do not tell)."""
    deletion_window_days: int = 30
    tags: StringMap = {}


def default_policy(account: str) -> dict[str, object]:
    """The policy of a key that was made without one: the account's IAM policies decide."""
    everything = {"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": account, "Action": "kms:*", "Resource": "*"}
    return canonical_document({"Version": "2012-10-17", "Id": "key-default-1", "Statement": everything})


def read(client: AwsClient, names: Names) -> Reading[KmsKeySpec]:
    """List the aliases, and ask four times for each wanted key: AWS has no listing with more than ids."""
    refused: tuple[Gap, ...] = ()
    try:
        listed = {alias["AliasName"] for alias in client.pages("kms", "list_aliases", "Aliases") if "TargetKeyId" in alias}
    except Denied as denied:
        listed = set()
        refused = (Gap("", denied.path, denied.capability),) if names.everything else ()
    listed -= {alias for alias in listed if alias.startswith("alias/aws/")}
    # An alias is found by itself too, since the listing may lag behind.
    asked = names.wanted | listed if names.everything else names.wanted
    live, gaps = read_each(client, asked, lambda alias: _live(client, alias))
    return Reading(live, (*refused, *gaps), frozenset(listed - asked))


def _live(client: AwsClient, alias: str) -> Live[KmsKeySpec] | None:
    about = _describe(client, alias)
    return None if about is None or _waits_for_deletion(about) else _read_key(client, about)


def _describe(client: AwsClient, alias: str) -> Mapping[str, Any] | None:
    try:
        answer: Mapping[str, Any] = client.call("kms", "describe_key", KeyId=alias)["KeyMetadata"]
    except Missing:
        return None
    return answer


def _waits_for_deletion(about: Mapping[str, Any]) -> bool:
    return about["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion")


def _read_key(client: AwsClient, about: Mapping[str, Any]) -> Live[KmsKeySpec]:
    key = about["KeyId"]
    policy = canonical_document(client.call("kms", "get_key_policy", KeyId=key, PolicyName="default")["Policy"])
    rotating, period = _rotation(client, about)
    tags = tags_of(client.pages("kms", "list_resource_tags", "Tags", KeyId=key), "TagKey", "TagValue")
    spec = KmsKeySpec(
        description=about.get("Description", ""),
        policy={} if policy == default_policy(about["AWSAccountId"]) else policy,
        rotation=rotating,
        rotation_period_days=period,
        tags={name: text for name, text in tags.items() if name != MEANT_FOR},
    )
    return Live(spec, attributes={"arn": about["Arn"], "id": key})


def _rotation(client: AwsClient, about: Mapping[str, Any]) -> tuple[bool, int | None]:
    if about.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT" or about.get("Origin") != "AWS_KMS":
        return False, YEAR  # AWS rotates no other keys, and refuses the question
    status = client.call("kms", "get_key_rotation_status", KeyId=about["KeyId"])
    return (True, status.get("RotationPeriodInDays")) if status["KeyRotationEnabled"] else (False, YEAR)


def write(client: AwsClient, change: Change[KmsKeySpec], _reveal: Reveal) -> None:
    """Create, bring up to date, or schedule the deletion."""
    alias, before, after = change.address.name, change.before, change.after
    if before is not None and (after is None or change.action is Action.REPLACE):
        _delete(client, alias, before)
        before = None
    if after is not None and before is None:
        _create(client, alias, after)
    elif after is not None and before is not None:
        about = client.call("kms", "describe_key", KeyId=alias)["KeyMetadata"]
        walk(client, steps(about["KeyId"], before, after, default_policy(client.account)))


def _create(client: AwsClient, alias: str, spec: KmsKeySpec) -> None:
    about = _describe(client, alias)
    if about is None:
        _create_anew(client, alias, spec)
    elif _waits_for_deletion(about):
        key = about["KeyId"]
        walk(client, [Step("kms", "cancel_key_deletion", {"KeyId": key}), Step("kms", "enable_key", {"KeyId": key})])
        restored = _read_key(client, about).spec
        walk(client, steps(key, restored, spec, default_policy(client.account)))
    else:
        raise Conflict(f"{alias}: somebody else made it meanwhile: plan again", path=alias)


def _create_anew(client: AwsClient, alias: str, spec: KmsKeySpec) -> None:
    found = _begun(client, alias)
    key = found or _new_key(client, alias, spec)
    try:
        client.change("kms", "create_alias", AliasName=alias, TargetKeyId=key)
    except BackendError as error:
        # Without its alias nobody would find the key again. Where the answer was lost, the alias may be there.
        if not isinstance(error, Unavailable):
            client.change("kms", "schedule_key_deletion", KeyId=key, PendingWindowInDays=7)
        raise
    if found:
        before = _read_key(client, client.call("kms", "describe_key", KeyId=key)["KeyMetadata"]).spec
        walk(client, steps(key, before, spec, default_policy(client.account)))
    else:
        walk(client, _rotating(key, KmsKeySpec(), spec))
    with contextlib.suppress(Denied):  # no reading shows the mark
        client.change("kms", "untag_resource", KeyId=key, TagKeys=[MEANT_FOR])


def _new_key(client: AwsClient, alias: str, spec: KmsKeySpec) -> str:
    policy = {"Policy": canonical_json(spec.policy)} if spec.policy else {}
    tags = pairs_of({**spec.tags, MEANT_FOR: alias}, "TagKey", "TagValue")
    key: str = client.change("kms", "create_key", Description=spec.description, Tags=tags, **policy)["KeyMetadata"]["KeyId"]
    return key


def _begun(client: AwsClient, alias: str) -> str:
    """The key that a run made for this alias before it was killed; empty where there is none, or nobody tells."""
    meant = [{"Key": MEANT_FOR, "Values": [alias]}]
    tagged = client.pages(
        "resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", TagFilters=meant, ResourceTypeFilters=["kms:key"]
    )
    try:
        keys = [about["KeyId"] for one in tagged if (about := _describe(client, one["ResourceARN"])) and not _waits_for_deletion(about)]
    except BackendError:
        return ""  # the login may not look, or the endpoint has no such service: no reason to make no key
    return min(keys, default="")


def steps(key: str, before: KmsKeySpec, after: KmsKeySpec, default: Mapping[str, object]) -> list[Step]:
    """The calls that bring a living key up to date, in order. `default` is the policy that no policy stands for. Pure."""
    found = []
    if before.description != after.description:
        found.append(Step("kms", "update_key_description", {"KeyId": key, "Description": after.description}))
    if before.policy != after.policy:
        text = canonical_json(after.policy or default)
        found.append(Step("kms", "put_key_policy", {"KeyId": key, "PolicyName": "default", "Policy": text}))
    return [*found, *_rotating(key, before, after), *_TAGS.steps({"KeyId": key}, before.tags, after.tags)]


def _rotating(key: str, before: KmsKeySpec, after: KmsKeySpec) -> Iterator[Step]:
    if before.rotation and not after.rotation:
        yield Step("kms", "disable_key_rotation", {"KeyId": key})
    elif after.rotation and (before.rotation, before.rotation_period_days) != (True, after.rotation_period_days):
        period = {"RotationPeriodInDays": after.rotation_period_days} if after.rotation_period_days else {}
        yield Step("kms", "enable_key_rotation", {"KeyId": key, **period})


def _delete(client: AwsClient, alias: str, spec: KmsKeySpec) -> None:
    """The key first: killed in between, its alias still tells which key waits, and a create finds it again."""
    about = _describe(client, alias)
    if about is None:
        return
    if not _waits_for_deletion(about):
        client.change("kms", "schedule_key_deletion", KeyId=about["KeyId"], PendingWindowInDays=spec.deletion_window_days)
    with contextlib.suppress(Missing):
        client.change("kms", "delete_alias", AliasName=alias)


def refs(_name: str, spec: KmsKeySpec) -> Iterator[Ref]:
    """Principals of the key policy, as hints: roles of other accounts are named too."""
    for arn in principals(spec.policy):
        yield from iam_ref("policy", arn, hint=True)


def check(name: str, spec: KmsKeySpec) -> Iterator[str]:
    """Say what AWS would refuse."""
    if not re.fullmatch(r"alias/(?!aws/)[\w/-]{1,250}", name, re.ASCII):
        yield "a key's name is alias/NAME, of letters, digits and /_-; alias/aws/ belongs to AWS"
    if not 7 <= spec.deletion_window_days <= 30:
        yield "deletion_window_days must be between 7 and 30"
    if spec.rotation_period_days is not None and not 90 <= spec.rotation_period_days <= 2560:
        yield "rotation_period_days must be between 90 and 2560"
    if spec.rotation_period_days != YEAR and not spec.rotation:
        yield "rotation_period_days says nothing without rotation: true"
    yield from (f"policy: {problem}" for problem in document_problems(spec.policy, "resource"))
    yield from tag_problems(spec.tags)


def align(desired: KmsKeySpec, live: KmsKeySpec) -> KmsKeySpec:
    """Spell the living policy as the declared one; a period that one side leaves open is not compared."""
    update: dict[str, Any] = {"policy": respell(desired.policy, live.policy)}
    if live.rotation_period_days is None or (desired.rotation_period_days is None and live.rotation):
        update["rotation_period_days"] = desired.rotation_period_days
    return live.model_copy(update=update)


def loses(_name: str, spec: KmsKeySpec) -> str:
    """A key that is gone takes what it encrypted with it."""
    return f"the key: what it encrypted cannot be read again after {spec.deletion_window_days} days"


KMS_KEY = Kind(
    name="aws.kms_key",
    backend="aws",
    spec=KmsKeySpec,
    read=read,
    write=write,
    refs=refs,
    check=check,
    align=align,
    builtin=("alias/aws/*",),
    kept=frozenset({"deletion_window_days"}),
    loses=loses,
)
