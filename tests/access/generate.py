"""Policies and paths made at random from few letters, so that rules meet, overlap and shadow each other."""

from __future__ import annotations

import random
from collections.abc import Sequence

from reconciler.access.rules import Rule, Rules, canonical

CAPABILITIES = ("create", "read", "update", "patch", "delete", "list", "scan", "sudo")
_SEGMENTS = ("a", "b", "ab", "+", "+", "a+", "+b", "é", "", "*")


def a_pattern(dice: random.Random) -> str:
    """A rule's path."""
    path = "/".join(dice.choice(_SEGMENTS) for _ in range(dice.randint(1, 4)))
    path += dice.choice(("", "", "", "/", "*", "/*", "a*"))
    return path.replace("+*", "+").removeprefix("/")


def a_policy(dice: random.Random, patterns: Sequence[str] = ()) -> Rules:
    """Up to eight rules; some on paths that are given."""
    rules: list[Rule] = []
    for _ in range(dice.randint(1, 8)):
        path = dice.choice(patterns) if patterns and dice.random() < 0.4 else a_pattern(dice)
        given = ["deny"] if dice.random() < 0.1 else dice.sample(CAPABILITIES, dice.randint(0, 3))
        rules.append({"path": path, "capabilities": tuple(given)})
    return canonical(rules)


def a_path(dice: random.Random, patterns: Sequence[str]) -> str:
    """A path to ask for, most often one that a pattern covers, or nearly."""
    pattern = dice.choice(patterns) if dice.random() < 0.9 else a_pattern(dice)
    prefix = pattern.endswith("*")
    parts = [dice.choice(("a", "b", "ab", "x", "+", "")) if part == "+" else part for part in pattern.removesuffix("*").split("/")]
    path = "/".join(parts) + (dice.choice(("", "x", "a", "/a", "/a/b", "x/b/")) if prefix else "")
    return path + dice.choice(("", "", "", "", "/", "x", "/x"))
