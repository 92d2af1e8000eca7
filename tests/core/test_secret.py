from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from reconciler.core.secret import FORBIDDEN_ENV, Generate, Secret, check_source


def said(given: Any) -> str:
    """What is wrong with a secret as YAML has it."""
    with pytest.raises(ValidationError) as caught:
        Secret.model_validate(given)
    return caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("source", "scheme", "location", "key"),
    [
        ("env:STRIPE_KEY", "env", "STRIPE_KEY", ""),
        ("file:db/password", "file", "db/password", ""),
        ("vault:genesis/data/db#password", "vault", "genesis/data/db", "password"),
        ("aws:genesis/db#password", "aws", "genesis/db", "password"),
        ("aws:genesis/db", "aws", "genesis/db", ""),
    ],
)
def test_a_secret_names_where_its_value_comes_from(source: str, scheme: str, location: str, key: str) -> None:
    secret = Secret.model_validate({"from": source})
    assert (secret.source, secret.scheme, secret.location, secret.key) == (source, scheme, location, key)
    assert Secret.model_validate(secret) == secret


def test_a_secret_can_be_made_where_it_shall_be_kept() -> None:
    secret = Secret.model_validate({"generate": {"length": 20}, "to": "vault:genesis/data/db#password"})
    assert secret.generate == Generate(length=20)
    assert secret.source == "vault:genesis/data/db#password"


@pytest.mark.parametrize("given", ["hunter2", 5, ["a"], None])
def test_a_plain_value_is_never_taken(given: object) -> None:
    assert "never a value" in said(given)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"generate": {"length": 20}},
        {"to": "vault:genesis/data/db#password"},
        {"from": "env:A", "to": "vault:genesis/data/db#password"},
        {"from": "env:A", "generate": {}},
        {"from": "env:A", "mark": "x"},
        {"source": "env:VAULT_TOKEN"},
        {"source": "env:A", "mark": "x"},
    ],
)
def test_only_the_two_documented_forms_are_taken(given: object) -> None:
    assert "takes either {from: SOURCE} or" in said(given)


@pytest.mark.parametrize("prefix", FORBIDDEN_ENV)
def test_the_credentials_of_the_run_itself_are_never_readable(prefix: str) -> None:
    assert "is never readable" in said({"from": f"env:{prefix}X"})
    assert "is never readable" in said({"from": f"env:{prefix.lower()}x"})


@pytest.mark.parametrize(
    ("source", "what"),
    [
        (5, "is a string such as"),
        ("STRIPE_KEY", "must start with one of: env:, file:, vault:, aws:"),
        ("env:", "must start with"),
        ("http://x", "must start with"),
        ("vault:genesis/data/db", "names no key"),
        ("vault:genesis/data/db#", "names no key"),
        ("vault:genesis/db#password", "is not a KV v2 data path"),
        ("vault:sys/x#/data/y", "is not a KV v2 data path"),
        ("vault:genesis/data/../../sys/x#k", "is no clean path"),
        ("vault:genesis//data/x#k", "is no clean path"),
        ("vault:genesis/data/x/#k", "is no clean path"),
        ("file:/etc/passwd", "must stay inside"),
        ("file:a/../../etc/passwd", "must stay inside"),
    ],
)
def test_a_source_that_cannot_be_is_refused_in_words(source: object, what: str) -> None:
    with pytest.raises(ValueError, match="source") as caught:
        check_source(source)
    assert what in str(caught.value)


@pytest.mark.parametrize("source", ["env:A", "file:a"])
def test_a_value_is_made_only_where_it_can_be_kept(source: str) -> None:
    assert "must start with one of: vault:, aws:" in said({"generate": {}, "to": source})


def test_a_made_value_is_long_enough() -> None:
    assert "greater than or equal to 16" in said({"generate": {"length": 8}, "to": "aws:x"})


def test_a_remembered_secret_equals_the_one_that_was_declared() -> None:
    declared = Secret.model_validate({"from": "env:A"}).model_copy(update={"mark": "m"})
    assert Secret.remembered("env:A", "m") == declared


def test_the_schema_describes_the_form_of_yaml() -> None:
    schema = TypeAdapter(Secret).json_schema()
    assert [sorted(form["required"]) for form in schema["oneOf"]] == [["from"], ["generate", "to"]]
