"""What IAM documents allow, as AWS evaluates them within one account.

An explicit deny beats every allow, and what nobody allows is denied. A condition, a policy variable or a policy whose
text is not known makes an answer `conditional`, never `yes`: whether it holds is known only when the request is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

Document = Mapping[str, Any]
_VARIABLE = re.compile(r"\$\{(?![*?$]\})[^}]*\}")
_SIGNS = {"*": ".*", "?": ".", "${*}": r"\*", "${?}": r"\?", "${$}": r"\$"}
_SPECIAL = re.compile(r"(\$\{[*?$]\}|[*?])")


class Answer(IntEnum):
    """Ordered: of two that must both hold the lesser counts, of two of which one is enough the greater."""

    NO = 0
    CONDITIONAL = 1
    YES = 2


class Attached(NamedTuple):
    """A document that counts for somebody, and where it is from. `document` is None where its text is not known."""

    source: str
    document: Document | None


class Verdict(NamedTuple):
    """Whether a request is allowed, and the statements that say so: (source, name of the statement, effect, how surely)."""

    answer: Answer
    because: tuple[tuple[str, str, str, Answer], ...]


def evaluate(
    action: str,
    resource: str,
    identity: Sequence[Attached],
    boundary: Attached | None = None,
    shared: Sequence[Attached] = (),
    who: str = "",
) -> Verdict:
    """Evaluate one request. `shared`: policies of the resource, in which `who` may be named as a principal."""
    because = list(_said(action, resource, identity))
    because += _said(action, resource, shared, who)
    limits = list(_said(action, resource, [boundary])) if boundary else []
    allowed, denied = _strongest("Allow", because), _strongest("Deny", [*because, *limits])
    if boundary:
        allowed = min(allowed, _strongest("Allow", limits))
    answer = Answer.NO if denied is Answer.YES else min(allowed, Answer.CONDITIONAL) if denied else allowed
    return Verdict(answer, (*because, *limits))


def _strongest(effect: str, because: Iterable[tuple[str, str, str, Answer]]) -> Answer:
    return max((sure for _, _, said, sure in because if said == effect), default=Answer.NO)


def _said(action: str, resource: str, documents: Iterable[Attached], who: str | None = None) -> Iterator[tuple[str, str, str, Answer]]:
    """The statements that cover a request. `who` is None for documents attached to whoever asks."""
    for source, document in documents:
        if document is None:
            yield source, "", "Allow", Answer.CONDITIONAL
            continue
        for name, statement in statements(document):
            sure = _covers(statement, action, resource)
            if who is not None:
                sure = min(sure, names_principal(statement, who))
            if sure:
                yield source, name, str(statement.get("Effect")), sure


def statements(document: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each statement with its Sid, or its number."""
    for number, statement in enumerate(document.get("Statement", ()), 1):
        yield str(statement.get("Sid", f"statement {number}")), statement


def _covers(statement: Mapping[str, Any], action: str, resource: str) -> Answer:
    sure = Answer.CONDITIONAL if statement.get("Condition") else Answer.YES
    sure = min(sure, _listed(statement, "Action", action.lower(), fold=True))
    # Trust policies and many resource policies name no resource: they mean what they are attached to.
    return min(sure, _listed(statement, "Resource", resource)) if "Resource" in statement or "NotResource" in statement else sure


def _listed(statement: Mapping[str, Any], element: str, text: str, *, fold: bool = False) -> Answer:
    patterns, spared = statement.get(element), statement.get(f"Not{element}")
    if patterns is not None:
        return max((_fits(pattern, text, fold=fold) for pattern in patterns), default=Answer.NO)
    sure = max((_fits(pattern, text, fold=fold) for pattern in spared or ()), default=Answer.NO)
    return Answer(Answer.YES - sure)


def _fits(pattern: str, text: str, *, fold: bool) -> Answer:
    open_pattern = _VARIABLE.sub("*", pattern)
    if not glob(open_pattern.lower() if fold else open_pattern).fullmatch(text):
        return Answer.NO
    return Answer.YES if open_pattern == pattern else Answer.CONDITIONAL


@lru_cache(maxsize=8192)
def glob(pattern: str) -> re.Pattern[str]:
    """A pattern of IAM: `*` and `?`, which `${*}` and `${?}` write as themselves."""
    parts = _SPECIAL.split(pattern)
    return re.compile("".join(_SIGNS[part] if place % 2 else re.escape(part) for place, part in enumerate(parts)), re.DOTALL)


def names_principal(statement: Mapping[str, Any], who: str) -> Answer:
    """Whether a statement of a resource's policy speaks of somebody, an ARN or the text of a reference to one."""
    spared = statement.get("NotPrincipal")
    named = spared if spared is not None else statement.get("Principal", {})
    account = who.split(":")[4] if who.count(":") >= 5 else ""
    # An account stands for all in it where it denies; where it allows, their own policies must allow it too.
    stands = {"*", who, account} if statement.get("Effect") == "Deny" else {"*", who}
    found = any(entry in stands for entry in named.get("AWS", ()) if entry)
    return Answer.YES if found != (spared is not None) else Answer.NO


def principals_of(statement: Mapping[str, Any]) -> list[str]:
    """Everybody whom a statement names, as people write them."""
    named = statement.get("Principal", {})
    return [entry if kind == "AWS" else f"{kind}:{entry}" for kind, entries in named.items() for entry in entries]
