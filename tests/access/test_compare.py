"""What two sets of policies allow differently: nothing is missed, nothing is said that is not so."""

from __future__ import annotations

import random

import pytest

from reconciler.access.compare import Difference, differences
from reconciler.access.patterns import FRESH, Family, Part, family, meeting
from reconciler.access.policy_text import read_policy
from reconciler.access.rules import Rules
from reconciler.access.vault_acl import ROOT_POLICY, Policy, capabilities, compiled
from tests.access.generate import a_path, a_pattern, a_policy


def policy(text: str) -> Policy:
    return compiled(read_policy(text))


def rule(path: str, *given: str) -> str:
    return f'path "{path}" {{ capabilities = [{", ".join(f"{name!r}" for name in given)}] }}\n'.replace("'", '"')


def said(before: str, after: str) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    return [(one.path, one.gains, one.loses) for one in differences((policy(before),), (policy(after),))]


def named(path: str) -> Family:
    """The family that a difference names: where two patterns meet, a segment in the middle may be left open at its end."""
    *texts, last = path.split("/")
    ending = family(last)
    parts = [Part("begins", text[:-1]) if len(text) > 1 and text.endswith("*") else family(text).parts[0] for text in texts]
    return Family(
        (*(Part("literal", "*") if text == "*" else part for text, part in zip(texts, parts, strict=True)), *ending.parts), ending.open
    )


def granted(policies: list[Policy], path: str) -> frozenset[str]:
    return capabilities(policies, path) - {"deny"}


def sides(dice: random.Random) -> tuple[list[Policy], list[Policy], list[str]]:
    """Two sets that share a policy or two, as before and after a change."""
    patterns: list[str] = []
    made: list[Rules] = []
    for _ in range(dice.randint(1, 4)):
        made.append(a_policy(dice, patterns))
        patterns += [one["path"] for one in made[-1]]
    every = [compiled(rules) for rules in made]
    return dice.sample(every, dice.randint(0, len(every))), dice.sample(every, dice.randint(0, len(every))), patterns


def test_every_path_with_another_answer_is_in_a_family_that_says_so() -> None:
    compared = 0
    for seed in range(400):
        dice = random.Random(seed)
        before, after, patterns = sides(dice)
        found = differences(tuple(before), tuple(after))
        for _ in range(60):
            path = a_path(dice, patterns).lstrip("/")
            had, has = granted(before, path), granted(after, path)
            # Other paths that end in "/" are decided like those without it.
            if had == has or (path.endswith("/") and f"{path}*" not in patterns and path not in patterns):
                continue
            compared += 1
            effect = (tuple(sorted(has - had)), tuple(sorted(had - has)))
            asked = (path, path.removesuffix("/"))
            same = [one for one in found if (one.gains, one.loses) == effect and any(map(named(one.path).covers, asked))]
            assert same, (seed, path, effect, found)
    assert compared > 3000


def test_every_family_that_is_named_has_a_path_of_which_it_is_true() -> None:
    for seed in range(400):
        dice = random.Random(seed)
        before, after, _ = sides(dice)
        for one in differences(tuple(before), tuple(after)):
            assert any(is_so(one, before, after, depth) for depth in range(12)), (seed, one)


def is_so(one: Difference, before: list[Policy], after: list[Policy], depth: int) -> bool:
    path = named(one.path).witness(depth)
    had, has = granted(before, path), granted(after, path)
    return (tuple(sorted(has - had)), tuple(sorted(had - has))) == (one.gains, one.loses)


def test_meeting_families_have_exactly_the_paths_that_both_have() -> None:
    for seed in range(3000):
        dice = random.Random(seed)
        one, other = family(a_pattern(dice)), family(a_pattern(dice))
        met = meeting(one, other)
        for _ in range(10):
            path = a_path(dice, [one.label, other.label])
            assert (one.covers(path) and other.covers(path)) == (met is not None and met.covers(path)), (one.label, other.label, path)
        assert met is None or (one.covers(met.witness()) and other.covers(met.witness()))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(rule("a/*", "read"), rule("a/*", "read") + rule("a/b", "read"), [], id="a rule that grants what another grants"),
        pytest.param(rule("a/*", "read"), rule("a/*", "read") + rule("a/+/*", "list"), [], id="a rule that never counts"),
        pytest.param("", rule("a/*", "read") + rule("a/b", "read"), [("a/*", ("read",), ())], id="what a wider family says is not repeated"),
        pytest.param(rule("a/*", "read"), rule("a/*", "read") + rule("a/b", "list"), [("a/b", ("list",), ("read",))], id="a more specific rule takes away"),
        pytest.param(rule("a/*", "read"), rule("a/*", "read") + rule("a/b", "deny"), [("a/b", (), ("read",))], id="a deny takes away"),
        pytest.param(rule("+/b", "read"), rule("+/b", "read") + rule("a/*", "list"), [("a/*", ("list",), ()), ("a/b", ("list",), ("read",))], id="a rule that shadows where two meet"),
        pytest.param(rule("a", "read", "list"), rule("a", "list", "read"), [], id="the same in another order"),
        pytest.param(rule("a", "update"), rule("a", "deny"), [("a", (), ("update",))], id="a deny where something was allowed"),
        pytest.param("", rule("a", "deny"), [], id="a deny where nothing was allowed"),
    ],
)  # fmt: skip
def test_a_change_is_told_by_its_effect(before: str, after: str, expected: list[object]) -> None:
    assert said(before, after) == expected


def test_a_limit_on_what_may_be_sent_is_a_loss() -> None:
    limited = 'path "a" { capabilities = ["update", "list"]\n required_parameters = ["ttl"] }'
    assert said(rule("a", "update", "list"), limited) == [("a", ("update (required_parameters ttl)",), ("update",))]


def test_a_policy_that_another_one_makes_up_for_is_no_loss() -> None:
    one, other = policy(rule("a/*", "read")), policy(rule("a/b", "read"))
    assert differences((one, other), (one,)) == ()


def test_the_policies_that_decide_are_named() -> None:
    one, other = policy(rule("a", "read")), policy(rule("a", "list"))
    (found,) = differences((one,), (one, other))
    assert found.by == (other,)
    (found,) = differences((one, other), (one,))
    assert set(found.by) == {one, other}


def test_root_is_everything() -> None:
    assert differences((), (ROOT_POLICY,)) == (Difference("*", ("root",), (), (ROOT_POLICY,)),)


def test_nobody_has_the_sign_of_witnesses_in_a_path() -> None:
    assert FRESH.isprintable() is False
