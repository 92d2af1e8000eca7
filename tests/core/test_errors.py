from __future__ import annotations

import pytest

from reconciler.core.errors import BackendError, Conflict, Denied, Invalid, Problem, Refused, Stale, Usage, bug


def test_a_problem_says_where_what_and_what_to_do() -> None:
    assert str(Problem("a.yaml:3", "vault.policy/p", "is wrong", "fix it")) == "a.yaml:3: vault.policy/p: is wrong (fix it)"
    assert str(Problem("", "vault.policy/p", "is wrong")) == "vault.policy/p: is wrong"
    assert str(Problem("", "", "all is wrong")) == "all is wrong"


def test_a_problem_is_one_line_whatever_it_quotes() -> None:
    said = str(Problem("a.yaml:3", "vault.policy/x\n::error::boom", "unknown field `\x1b[2J\u202eno`", "grün\r"))
    assert said == "a.yaml:3: vault.policy/x\\n::error::boom: unknown field `\\x1b[2J\\u202eno` (grün\\r)"


def test_invalid_says_every_problem_at_once() -> None:
    assert str(Invalid(Problem("", "", what) for what in ("one", "two"))) == "one\ntwo"


def test_errors_end_the_command_by_what_the_reader_must_do() -> None:
    assert [error.exit_code for error in (Invalid([]), Usage("x"), Stale("x"), Refused("x"), BackendError("x"))] == [1, 2, 4, 4, 1]


def test_backend_errors_carry_fields() -> None:
    denied = Denied("no", path="sys/mounts", capability="read")
    assert (denied.path, denied.capability, denied.status) == ("sys/mounts", "read", 403)
    assert Conflict("x").status == 0


def test_a_mistake_of_ours_says_where_but_not_what() -> None:
    def fail() -> None:
        raise KeyError("a value that may be secret")

    with pytest.raises(KeyError) as caught:
        fail()
    assert bug(caught.value).startswith("internal error, KeyError at test_errors.py:")
    assert "secret" not in bug(caught.value)
    assert bug(ValueError("never raised")) == "internal error, ValueError; please report it"
