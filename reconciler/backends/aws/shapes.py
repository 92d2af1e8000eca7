"""Shapes that the AWS APIs share: tags, ARNs, and changes as steps that can be looked at before they are taken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.core.kind import Ref

from .client import AwsClient


class Step(NamedTuple):
    """One call that changes something."""

    service: str
    operation: str
    parameters: dict[str, Any]


def walk(client: AwsClient, steps: Iterable[Step]) -> None:
    """Take steps in order. The first that fails ends the walk: the next plan sees how far it came."""
    for step in steps:
        client.change(step.service, step.operation, **step.parameters)


def tags_of(pairs: Iterable[Mapping[str, str]], key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Return the tags that people set; `aws:` tags are AWS's own."""
    return {pair[key]: pair.get(value, "") for pair in pairs if not pair[key].startswith("aws:")}


def pairs_of(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Return tags as AWS takes them."""
    return [{key: name, value: text} for name, text in sorted(tags.items())]


class TagCalls(NamedTuple):
    """What one service calls tagging."""

    service: str
    tag: str
    untag: str
    key: str = "Key"
    value: str = "Value"

    def steps(self, subject: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Step]:
        """Yield the calls that turn the tags of `subject` from `before` into `after`."""
        gone = sorted(before.keys() - after.keys())
        if gone:
            yield Step(self.service, self.untag, {**subject, "TagKeys": gone})
        new = {name: text for name, text in after.items() if before.get(name) != text}
        if new:
            yield Step(self.service, self.tag, {**subject, "Tags": pairs_of(new, self.key, self.value)})


def tag_problems(tags: Mapping[str, str]) -> Iterator[str]:
    """Say which declared tags AWS would refuse."""
    for name in tags:
        if name.lower().startswith("aws:"):
            yield f"tag {name!r} cannot be declared: names that begin with aws: belong to AWS"


_IAM = re.compile(r"arn:[\w-]+:iam::(\d{12}):(policy|role)/(?:[^*?]*/)?([^/*?]+)")


def iam_ref(field: str, arn: str, *, hint: bool = False) -> Iterator[Ref]:
    """Yield the policy or role that an ARN ends in. AWS's own policies carry no account number and are no reference."""
    found = _IAM.fullmatch(arn)
    if found:
        yield Ref(field, f"aws.iam_{found[2]}", found[3], soft=True, hint=hint)


def key_ref(field: str, key: str) -> Iterator[Ref]:
    """Yield the alias that names a KMS key; a key's id is not an address."""
    alias = key[key.find("alias/") :] if key.startswith("alias/") or ":alias/" in key else ""
    if alias:
        yield Ref(field, "aws.kms_key", alias, soft=True)


def same_key(left: str, right: str) -> bool:
    """Tell whether two spellings are one key: `alias/x` and its ARN, a key's id and its ARN."""
    return left.rpartition(":")[2].removeprefix("key/") == right.rpartition(":")[2].removeprefix("key/")
