"""Templates: typed parameters, statements and macros, values that can never become YAML, lines that stay true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.desired.documents import TemplateUse
from reconciler.desired.source import Document, Source
from reconciler.desired.templates import instances, read_template
from tests.desired.world import PATIENT, read, refused, specs

POLICY = """\
parameters:
  name: {type: string}
  paths: {type: list, default: []}
---
kind: t.policy
name: svc-${{ name }}
spec:
  rules:
{% for path in paths %}
    - path: secret/${{ path }}
      capabilities: [read]
{% endfor %}
  hcl: "${{ name }} and {{identity.entity.id}}"
"""


def test_one_document_makes_many_objects_with_their_lines() -> None:
    desired = read(
        "# services\ntemplate: service\nwith:\n  - name: a\n    paths: [x, y]\n  - {name: b, paths: [x, y]}",
        templates={"service": POLICY},
    )
    rules = tuple({"path": f"secret/{path}", "capabilities": ("read",)} for path in "xy")
    assert specs(desired) == {
        "t.policy/svc-a": {"rules": rules, "hcl": "a and {{identity.entity.id}}"},
        "t.policy/svc-b": {"rules": rules, "hcl": "b and {{identity.entity.id}}"},
    }
    origins = [str(resource.origin) for resource in desired.resources.values()]
    assert origins == [f"templates/service.yaml.j2:5 with desired-state/a.yaml:{line}" for line in (4, 6)]
    assert desired.templates == ("service",)


def test_a_fault_inside_a_loop_is_found_on_its_line_of_the_template() -> None:
    text = POLICY.replace("capabilities", "capabilites")
    said = refused("template: service\nwith: {name: a, paths: [x, y]}", templates={"service": text})
    assert "templates/service.yaml.j2:11 with desired-state/a.yaml:2: t.policy/svc-a: unknown field `capabilites`" in said
    assert "(did you mean `capabilities`?)" in said


VALUE = """\
parameters: {value: {type: string}}
---
kind: t.role
name: m/r
spec:
  metadata:
    plain: ${{ value }}
    inside: x-${{ value }}
    quoted: "<${{ value }}>"
    single: '<${{ value }}>'
    block: |
      <${{ value }}>
"""


@PATIENT
@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: "${{" not in text))
def test_no_value_becomes_yaml(value: str) -> None:
    template = read_template("t", "templates/t.yaml.j2", VALUE.encode())
    document = Document(Source("a.yaml", b"template: t"), 0, 1, {})
    (made,) = instances(template, TemplateUse.model_validate({"template": "t", "with": {"value": value}}), document, {})
    assert isinstance(made, Document)
    assert made.body == {
        "kind": "t.role",
        "name": "m/r",
        "spec": {
            "metadata": {
                "plain": value,
                "inside": f"x-{value}",
                "quoted": f"<{value}>",
                "single": f"<{value}>",
                "block": f"<{value}>\n",
            }
        },
    }


def test_a_value_that_looks_like_a_document_stays_a_value() -> None:
    evil = "a\n---\nkind: t.policy\nname: evil\n"
    desired = read(f"template: t\nwith: {{value: {evil!r}}}".replace("'", '"'), templates={"t": VALUE})
    assert list(map(str, desired.resources)) == ["t.role/m/r"]
    assert specs(desired)["t.role/m/r"]["metadata"]["plain"] == evil


def test_a_scalar_that_is_one_expression_keeps_its_type() -> None:
    text = (
        "parameters:\n  uses: {type: integer}\n  bind: {type: boolean}\n  policies: {type: list}\n  bound: {type: map}\n"
        "  ttl: {type: duration}\n---\nkind: t.role\nname: m/r\nspec:\n  uses: ${{ uses }}\n  bind: ${{ bind }}\n"
        "  policies: ${{ policies }}\n  bound: ${{ bound }}\n  ttl: ${{ ttl }}\n"
    )
    desired = read("template: t\nwith: {uses: 3, bind: false, policies: [b, a], bound: {x: [1]}, ttl: 90m}", templates={"t": text})
    assert specs(desired)["t.role/m/r"] == {"uses": 3, "bind": False, "policies": ("a", "b"), "bound": {"x": [1]}, "ttl": 5400}


def test_macros_make_structure_and_values_stay_values_in_them() -> None:
    text = """\
parameters: {paths: {type: list}}
---
{% macro rule(path, capabilities=['read']) %}
- path: ${{ path }}
  capabilities: ${{ capabilities }}
{% endmacro %}
{% macro wrapped() %}${{ caller() }}{% endmacro %}
{% set suffix = '/' ~ team %}
kind: t.policy
name: p
spec:
  rules:
{% for path in paths %}
    ${{ rule(path ~ suffix) | indent(4) | trim }}
{% endfor %}
    ${{ rule('all', ['list']) | indent(4) | trim }}
{% call wrapped() %}
  hcl: ${{ team }}
{% endcall %}
"""
    desired = read("template: t\nwith: {paths: ['a: b', '- c']}", templates={"t": text})
    assert specs(desired)["t.policy/p"] == {
        "rules": (
            {"path": "a: b/genesis", "capabilities": ("read",)},
            {"path": "- c/genesis", "capabilities": ("read",)},
            {"path": "all", "capabilities": ("list",)},
        ),
        "hcl": "genesis",
    }


HEAD = "parameters: {name: {type: string, default: x}}\n---\n"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("kind: t.policy\nname: ${{ nmae }}\n", "t.yaml.j2:4 with desired-state/a.yaml:1: `nmae` is neither a variable nor a parameter (did you mean `name`?)"),
        ("\n{% if nmae %}\n{% endif %}\n", "t.yaml.j2:4 with"),
        ("\n\nkind: ${{ name\n", "t.yaml.j2:"),
        ("\n{% if %}{% endif %}\n", "t.yaml.j2:4: is not a template"),
        ("\n{% for x in name %}\n", "is not a template"),
        ("\n" + "{% for x in name %}" * 21 + "{% endfor %}" * 21, "nested too deeply"),
        ("\n{% include 'x' %}\n", "t.yaml.j2:4: {% include %} is not allowed in templates"),
        ("{% import 'x' as y %}\n", "t.yaml.j2:3: {% import %} is not allowed"),
        ("{% from 'x' import y %}\n", "t.yaml.j2:3: {% from %} is not allowed"),
        ("{% extends 'x' %}\n", "t.yaml.j2:3: {% extends %} is not allowed"),
        ("{% set x %}a{% endset %}\n", "{% set NAME %}...{% endset %} is not allowed in templates (macros and {% set NAME = value %} are)"),
        ("{% filter upper %}a{% endfilter %}\n", "{% filter %} is not allowed"),
        ("{% for x in [1] recursive %}{% endfor %}\n", "recursive loops are not allowed"),
        ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}\n", "takes more than 100,000 loop turns and calls"),
        ("{% macro m() %}${{ m() }}{% endmacro %}\n\nkind: ${{ m() }}\n", "calls itself without end"),
        ("{% macro m(n) %}{% if n %}{% set a = m(n - 1) %}{% set b = m(n - 1) %}{% endif %}{% endmacro %}\n${{ m(60) }}\n", "takes more than 100,000"),
        ("{% for a in range(90000) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n{% endfor %}", "makes more than 5 MB of text"),
        ("kind: t.policy\nname: p\n spec: {}\n", "t.yaml.j2:5 with desired-state/a.yaml:1: is not YAML"),
        ("template: t\n", "t.yaml.j2:3 with desired-state/a.yaml:1: a template cannot use another one"),
        ("{% macro m() %}${{ name }}{% endmacro %}kind: ${{ m() | upper }}\n", "a filter changed the text of a macro"),
        ("kind: ${{ ref('t.role/x').arn | upper }}\n", "a value known only after apply cannot be changed by a filter"),
        ("kind: ${{ name.__class__ }}\n", "unsafe"),
        ("kind: ${{ cycler(1) }}\n", "`cycler` is neither a variable nor a parameter"),
    ],
)  # fmt: skip
def test_a_broken_template_is_said_with_its_line(body: str, message: str) -> None:
    assert message in refused("template: t", templates={"t": HEAD + body})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind: t.policy\n", "templates/t.yaml.j2: has no documents after its parameters"),
        ("kind: t.policy\n---\nkind: t.policy\n", "templates/t.yaml.j2: its first document must be `parameters: {...}`"),
        ("parameters:\n  a: {type: strng}\n---\n", "templates/t.yaml.j2:2: `parameters.a.type` must be 'string',"),
        ("parameters:\n  a: {type: integer, default: x}\n---\n", "templates/t.yaml.j2:2: `parameters.a.default` must be an integer"),
        ("parameters:\n  a: {typo: integer}\n---\n", "unknown field `typo`"),
        ("parameters:\n  ref: {type: list}\n---\n", "templates/t.yaml.j2:2: a parameter cannot be called `ref`"),
        ("parameters:\n  a-b: {type: list}\n---\n", "templates/t.yaml.j2:2: "),
        ("parameters: {}\n---\nkind: \x02\n", "templates/t.yaml.j2:3: holds the control character U+0002"),
    ],
)
def test_broken_parameters_are_said_with_their_line(text: str, message: str) -> None:
    assert message in refused("template: t", templates={"t": text})


TYPED = "parameters:\n  s: {type: string}\n  n: {type: integer, default: 1}\n  d: {type: duration, default: 1h}\n  o: {type: map, default: null}\n---\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{}", "template t needs `s` (write it under `with` (string))"),
        ("{s: x, m: 1}", "template t has no parameter `m`"),
        ("{s: 5}", "`s` must be a string (put it in quotes)"),
        ("{s: null}", "`s` must be a string"),
        ("{s: x, n: true}", "`n` must be an integer"),
        ("{s: x, n: 1.5}", "`n` must be an integer"),
        ("{s: x, d: 1day}", "`d`: '1day' is not a duration"),
        ("{s: x, o: []}", "`o` must be a map"),
        ("[{s: x}, {s: [x]}]", "`s` must be a string"),
        ("5", "`with` must be a list"),
    ],
)
def test_arguments_are_checked_where_they_are_given(arguments: str, message: str) -> None:
    said = refused(f"template: t\nwith: {arguments}", templates={"t": TYPED})
    assert message in said
    assert said.startswith("desired-state/a.yaml:2: ")


def test_an_unknown_template_is_said_with_a_near_one() -> None:
    said = refused("template: servce", templates={"service": HEAD})
    assert said == "desired-state/a.yaml:1: unknown template `servce` (did you mean `service`?)"


def test_arguments_may_be_expressions_and_references() -> None:
    text = (
        "parameters: {a: {type: string}, b: {type: list}}\n---\nkind: t.role\nname: m/r\nspec: {bound: {a: '${{ a }}/*', b: '${{ b }}'}}\n"
    )
    desired = read(
        "template: t\nwith: {a: \"${{ ref('t.mount/m').arn }}\", b: '${{ regions }}'}", "kind: t.mount\nname: m", templates={"t": text}
    )
    assert specs(desired)["t.role/m/r"]["bound"] == {"a": "${{ ref('t.mount/m').arn }}/*", "b": ["eu", "us"]}


def test_one_broken_template_does_not_make_its_uses_unknown() -> None:
    assert "unknown template" not in refused("template: t", "template: t", templates={"t": "parameters: {}\n---\n{% if %}"})


def test_an_instance_may_be_for_some_environments_only() -> None:
    other = {"desired-state/environments/prod.yaml": "project: demo"}
    desired = read("template: t\nenvironments: [prod]\nwith: {name: a}", templates={"t": POLICY}, files=other)
    assert not desired.resources


def test_a_default_may_be_an_expression() -> None:
    text = "parameters: {ttl: {type: duration, default: '${{ ttl }}'}}\n---\nkind: t.role\nname: m/r\nspec: {ttl: '${{ ttl }}'}\n"
    assert specs(read("template: t", templates={"t": text}))["t.role/m/r"] == {"ttl": 3600}
    assert "`tl` is neither" in refused("template: t", templates={"t": text.replace("default: '${{ ttl", "default: '${{ tl")})
