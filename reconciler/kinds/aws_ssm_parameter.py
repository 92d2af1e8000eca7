"""`aws.ssm_parameter`: a parameter of AWS Systems Manager. Its value is written from a reference, and never read."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from reconciler.backends.aws.client import AwsClient
from reconciler.backends.aws.reading import read_each
from reconciler.backends.aws.shapes import TagCalls, key_ref, pairs_of, same_key, tag_problems, tags_of, walk
from reconciler.core.change import Action, Change
from reconciler.core.errors import Missing
from reconciler.core.kind import Kind, Live, Names, Reading, Ref
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal, Secret
from reconciler.core.values import StringMap, Text

DEFAULT_KEY = "alias/aws/ssm"
"""The key that AWS uses for a SecureString where none is given."""
_TAGS = TagCalls("ssm", "add_tags_to_resource", "remove_tags_from_resource")


def _key(given: object) -> object:
    return "" if given is None or str(given).endswith(DEFAULT_KEY) else given


class SsmParameterSpec(Spec):
    """A parameter as it is compared: its value by the version of its source."""

    type: Literal["String", "StringList", "SecureString"] = "SecureString"
    description: Text = ""
    tier: Literal["Standard", "Advanced"] = "Standard"
    key_id: Annotated[str, BeforeValidator(_key)] = ""
    tags: StringMap = {}
    value: Secret | None = None


def read(client: AwsClient, names: Names) -> Reading[SsmParameterSpec]:
    """List all parameters, and ask for each wanted one's tags. Raises Denied where listing is not allowed."""
    listed = {entry["Name"]: entry for entry in client.pages("ssm", "describe_parameters", "Parameters", MaxResults=50)}
    asked = set(listed) if names.everything else listed.keys() & names.wanted
    live, gaps = read_each(client, asked, lambda name: _live(client, listed[name]))
    return Reading(live, gaps, frozenset(listed) - asked)


def _live(client: AwsClient, entry: Mapping[str, Any]) -> Live[SsmParameterSpec]:
    name = entry["Name"]
    tags = client.call("ssm", "list_tags_for_resource", ResourceType="Parameter", ResourceId=name)["TagList"]
    spec = SsmParameterSpec(
        type=entry["Type"],
        description=entry.get("Description", ""),
        tier=entry.get("Tier", "Standard"),
        key_id=entry.get("KeyId", ""),
        tags=tags_of(tags),
    )
    path = name if name.startswith("/") else f"/{name}"
    return Live(spec, attributes={"arn": f"arn:{client.partition}:ssm:{client.region}:{client.account}:parameter{path}"})


def write(client: AwsClient, change: Change[SsmParameterSpec], reveal: Reveal) -> None:
    """Put the whole parameter, or delete it."""
    name, before, after = change.address.name, change.before, change.after
    if before is not None and (after is None or change.action is Action.REPLACE):
        with contextlib.suppress(Missing):
            client.change("ssm", "delete_parameter", Name=name)
        before = None
    if after is None:
        return
    if before is None:
        client.change("ssm", "put_parameter", **_body(name, after, reveal), Overwrite=False, Tags=pairs_of(after.tags))
        return
    if before.model_copy(update={"tags": after.tags}) != after:
        client.change("ssm", "put_parameter", **_body(name, after, reveal), Overwrite=True)  # AWS takes no tags here
    walk(client, _TAGS.steps({"ResourceType": "Parameter", "ResourceId": name}, before.tags, after.tags))


def _body(name: str, spec: SsmParameterSpec, reveal: Reveal) -> dict[str, Any]:
    body: dict[str, Any] = {"Name": name, "Type": spec.type, "Description": spec.description, "Tier": spec.tier}
    if spec.value is not None:
        body["Value"] = reveal(spec.value)
    if spec.type == "SecureString":
        body["KeyId"] = spec.key_id or DEFAULT_KEY
    return body


def refs(_name: str, spec: SsmParameterSpec) -> Iterator[Ref]:
    """The key, by its alias."""
    yield from key_ref("key_id", spec.key_id)


def check(name: str, spec: SsmParameterSpec) -> Iterator[str]:
    """Say what AWS would refuse."""
    if not re.fullmatch(r"[\w./-]{1,1011}", name, re.ASCII) or re.match(r"/?(?:aws|ssm)", name, re.IGNORECASE):
        yield "a parameter's name has letters, digits and /_.-, and does not begin with aws or ssm"
    if spec.value is None:
        yield 'value is missing (write value: {from: "vault:MOUNT/data/PATH#KEY"})'
    if spec.key_id and spec.type != "SecureString":
        yield "key_id is for type SecureString alone"
    yield from tag_problems(spec.tags)


def align(desired: SsmParameterSpec, live: SsmParameterSpec) -> SsmParameterSpec:
    """Spell the living key as the declared one."""
    return live.model_copy(update={"key_id": desired.key_id}) if same_key(desired.key_id, live.key_id) else live


def lowers_tier(live: SsmParameterSpec, desired: SsmParameterSpec) -> bool:
    """AWS raises a tier in place, and never lowers it."""
    return (live.tier, desired.tier) == ("Advanced", "Standard")


SSM_PARAMETER = Kind(
    name="aws.ssm_parameter",
    backend="aws",
    spec=SsmParameterSpec,
    read=read,
    write=write,
    refs=refs,
    check=check,
    align=align,
    builtin=("/aws/*",),
    immutable=frozenset({"type"}),
    replaces=lowers_tier,
    asks=lambda _live: ("value",),
)
