"""Overlays: JSON merge patches of single documents, for one environment."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.desired.overlays import merge
from tests.desired.world import read, refused, specs

ROLE = "kind: t.role\nname: m/r\nlabels: {a: b}\nspec: {ttl: 1h, uses: 3, metadata: {x: '1', y: '2'}}"


def overlay(text: str, environment: str = "dev") -> dict[str, str]:
    return {f"desired-state/overlays/{environment}/o.yaml": text}


@pytest.mark.parametrize(
    ("value", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_patches_merge_as_the_examples_of_rfc_7386(value: Any, patch: Any, merged: Any) -> None:
    assert merge(value, patch) == merged


@pytest.mark.parametrize(
    ("patch", "spec"),
    [
        ("{uses: 5, metadata: {x: null, z: '3'}}", {"ttl": 3600, "uses": 5, "metadata": {"y": "2", "z": "3"}}),
        ("{spec: {uses: null, ttl: 2h}}", {"ttl": 7200, "metadata": {"x": "1", "y": "2"}}),
        ("{uses: '${{ copies }}'}", {"ttl": 3600, "uses": 3, "metadata": {"x": "1", "y": "2"}}),
    ],
    ids=["onto the spec", "onto the document", "with an expression"],
)
def test_a_patch_changes_the_document_before_it_is_validated(patch: str, spec: dict[str, Any]) -> None:
    assert specs(read(ROLE, files=overlay(f"address: t.role/m/r\npatch: {patch}")))["t.role/m/r"] == spec


def test_patches_apply_in_the_order_of_their_files_and_to_documents_of_templates() -> None:
    template = {"t": f"parameters: {{}}\n---\n{ROLE}\n"}
    files = {f"desired-state/overlays/dev/{name}.yaml": f"address: t.role/m/r\npatch: {{uses: {name}}}" for name in (2, 1)}
    assert specs(read("template: t", templates=template, files=files))["t.role/m/r"]["uses"] == 2


def test_overlays_of_other_environments_change_nothing() -> None:
    files = {**overlay("address: t.role/m/r\npatch: {uses: 9}", "prod"), "desired-state/environments/prod.yaml": "project: demo"}
    assert specs(read(ROLE, files=files))["t.role/m/r"]["uses"] == 3


def test_labels_and_lifecycle_can_be_patched() -> None:
    (role,) = read(ROLE, files=overlay("address: t.role/m/r\npatch: {labels: {c: d}, lifecycle: {protect: true}}")).resources.values()
    assert (role.labels, role.lifecycle.protect) == ({"a": "b", "c": "d"}, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("address: t.role/m/q\npatch: {uses: 1}", "o.yaml:1: t.role/m/q: patches nothing that is declared in environment dev (did you mean `t.role/m/r`?)"),
        ("address: t.role/m/r\npatch:\n  usse: 1", "o.yaml:3: t.role/m/r: unknown field `usse` (did you mean `uses`?)"),
        ("address: t.role/m/r\npatch:\n  spec:\n    uses: many", "o.yaml:4: t.role/m/r: `uses` must be a whole number"),
        ("address: t.role/m/r\npatch:\n  name: other", "o.yaml:3: t.role/m/r: a patch cannot change `name` (declare another document)"),
        ("address: t.role/m/r\npatch:\n  uses: ${{ copeis }}", "o.yaml:3: t.role/m/r: `copeis` is neither a variable nor a parameter"),
        ("address: nonsense\npatch: {}", "o.yaml:1: nonsense: `address`: 'nonsense' is not an address"),
        ("address: t.role/m/r\npacth: {}", "o.yaml:2: t.role/m/r: unknown field `pacth` (did you mean `patch`?)"),
        ("address: t.role/m/r\npatch: {password: hunter2}", "o.yaml:2: t.role/m/r: `password` must be a reference"),
        ("address: t.role/m/r\npatch:\n  metadata: {db_password: hunter2}", "o.yaml:3: t.role/m/r: `spec.metadata.db_password` holds a password"),
    ],
)  # fmt: skip
def test_a_wrong_patch_is_said_with_its_own_line(text: str, message: str) -> None:
    assert f"desired-state/overlays/dev/{message}" in refused(ROLE, files=overlay(text))


@pytest.mark.parametrize(
    ("path", "message"),
    [("dve/o.yaml", "there is no environment `dve`"), ("o.yaml", "lies in no environment's folder")],
)
def test_an_overlay_that_nobody_would_read_is_an_error(path: str, message: str) -> None:
    said = refused(ROLE, files={f"desired-state/overlays/{path}": "address: t.role/m/r\npatch: {}"})
    assert said == f"desired-state/overlays/{path}: {message} (overlays are desired-state/overlays/ENVIRONMENT/*.yaml)"
