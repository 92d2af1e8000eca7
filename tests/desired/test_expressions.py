"""`${{ }}`: evaluated after the YAML is parsed, typed, strict, and silent about values."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.expressions import Unresolved, evaluate, substitute
from tests.desired.world import PATIENT

VARIABLES: dict[str, Any] = {"team": "genesis", "ttl": 3600, "on": True, "names": ["a", "b"], "limits": {"low": 1}, "nothing": None}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ team }}", "genesis"),
        ("${{team}}-svc-${{ ttl }}", "genesis-svc-3600"),
        ("${{ ttl }}", 3600),
        ("${{ on }}", True),
        ("x-${{ on }}", "x-true"),
        ("${{ names }}", ["a", "b"]),
        ("${{ nothing }}", None),
        ("${{ ttl // 60 }}", 60),
        ("${{ ttl * 2 }}", 7200),
        ("${{ team | upper }}", "GENESIS"),
        ("${{ names | join(',') }}", "a,b"),
        ("${{ limits.low }}", 1),
        ("${{ limits['low'] + 1 }}", 2),
        ("${{ 'prod' if team == 'x' else 'dev' }}", "dev"),
        ("${{ absent | default('y') }}", "y"),
        ("${{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
        ("${{ '}}' }}", "}}"),
        ("${{ names | map('upper') }}", ["A", "B"]),
        ("${{ range(3) }}", [0, 1, 2]),
        ("{{ identity.entity.name }}", "{{ identity.entity.name }}"),
        ("{{username}}:${{ team }}", "{{username}}:genesis"),
        ("{% raw %} ${{ team }} {# c #}", "{% raw %} genesis {# c #}"),
        ("$ { {{ } ${ x }", "$ { {{ } ${ x }"),
    ],
)
def test_an_expression_yields_its_value(text: str, value: object) -> None:
    found = evaluate(text, VARIABLES)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${{ taem }}", "`taem` is neither a variable nor a parameter (did you mean `team`?)"),
        ("${{ taem | upper }}", "`taem` is neither a variable nor a parameter (did you mean `team`?)"),
        ("${{ limits.lwo }}", "the map has no `lwo`, did you mean `low`?"),
        ("${{ team", "an expression is not closed (end it with }})"),
        ("${{ team + }}", "`team +` is not an expression"),
        ("${{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deeply"),
        ("${{ " + "-" * 50_000 + "1 }}", "nested too deeply"),
        ("${{ }}", "is not an expression"),
        ("x ${{ names }}", "a list cannot stand inside text (use `| join(', ')` or a value of its own)"),
        ("x ${{ limits }}", "a map cannot stand inside text"),
        ("x ${{ nothing }}", "null cannot stand inside text"),
        ("${{ team.__class__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("${{ ''.__class__.__mro__ }}", "unsafe"),
        ("${{ team | random }}", "No filter named 'random'"),
        ("${{ 'x' * 1000000000 }}", "`*` is for numbers, and small ones"),
        ("${{ 9 ** 99999999 }}", "`**` is for numbers, and small ones"),
        ("${{ '%999999999d' % 1 }}", "`%` is for numbers"),
        ("${{ range(10000000) }}", "cannot be evaluated"),
        ("${{ 1 / 0 }}", "cannot be evaluated (ZeroDivisionError)"),
        ("${{ range }}", "a function is no value"),
        ("${{ open('/etc/passwd') }}", "`open` is neither a variable nor a parameter"),
        ("${{ ref('x') }}", "ref() needs an attribute (write ref('ADDRESS').arn)"),
        ("${{ ref('x').arn }}", "'x' is not an address"),
        ("${{ ref('t.role/x').policy }}", "`policy` is not known of other objects (known: accessor, arn, id)"),
        ("${{ ref('t.role/x').arn | upper }}", "a value known only after apply cannot be changed by a filter"),
        ("${{ '${{ team }}' }}", "no value may hold ${{"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_words(text: str, message: str) -> None:
    with pytest.raises(Unresolved) as caught:
        evaluate(text, VARIABLES)
    error = caught.value
    assert message in (f"{error.what} ({error.remedy})" if error.remedy else error.what)


REFERENCE = "${{ ref('aws.iam_role/a').arn }}"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (REFERENCE, REFERENCE),
        ('${{ref("aws.iam_role/a").arn}}', REFERENCE),
        ("${{ ref('aws.iam_role/' ~ name).arn }}", REFERENCE),
        ("x-${{ ref('aws.iam_role/a').arn }}/*", f"x-{REFERENCE}/*"),
        ({"ref": "aws.iam_role/a", "attribute": "arn"}, REFERENCE),
        ([{"ref": "aws.iam_role/${{ name }}", "attribute": "arn"}], [REFERENCE]),
        ({"ref": "x", "attribute": "y", "more": 1}, {"ref": "x", "attribute": "y", "more": 1}),
    ],
)
def test_values_known_only_after_apply_are_kept_in_one_form(given: object, kept: object) -> None:
    wrong: list[Any] = []
    assert (substitute(given, {"name": "a"}, wrong), wrong) == (kept, [])


def test_every_fault_is_found_with_its_path() -> None:
    wrong: list[Any] = []
    substitute({"a": ["${{ x }}", {"b": "${{ y }}"}], "c": "${{ team }}", "d": {"ref": "?", "attribute": "arn"}}, VARIABLES, wrong)
    assert [fault.path for fault in wrong] == [("a", 0), ("a", 1, "b"), ("d",)]


def test_keys_are_evaluated_too() -> None:
    assert substitute({"${{ team }}": 1}, VARIABLES, []) == {"genesis": 1}


@PATIENT
@given(st.text().filter(lambda text: "${{" not in text))
def test_a_value_is_never_evaluated_again(value: str) -> None:
    assert evaluate("${{ value }}", {"value": value}) == value
    assert evaluate("<${{ value }}>", {"value": value}) == f"<{value}>"


def test_bare_names_need_no_jinja() -> None:
    script = (
        "import sys\nfrom reconciler.desired.expressions import evaluate\n"
        "print(evaluate('${{ a }}', {'a': 1}), evaluate(\"${{ ref('t.x/y').id }}\", {}), 'jinja2' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown == "1 ${{ ref('t.x/y').id }} False\n"
