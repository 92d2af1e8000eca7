"""What `render` and `schema` print agrees with what is read."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from reconciler.core.errors import Usage
from reconciler.desired.load import load
from reconciler.desired.output import to_yaml
from reconciler.desired.schema import document_schema
from reconciler.desired.tree import Tree
from tests.desired.world import DEV, KINDS, TODAY, read, tree

DOCUMENTS = """\
kind: t.policy
name: "yes"
labels: {n: 1}
lifecycle: {moved_from: t.policy/old, protect: true}
spec:
  hcl: |
    path "a" {}
    # ${{ team }}
---
kind: t.role
name: m/007
instance: eu
namespace: team-a
spec:
  ttl: 90m
  policies: [b, a]
  password: {generate: {length: 40}, to: "vault:a/data/b#c"}
  metadata: {octal: "0o17", float: "1e5", "no": "null"}
  bound: {a: "${{ ref('t.policy/x').id }}", b: [1, 1.5, null, true, "{{x}}"]}
---
template: t
with: {name: made}
---
kind: approval
name: drop
spec: {guard: empty, address: "*", reason: r, approver: a, expires: 2027-01-31}
---
kind: exception
name: old
spec: {check: C02, address: "*", reason: r, approver: a, expires: 2027-01-31}
"""
TEMPLATE = "parameters: {name: {type: string}}\n---\nkind: t.role\nname: m/${{ name }}\nspec: {password: {from: 'env:STRIPE_KEY'}}\n"
ENVIRONMENT = DEV + "vault: {eu: {}, primary: {}}"


def test_what_is_rendered_reads_as_the_same_desired_state() -> None:
    desired = read(DOCUMENTS, templates={"t": TEMPLATE}, dev=ENVIRONMENT)
    text = to_yaml(desired)
    again = read(text, dev=ENVIRONMENT)
    assert {
        address: found._replace(origin=desired.resources[address].origin) for address, found in again.resources.items()
    } == desired.resources
    assert (again.approvals, again.exceptions) == (desired.approvals, desired.exceptions)
    assert "# templates/t.yaml.j2:3 with desired-state/a.yaml:22\n" in text
    assert "ttl: 1h30m\n" in text
    assert "hcl: |\n    path" in text
    assert to_yaml(again).count("\n") == text.count("\n")


def test_rendered_objects_stand_in_the_order_of_their_addresses() -> None:
    text = to_yaml(read("kind: t.role\nname: z/b", "kind: t.policy\nname: c", "kind: t.role\nname: z/a"))
    assert [document["name"] for document in yaml.safe_load_all(text)] == ["c", "z/a", "z/b"]


def test_nothing_is_rendered_as_a_comment() -> None:
    assert to_yaml(load(Tree(tree().files), "dev", KINDS, today=TODAY)) == "# nothing is declared\n"


VALID: list[dict[str, Any]] = [
    {"kind": "t.role", "name": "m/r", "spec": {"ttl": "1h", "uses": 3, "policies": ["a"], "bind": True}},
    {"kind": "t.role", "name": "m/${{ x }}", "spec": {"ttl": "${{ x }}", "uses": "${{ x }}", "policies": "${{ x }}", "bind": "${{ x }}"}},
    {"kind": "t.role", "name": "m/r", "spec": {"password": {"from": "env:A"}, "bound": {"a": {"ref": "t.role/x", "attribute": "id"}}}},
    {
        "kind": "t.policy",
        "name": "p",
        "spec": {"rules": [{"path": "a", "capabilities": "${{ x }}"}]},
        "lifecycle": {"moved_from": "t.policy/q"},
    },
    {"template": "t", "with": {"a": 1}},
    {"template": "t", "with": [{"a": 1}], "environments": ["dev"]},
    {"kind": "approval", "name": "a", "spec": {"guard": "empty", "address": "*", "reason": "r", "approver": "a", "expires": "2027-01-31"}},
]
WRONG: list[dict[str, Any]] = [
    {"kind": "t.role", "name": "m/r", "spec": {"uses": "many"}},
    {"kind": "t.role", "name": "m/r", "spec": {"typo": 1}},
    {"kind": "t.role", "name": "m/r", "typo": 1},
    {"kind": "t.role", "spec": {}},
    {"kind": "t.rule", "name": "m/r"},
    {"kind": "t.role", "name": "m/r", "spec": {"password": "hunter2"}},
    {"kind": "t.policy", "name": "p", "spec": {"rules": [{"path": "a"}]}},
    {"kind": "approval", "name": "a"},
    {"template": "t", "wiht": {}},
]


@pytest.mark.parametrize("document", VALID, ids=str)
def test_the_schema_takes_what_is_valid(document: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(document_schema(None, KINDS)).validate(document)
    if "kind" in document:
        jsonschema.Draft202012Validator(document_schema(document["kind"], KINDS)).validate(document)


@pytest.mark.parametrize("document", WRONG, ids=str)
def test_the_schema_refuses_what_is_wrong(document: dict[str, Any]) -> None:
    assert not jsonschema.Draft202012Validator(document_schema(None, KINDS)).is_valid(document)


def test_the_schema_of_every_kind_is_a_schema() -> None:
    from reconciler.kinds import KINDS as REAL

    for kind in (None, *REAL):
        jsonschema.Draft202012Validator.check_schema(document_schema(kind, REAL))


def test_the_schema_of_an_unknown_kind_says_which_is_near() -> None:
    with pytest.raises(Usage, match=r"unknown kind 't\.rol' \(did you mean `t\.role`\?\)"):
        document_schema("t.rol", KINDS)
