"""`aws.iam_policy`: a customer managed policy. AWS keeps its last five versions; the default one is what counts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.access.iam_document import Document, document_problems, respell
from reconciler.backends.aws.client import AwsClient
from reconciler.backends.aws.reading import read_each
from reconciler.backends.aws.shapes import TagCalls, pairs_of, tag_problems, tags_of, walk
from reconciler.core.change import Action, Change
from reconciler.core.errors import Missing
from reconciler.core.kind import Kind, Live, Names, Reading
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import StringMap, Text, canonical_json

VERSIONS_KEPT = 5
"""AWS refuses a sixth version of a policy."""
_TAGS = TagCalls("iam", "tag_policy", "untag_policy")
_HOLDERS = (
    ("PolicyRoles", "RoleName", "detach_role_policy", "attach_role_policy"),
    ("PolicyUsers", "UserName", "detach_user_policy", "attach_user_policy"),
    ("PolicyGroups", "GroupName", "detach_group_policy", "attach_group_policy"),
)


class IamPolicySpec(Spec):
    """A policy as it is compared: its default version's document, by meaning."""

    path: str = "/"
    description: Text = ""
    document: Document
    tags: StringMap = {}


def read(client: AwsClient, names: Names) -> Reading[IamPolicySpec]:
    """List every policy with its documents, and ask for each wanted one's description and tags, which the list lacks."""
    details = client.pages("iam", "get_account_authorization_details", "Policies", Filter=["LocalManagedPolicy"])
    listed = {detail["Arn"].rpartition("/")[2]: detail for detail in details}  # not every endpoint sends PolicyName
    asked = set(listed) if names.everything else listed.keys() & names.wanted
    live, gaps = read_each(client, asked, lambda name: _live(client, listed[name]))
    return Reading(live, gaps, frozenset(listed) - asked)


def _live(client: AwsClient, detail: Mapping[str, Any]) -> Live[IamPolicySpec]:
    policy = client.call("iam", "get_policy", PolicyArn=detail["Arn"])["Policy"]
    chosen = next(version for version in detail["PolicyVersionList"] if version["IsDefaultVersion"])
    spec = IamPolicySpec(
        path=policy["Path"],
        description=policy.get("Description", ""),
        document=chosen["Document"],
        tags=tags_of(policy.get("Tags", ())),
    )
    return Live(spec, attributes={"arn": policy["Arn"]})


def write(client: AwsClient, change: Change[IamPolicySpec], _reveal: Reveal) -> None:
    """Create, bring up to date, or delete with all versions."""
    name, before, after = change.address.name, change.before, change.after
    if before is None and after is not None:
        _create(client, name, after)
    elif before is not None and after is None:
        _delete(client, _arn(client, name, before))
    elif before is not None and after is not None and change.action is Action.REPLACE:
        _replace(client, name, before, after)
    elif before is not None and after is not None:
        _update(client, _arn(client, name, before), before, after)


def _arn(client: AwsClient, name: str, spec: IamPolicySpec) -> str:
    return f"arn:{client.partition}:iam::{client.account}:policy{spec.path}{name}"


def _create(client: AwsClient, name: str, spec: IamPolicySpec) -> str:
    answer = client.change(
        "iam",
        "create_policy",
        PolicyName=name,
        Path=spec.path,
        Description=spec.description,
        PolicyDocument=canonical_json(spec.document),
        Tags=pairs_of(spec.tags),
    )
    arn: str = answer["Policy"]["Arn"]
    client.wait("iam", "policy_exists", PolicyArn=arn)  # roles that name it are written next
    return arn


def _update(client: AwsClient, arn: str, before: IamPolicySpec, after: IamPolicySpec) -> None:
    if before.document != after.document:
        _make_room(client, arn)
        client.change("iam", "create_policy_version", PolicyArn=arn, PolicyDocument=canonical_json(after.document), SetAsDefault=True)
    walk(client, _TAGS.steps({"PolicyArn": arn}, before.tags, after.tags))


def _make_room(client: AwsClient, arn: str) -> None:
    versions = _versions(client, arn)
    if len(versions) >= VERSIONS_KEPT:
        oldest = next(version for version in versions if not version["IsDefaultVersion"])
        client.change("iam", "delete_policy_version", PolicyArn=arn, VersionId=oldest["VersionId"])


def _versions(client: AwsClient, arn: str) -> list[dict[str, Any]]:
    """All versions, oldest first: `v2` is older than `v10`."""
    versions = client.pages("iam", "list_policy_versions", "Versions", PolicyArn=arn)
    return sorted(versions, key=lambda version: int(version["VersionId"].removeprefix("v")))


def _delete(client: AwsClient, arn: str) -> None:
    # Where something that is not in the plan still holds the policy AWS refuses, and so it stays: taking access away
    # from others is for a person to decide.
    with contextlib.suppress(Missing):
        for version in _versions(client, arn):
            if not version["IsDefaultVersion"]:
                client.change("iam", "delete_policy_version", PolicyArn=arn, VersionId=version["VersionId"])
    with contextlib.suppress(Missing):
        client.change("iam", "delete_policy", PolicyArn=arn)


def _replace(client: AwsClient, name: str, before: IamPolicySpec, after: IamPolicySpec) -> None:
    """Delete and create; whoever held the old policy holds the new one."""
    old = _arn(client, name, before)
    holders = [
        (detach, attach, {key: holder[key]})
        for listing, key, detach, attach in _HOLDERS
        for holder in client.pages("iam", "list_entities_for_policy", listing, PolicyArn=old)
    ]
    for detach, _, holder in holders:
        client.change("iam", detach, PolicyArn=old, **holder)
    _delete(client, old)
    new = _create(client, name, after)
    for _, attach, holder in holders:
        client.change("iam", attach, PolicyArn=new, **holder)


def check(name: str, spec: IamPolicySpec) -> Iterator[str]:
    """Say what AWS would refuse."""
    if not re.fullmatch(r"[\w+=,.@-]{1,128}", name):
        yield "a policy's name has 1 to 128 letters, digits and +=,.@_-"
    if not re.fullmatch(r"/(?:[\x21-\x7e]+/)?", spec.path):
        yield "path must begin and end with /"
    if not spec.document:
        yield "document is empty"
    yield from (f"document: {problem}" for problem in document_problems(spec.document, "identity"))
    yield from tag_problems(spec.tags)


def align(desired: IamPolicySpec, live: IamPolicySpec) -> IamPolicySpec:
    """Spell the living document as the declared one."""
    return live.model_copy(update={"document": respell(desired.document, live.document)})


IAM_POLICY = Kind(
    name="aws.iam_policy",
    backend="aws",
    spec=IamPolicySpec,
    read=read,
    write=write,
    check=check,
    align=align,
    immutable=frozenset({"path", "description"}),
)
