"""Our reading of policies against a real server's: the same texts are accepted, and they grant the same."""

from __future__ import annotations

import timeit
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from reconciler.access.hcl import PolicyError, parse, quote
from reconciler.access.policy_text import read_policy
from reconciler.access.rules import render
from reconciler.backends.vault.client import VaultClient
from reconciler.core.errors import BackendError

# The namespace is shared by the examples of a test, and each of them writes the same policy again.
ON_SERVER = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
PATHS = ["a", "/a", "a/b", "a/b/", "a/b/*", "a/+/c", "+/x", "*", "{{identity.entity.id}}/x", "path"]
OPENBAO_CAPABILITIES = ["create", "read", "update", "patch", "delete", "list", "scan", "sudo", "deny"]

BLANKS = st.sampled_from([" ", "\n", "  ", "\t", " # note\n", " // note }\n", ' /* " { */ ', "\r\n"])
CAPABILITY_LISTS = st.lists(st.sampled_from(OPENBAO_CAPABILITIES), max_size=4)
ATTRIBUTES = st.sampled_from(
    [
        'policy = "read"',
        'policy = "sudo"',
        'comment = "why, exactly"',
        "comment = <<EOT\n  why\n  EOT\n",
        "pagination_limit = 100",
        'pagination_limit = "0x10"',
        'min_wrapping_ttl = "1m"',
        "min_wrapping_ttl = 30",
        'max_wrapping_ttl = "90m"',
        "max_wrapping_ttl = 7200",
        'required_parameters = ["a", "b"]',
        'allowed_parameters = { "a" = ["x", 1, true], "*" = [] }',
        'denied_parameters { b = ["y"] }',
        'denied_parameters = { "b" = [["x", "y"], "z"] }',
        'mfa_methods = ["m"]',
        'expiration = "2099-01-01T00:00:00Z"',
        'list_scan_response_keys_filter_path = "{{ .path }}{{ .key }}"',
    ]
)


@st.composite
def blocks(draw: st.DrawFn) -> str:
    """One rule in some spelling that a person might choose."""
    path = quote(str(draw(st.sampled_from(PATHS))))
    listed = draw(CAPABILITY_LISTS)
    comma = draw(st.sampled_from([", ", ",", " ,\n"]))
    capabilities = f"capabilities = [{comma.join(map(quote, listed))}{draw(st.sampled_from(['', ',']))}]"
    attributes = [capabilities, *draw(st.lists(ATTRIBUTES, max_size=3, unique_by=lambda attribute: attribute.split()[0]))]
    body = str(draw(BLANKS)).join(["", *draw(st.permutations(attributes)), ""])
    return f"path{draw(BLANKS)}{path}{draw(BLANKS)}{{{body}}}"


TEXTS = st.builds(lambda parts, blank: blank.join(parts), st.lists(blocks(), min_size=1, max_size=3), BLANKS)
FRAGMENTS = st.sampled_from(
    ['"', "{", "}", "[", "]", "=", ",", "\\", "\\q", "\\u00e9", "\\n", "$", "${", "}}", "{{", "#", "/*", "<<X\n", "0x", "-", "1.5", "true",
     "null", ";", "\n", "path", "name", "capabilities", "bogus", "é", "'", "+*", "x =", '"x"']
)  # fmt: skip


@st.composite
def spoiled(draw: st.DrawFn) -> str:
    """A text with something put in, taken out or doubled, most of which is then no policy any more."""
    text = str(draw(TEXTS))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        length = draw(st.integers(0, 6))
        text = text[:at] + draw(FRAGMENTS | st.just(text[at : at + length])) + text[at + length * draw(st.integers(0, 1)) :]
    return text


def accepts(client: VaultClient, text: str) -> bool:
    try:
        client.write("sys/policies/acl/probe", {"policy": text})
    except BackendError as error:
        if error.status != 400:
            raise
        return False
    return True


def understood(text: str) -> bool:
    try:
        read_policy(text)
    except PolicyError:
        return False
    return True


@ON_SERVER
@given(text=TEXTS)
def test_what_we_understand_is_what_the_server_accepts(vault: VaultClient, text: str) -> None:
    assert understood(text) is accepts(vault, text)


@ON_SERVER
@given(text=spoiled())
def test_what_we_refuse_is_what_the_server_refuses(vault: VaultClient, text: str) -> None:
    assume(text.strip() and "filter_path" not in text)  # that one is a Go template, which only the server can check
    assert understood(text) is accepts(vault, text)


@ON_SERVER
@given(text=TEXTS)
def test_what_we_write_means_what_we_read(vault: VaultClient, text: str) -> None:
    assume(understood(text))
    rules = read_policy(text)
    assert read_policy(render(rules)) == rules
    assert accepts(vault, render(rules))


@pytest.fixture
def granted(vault: VaultClient) -> Callable[[str, list[str]], dict[str, list[str]]]:
    """What a token with a policy may do on paths, by the server's word."""
    vault.write("sys/policies/acl/probe", {"policy": 'path "x" { capabilities = ["read"] }'})
    token = vault.write("auth/token/create", {"policies": ["probe"], "no_default_policy": True})["auth"]["client_token"]

    def ask(text: str, paths: list[str]) -> dict[str, list[str]]:
        vault.write("sys/policies/acl/probe", {"policy": text})
        answer = vault.ask("sys/capabilities", {"token": token, "paths": paths})
        return {path: sorted(answer[path]) for path in paths}

    return ask


@ON_SERVER
@given(text=TEXTS)
def test_rules_grant_what_the_server_grants(granted: Callable[[str, list[str]], dict[str, list[str]]], text: str) -> None:
    assume("expiration" not in text and understood(text))  # a rule that expires stays apart from one that does not
    ours = {rule["path"]: sorted(rule["capabilities"]) or ["deny"] for rule in read_policy(text) if not set("*+{") & set(rule["path"])}
    assume(ours)
    assert granted(text, sorted(ours)) == ours


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('path "x" {\n  capabilities = ["read"\n}', "line 3: a list needs ',' or ']' here, found '}'"),
        ('path "x" {\n  capabilities = ["read]\n}', "line 2: a value is expected, found a string that does not end"),
        ('path "x" {', "line 1: a name is expected, found the end"),
        ('path "x"\n\n', "line 3: 'x' must be followed by '{' or '=', found the end"),
        ('path "x" { capabilities = ["read"] };', "line 1: a name is expected, found ';'"),
        ('{"path": {"x": \n{"capabilities": }}}', "line 2: Expecting value"),
        ("a\0b", "line 1: holds a NUL character"),
        ('pathe "x" {}', "'pathe' has no place in a policy (only path blocks do)"),
        ('path "x" { capabilities = ["reed"] }', "rule for 'x': capability 'reed' does not exist (did you mean 'read'?)"),
        ('path "x" { capability = ["read"] }', "rule for 'x': 'capability' is no attribute of a rule (did you mean 'capabilities'?)"),
        ('path "x" { policy = "all" }', "rule for 'x': policy 'all' does not exist (write capabilities)"),
        (
            'path "x" { capabilities = [] min_wrapping_ttl = "1h" } path "x" { capabilities = [] max_wrapping_ttl = 10 }',
            "rule for 'x': max_wrapping_ttl is less than min_wrapping_ttl",
        ),
        ('path "x/+*" { capabilities = [] }', "rule for 'x/+*': '+*' is forbidden (write '+/*', or '*' at the end)"),
        ("{" * 5000, "line 1: Expecting property name enclosed in double quotes"),
        ("a = " + "[" * 5000, "line 1: nested more than 32 levels deep, found '['"),
    ],
)
def test_an_error_says_what_and_where(text: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(text)
    assert str(caught.value) == message


@given(st.text())
def test_any_text_can_be_quoted(text: str) -> None:
    assume("\0" not in text and "\r\n" not in text and not any(0xD800 <= ord(letter) <= 0xDFFF for letter in text))
    assert parse(f"x = {quote(text)}")[0].value == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('x = "a\\tb\\x41\\101\\u00e9\\"\\\\"', 'a\tbAAé"\\'),
        ('x = "${upper("a")}"', '${upper("a")}'),
        ("x = <<EOT\n  two\n  lines\nEOT\n", "  two\n  lines\n"),
        ("x = <<-EOT\n    two\n      lines\n    EOT\n", "two\n  lines\n"),
        ("x = <<-EOT\n  two\n      lines\n    EOT\n", "  two\n      lines\n"),
        ("x = 0x1F", 31),
        ("x = 010", 8),
        ("x = -1.5e2", -150.0),
        ("x = [1, [true], \"a\",]", [1, [True], "a"]),
    ],
)  # fmt: skip
def test_a_value_is_read_as_the_server_reads_it(text: str, value: object) -> None:
    assert parse(text)[0].value == value


def test_a_policy_of_three_rules_is_read_in_some_twenty_microseconds() -> None:
    text = "".join(f'# rule\npath "genesis/data/team-{n}/*" {{\n  capabilities = ["read", "list"]\n}}\n' for n in range(3))
    seconds = min(timeit.repeat(lambda: read_policy(text), number=200, repeat=5)) / 200
    assert seconds < 200e-6  # ten times the usual, for slow and busy machines
