"""`aws.iam_role`: a role with its trust policy, inline policies and the managed policies attached to it.

One role is many calls. `steps` says purely which ones, and in what order; `write` only takes them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.access.iam_document import Document, document_problems, principals, respell
from reconciler.backends.aws.client import AwsClient
from reconciler.backends.aws.reading import read_each
from reconciler.backends.aws.shapes import Step, TagCalls, iam_ref, pairs_of, tag_problems, tags_of, walk
from reconciler.core.change import Action, Change
from reconciler.core.errors import Missing
from reconciler.core.kind import Kind, Live, Names, Reading, Ref
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import Seconds, StringMap, StringSet, Text, canonical_json

ATTACHABLE = 10
"""AWS's default quota of managed policies on one role."""
SESSION_SECONDS = (3600, 43200)
_TAGS = TagCalls("iam", "tag_role", "untag_role")
# Services and the identity centre make these for themselves, and refuse anybody else's changes.
_FOREIGN_PATHS = ("/aws-service-role/", "/aws-reserved/")


class IamRoleSpec(Spec):
    """A role as it is compared: documents by meaning, policies as sets of ARNs."""

    path: str = "/"
    description: Text = ""
    trust_policy: Document
    managed_policies: StringSet = ()
    inline_policies: dict[str, Document] = {}
    max_session_duration: Seconds = SESSION_SECONDS[0]
    permissions_boundary: Text = ""
    tags: StringMap = {}


def read(client: AwsClient, names: Names) -> Reading[IamRoleSpec]:
    """Read all roles in two listings: neither has everything. Raises Denied where one of them is not allowed."""
    details, summaries = client.map(lambda listing: list(listing(client)), (_details, _summaries))
    summary_of = {summary["RoleName"]: summary for summary in summaries}
    listed = {detail["RoleName"]: detail for detail in details if not detail["Path"].startswith(_FOREIGN_PATHS)}
    asked = set(listed) if names.everything else listed.keys() & names.wanted
    live, gaps = read_each(client, asked, lambda name: _live(listed[name], summary_of.get(name, {})))
    return Reading(live, gaps, frozenset(listed) - asked)


def _details(client: AwsClient) -> Iterator[dict[str, Any]]:
    return client.pages("iam", "get_account_authorization_details", "RoleDetailList", Filter=["Role"])


def _summaries(client: AwsClient) -> Iterator[dict[str, Any]]:
    return client.pages("iam", "list_roles", "Roles")


def _live(detail: Mapping[str, Any], summary: Mapping[str, Any]) -> Live[IamRoleSpec]:
    spec = IamRoleSpec(
        path=detail["Path"],
        description=summary.get("Description", ""),
        trust_policy=detail["AssumeRolePolicyDocument"],
        managed_policies=tuple(policy["PolicyArn"] for policy in detail["AttachedManagedPolicies"]),
        inline_policies={policy["PolicyName"]: policy["PolicyDocument"] for policy in detail["RolePolicyList"]},
        max_session_duration=summary.get("MaxSessionDuration", SESSION_SECONDS[0]),
        permissions_boundary=detail.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        tags=tags_of(detail.get("Tags", ())),
    )
    return Live(spec, attributes={"arn": detail["Arn"], "id": detail["RoleId"]})


def write(client: AwsClient, change: Change[IamRoleSpec], _reveal: Reveal) -> None:
    """Take the steps of the change."""
    name, before, after = change.address.name, change.before, change.after
    if before is not None and (after is None or change.action is Action.REPLACE):
        for step in steps(name, before, None):
            with contextlib.suppress(Missing):  # each for itself: a policy detached by others leaves the role to delete
                walk(client, [step])
        before = None
    if after is None:
        return
    walk(client, steps(name, before, after))
    if before is None:
        client.wait("iam", "role_exists", RoleName=name)  # what names it as a principal is written next


def steps(name: str, before: IamRoleSpec | None, after: IamRoleSpec | None) -> list[Step]:
    """The calls that turn one state of a role into another, in order. None is absence. Pure."""
    if after is None:
        return _removal(name, before) if before is not None else []
    if before is None:
        created = after.model_copy(update={"managed_policies": (), "inline_policies": {}})
        return [_creation(name, after), *_policies(name, created, after)]
    return [
        *_settings(name, before, after),
        # The boundary limits what the rest may grant, so it comes first.
        *_boundary(name, before, after),
        *_policies(name, before, after),
        *_TAGS.steps({"RoleName": name}, before.tags, after.tags),
    ]


def _call(operation: str, name: str, **parameters: Any) -> Step:
    return Step("iam", operation, {"RoleName": name, **parameters})


def _creation(name: str, spec: IamRoleSpec) -> Step:
    boundary = {"PermissionsBoundary": spec.permissions_boundary} if spec.permissions_boundary else {}
    return _call(
        "create_role",
        name,
        Path=spec.path,
        Description=spec.description,
        AssumeRolePolicyDocument=canonical_json(spec.trust_policy),
        MaxSessionDuration=spec.max_session_duration,
        Tags=pairs_of(spec.tags),
        **boundary,
    )


def _settings(name: str, before: IamRoleSpec, after: IamRoleSpec) -> Iterator[Step]:
    if (before.description, before.max_session_duration) != (after.description, after.max_session_duration):
        yield _call("update_role", name, Description=after.description, MaxSessionDuration=after.max_session_duration)
    if before.trust_policy != after.trust_policy:
        yield _call("update_assume_role_policy", name, PolicyDocument=canonical_json(after.trust_policy))


def _boundary(name: str, before: IamRoleSpec, after: IamRoleSpec) -> Iterator[Step]:
    if before.permissions_boundary == after.permissions_boundary:
        return
    if after.permissions_boundary:
        yield _call("put_role_permissions_boundary", name, PermissionsBoundary=after.permissions_boundary)
    else:
        yield _call("delete_role_permissions_boundary", name)


def _policies(name: str, before: IamRoleSpec, after: IamRoleSpec) -> Iterator[Step]:
    old, new = set(before.managed_policies), set(after.managed_policies)
    attach = [_call("attach_role_policy", name, PolicyArn=arn) for arn in sorted(new - old)]
    detach = [_call("detach_role_policy", name, PolicyArn=arn) for arn in sorted(old - new)]
    # What stays allowed must not be denied for a moment in between, as long as the quota leaves room for both.
    yield from (*attach, *detach) if len(old | new) <= ATTACHABLE else (*detach, *attach)
    for policy, document in sorted(after.inline_policies.items()):
        if before.inline_policies.get(policy) != document:
            yield _call("put_role_policy", name, PolicyName=policy, PolicyDocument=canonical_json(document))
    for policy in sorted(before.inline_policies.keys() - after.inline_policies.keys()):
        yield _call("delete_role_policy", name, PolicyName=policy)


def _removal(name: str, spec: IamRoleSpec) -> list[Step]:
    bare = spec.model_copy(update={"managed_policies": (), "inline_policies": {}})
    return [*_policies(name, spec, bare), _call("delete_role", name)]


def refs(_name: str, spec: IamRoleSpec) -> Iterator[Ref]:
    """Policies by ARN; principals as hints only, since roles of other accounts are trusted too."""
    for arn in spec.managed_policies:
        yield from iam_ref("managed_policies", arn)
    yield from iam_ref("permissions_boundary", spec.permissions_boundary)
    for arn in principals(spec.trust_policy):
        yield from iam_ref("trust_policy", arn, hint=True)


def check(name: str, spec: IamRoleSpec) -> Iterator[str]:
    """Say what AWS would refuse."""
    if not re.fullmatch(r"[\w+=,.@-]{1,64}", name):
        yield "a role's name has 1 to 64 letters, digits and +=,.@_-"
    if not re.fullmatch(r"/(?:[\x21-\x7e]+/)?", spec.path):
        yield "path must begin and end with /"
    if not SESSION_SECONDS[0] <= spec.max_session_duration <= SESSION_SECONDS[1]:
        yield "max_session_duration must be between 1h and 12h"
    if not spec.trust_policy:
        yield "trust_policy is empty"
    yield from (f"trust_policy: {problem}" for problem in document_problems(spec.trust_policy, "trust"))
    for policy, document in spec.inline_policies.items():
        yield from (f"inline_policies/{policy}: {problem}" for problem in document_problems(document, "identity"))
    for arn in (*spec.managed_policies, *filter(None, [spec.permissions_boundary])):
        if not arn.startswith(("arn:", "${{")):
            yield f"{arn!r} is not an ARN (write arn:aws:iam::ACCOUNT:policy/NAME, or ${{{{ ref('aws.iam_policy/NAME').arn }}}})"
    yield from tag_problems(spec.tags)


def align(desired: IamRoleSpec, live: IamRoleSpec) -> IamRoleSpec:
    """Spell the living documents as the declared ones."""
    inline = {name: respell(desired.inline_policies.get(name, {}), document) for name, document in live.inline_policies.items()}
    return live.model_copy(update={"trust_policy": respell(desired.trust_policy, live.trust_policy), "inline_policies": inline})


IAM_ROLE = Kind(
    name="aws.iam_role",
    backend="aws",
    spec=IamRoleSpec,
    read=read,
    write=write,
    refs=refs,
    check=check,
    align=align,
    builtin=("AWSServiceRoleFor*", "AWSReservedSSO_*"),
    immutable=frozenset({"path"}),
)
