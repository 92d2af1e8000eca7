"""IAM policy documents, brought to one form: documents that mean the same are equal.

AWS hands documents back reordered, a list of one as a string, an account's number as its root ARN. Here every list is
sorted and without repeats, a string is a list of one, statements are a set. What AWS reads without regard to case
(actions, condition keys) keeps the spelling of its author, since `s3:GetObject` is what people read; `respell` brings
a living document to the declared spelling where nothing else differs.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, WithJsonSchema

from reconciler.core.values import canonical_json

UNVERSIONED = "2008-10-17"
"""What AWS takes a document for that names no version: policy variables in it are plain text."""
VERSIONS = ("2012-10-17", UNVERSIONED)
ELEMENTS = ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
"""What a statement holds, in the order in which people read it."""
PRINCIPALS = ("AWS", "CanonicalUser", "Federated", "Service")
Purpose = Literal["identity", "resource", "trust"]
"""Attached to whoever acts; to what is acted on; or to a role, which is both and names no resource."""
_SETS = ("Action", "NotAction", "Resource", "NotResource")
_ROOT = re.compile(r"arn:[\w-]+:iam::(\d{12}):root")
_TRUTHS = ("bool", "null")


def canonical_document(given: object) -> dict[str, object]:
    """Return a document in its one form, from a map or JSON text; nothing or empty text is `{}`. Raises ValueError."""
    if isinstance(given, str):
        given = _parsed(given)
    if not given:
        return {}
    if not isinstance(given, Mapping):
        raise ValueError("must be a policy document: a map with Version and Statement, or its JSON text")
    rest = {str(key): entry for key, entry in given.items() if key not in ("Version", "Statement")}
    return {"Version": str(given.get("Version") or UNVERSIONED), **dict(sorted(rest.items())), "Statement": _statements(given)}


def _parsed(text: str) -> object:
    try:
        return json.loads(text) if text.strip() else {}
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None


def _statements(document: Mapping[object, object]) -> list[object]:
    given = document.get("Statement", [])
    statements = [_statement(entry) for entry in (given if isinstance(given, list | tuple) else [given])]
    # By the folded text, so that documents that differ in case alone are in one order.
    unique = {_folded(statement): statement for statement in sorted(statements, key=canonical_json, reverse=True)}
    return [unique[folded] for folded in sorted(unique)]


def _statement(given: object) -> dict[str, object]:
    if not isinstance(given, Mapping):
        raise ValueError("each statement must be a map with Effect, Action and Resource")
    statement = {str(key): _element(str(key), entry) for key, entry in given.items()}
    if not statement.get("Sid", "set"):
        del statement["Sid"]  # the console writes empty ones
    return dict(sorted(statement.items(), key=lambda pair: _place(pair[0])))


def _place(element: str) -> tuple[int, str]:
    return (ELEMENTS.index(element) if element in ELEMENTS else len(ELEMENTS), element)


def _element(name: str, given: object) -> object:
    if name in _SETS:
        return _set(given)
    if name in ("Principal", "NotPrincipal"):
        return _principal(given)
    if name == "Condition":
        return _condition(given)
    return given


def _set(given: object) -> list[str]:
    entries = given if isinstance(given, list | tuple) else [given]
    return sorted({_plain(entry) for entry in entries})


def _plain(entry: object) -> str:
    if isinstance(entry, bool):
        return "true" if entry else "false"
    if entry is None or isinstance(entry, Mapping | list | tuple):
        raise ValueError("a policy document's values must be strings, or lists of them")
    return str(entry)


def _principal(given: object) -> dict[str, list[str]]:
    if not isinstance(given, Mapping):
        given = {"AWS": given}  # "*" is short for {"AWS": "*"}
    # A number and a root ARN are one principal. The number is kept: it is right in every partition.
    return {
        str(kind): sorted({_ROOT.sub(r"\1", entry) if kind == "AWS" else entry for entry in _set(entries)})
        for kind, entries in sorted(given.items(), key=lambda pair: str(pair[0]))
    }


def _condition(given: object) -> dict[str, dict[str, list[str]]]:
    if not isinstance(given, Mapping) or not all(isinstance(tests, Mapping) for tests in given.values()):
        raise ValueError("Condition must be a map: operator -> condition key -> values")
    return {str(operator): _tests(str(operator), tests) for operator, tests in sorted(given.items(), key=lambda pair: str(pair[0]))}


def _tests(operator: str, tests: Mapping[object, object]) -> dict[str, list[str]]:
    truths = operator.rpartition(":")[2].lower().removesuffix("ifexists") in _TRUTHS
    ordered = sorted(tests.items(), key=lambda pair: (str(pair[0]).lower(), str(pair[0])))
    return {str(key): sorted({value.lower() for value in _set(values)}) if truths else _set(values) for key, values in ordered}


def respell(desired: Mapping[str, object], live: dict[str, object]) -> dict[str, object]:
    """Give the statements of `live` the spelling of `desired` where they differ in nothing but case that AWS ignores."""
    spelled = {_folded(statement): statement for statement in _listed(desired)}
    if not spelled:
        return live
    return {**live, "Statement": [spelled.get(_folded(statement), statement) for statement in _listed(live)]}


def _listed(document: Mapping[str, object]) -> list[object]:
    statements = document.get("Statement", [])
    return statements if isinstance(statements, list) else []


def _folded(statement: object) -> str:
    """The text of a statement as AWS compares it."""
    if not isinstance(statement, Mapping):
        return canonical_json(statement)
    folded = dict(statement)
    for name in ("Action", "NotAction"):
        if name in folded:
            folded[name] = sorted({action.lower() for action in folded[name]})
    if "Condition" in folded:
        folded["Condition"] = {
            operator: {key.lower(): values for key, values in tests.items()} for operator, tests in folded["Condition"].items()
        }
    return canonical_json(folded)


def document_problems(document: Mapping[str, object], purpose: Purpose) -> Iterator[str]:
    """Say what AWS would refuse in a declared document, as far as its form tells."""
    if not document:
        return
    if document.get("Version") not in VERSIONS:
        yield f"Version must be {' or '.join(VERSIONS)}"
    for name in document:
        if name not in ("Version", "Id", "Statement"):
            yield f"{name!r} is no element of a policy document{_meant(name, ('Version', 'Id', 'Statement'))}"
    if not _listed(document):
        yield "Statement must hold at least one statement"
    for number, statement in enumerate(_listed(document), 1):
        if isinstance(statement, Mapping):
            called = f"statement {statement['Sid']}" if "Sid" in statement else f"statement {number}"
            yield from (f"{called}: {problem}" for problem in _statement_problems(statement, purpose))


def _statement_problems(statement: Mapping[str, object], purpose: Purpose) -> Iterator[str]:
    for name in statement:
        if name not in ELEMENTS:
            yield f"{name!r} is no element of a statement{_meant(name, ELEMENTS)}"
    if statement.get("Effect") not in ("Allow", "Deny"):
        yield "Effect must be Allow or Deny"
    yield from _one_of(statement, "Action", wanted=True)
    yield from _one_of(statement, "Resource", wanted=purpose != "trust")
    yield from _one_of(statement, "Principal", wanted=purpose != "identity")
    for action in (*_strings(statement.get("Action")), *_strings(statement.get("NotAction"))):
        if action != "*" and ":" not in action:
            yield f"{action!r} is not an action (write SERVICE:ACTION, such as s3:GetObject)"
    principal = statement.get("Principal", {})
    for kind in principal if isinstance(principal, Mapping) else ():
        if kind not in PRINCIPALS:
            yield f"{kind!r} is no sort of principal{_meant(kind, PRINCIPALS)}"


def _one_of(statement: Mapping[str, object], name: str, *, wanted: bool) -> Iterator[str]:
    given = [element for element in (name, f"Not{name}") if element in statement]
    if wanted and len(given) != 1:
        yield f"needs {name} or Not{name}" + (", not both" if given else "")
    if not wanted and given:
        yield f"{given[0]} does not belong in this sort of policy"


def _meant(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name.capitalize(), known, 1)
    return f" (did you mean {close[0]}?)" if close else ""


def principals(document: Mapping[str, object]) -> Iterator[str]:
    """Yield the ARNs and account numbers that a document names as AWS principals."""
    for statement in _listed(document):
        for element in ("Principal", "NotPrincipal"):
            named = statement.get(element, {}) if isinstance(statement, Mapping) else {}
            yield from _strings(named.get("AWS"))


def _strings(entries: object) -> list[str]:
    return [str(entry) for entry in entries] if isinstance(entries, list | tuple) else []


Document = Annotated[
    dict[str, object],
    BeforeValidator(canonical_document),
    WithJsonSchema({"type": ["object", "string"], "description": "an IAM policy document: a map, or its JSON text"}),
]
"""A policy document in its one form; `{}` where there is none."""
