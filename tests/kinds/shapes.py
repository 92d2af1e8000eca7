"""Values for the fields of any spec, told from their types alone."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from reconciler.core.secret import Secret
from reconciler.core.values import parse_duration

WORDS = st.from_regex(r"[A-Za-z0-9é]([A-Za-z0-9é_.:*/@ -]{0,10}[A-Za-z0-9é])?", fullmatch=True)
SECONDS = st.integers(0, 10**7)


def two_of(field: FieldInfo) -> list[Any]:
    """At least two values as YAML has them, where the type has so many."""
    return _two(field.annotation, field.metadata)


def _two(annotation: Any, metadata: Sequence[Any]) -> list[Any]:
    annotation, metadata = _opened(annotation, metadata)
    if _is_duration(metadata):
        return [4000, 5000]
    if annotation is Secret:
        return [{"from": "vault:secret/data/other#password"}, {"from": "vault:secret/data/more#password"}]
    by_type: dict[Any, list[Any]] = {bool: [True, False], int: [7, 8], float: [7.5, 8], str: ["other", "more"]}
    by_origin: dict[Any, list[Any]] = {tuple: [["other"], ["more"]], dict: [{"other": "1"}, {"more": "2"}]}
    origin = get_origin(annotation)
    if origin is Literal:
        return list(get_args(annotation))
    return by_origin[origin] if origin else by_type.get(annotation, [])


def any_of(field: FieldInfo) -> st.SearchStrategy[Any]:
    """Whatever YAML may have there. Secrets are left out."""
    annotation, _ = _opened(field.annotation, field.metadata)
    if annotation is Secret:
        return st.none()
    by_type: dict[Any, st.SearchStrategy[Any]] = {bool: st.booleans(), int: SECONDS, str: st.just("") | WORDS}
    by_origin: dict[Any, st.SearchStrategy[Any]] = {tuple: st.lists(WORDS, max_size=4), dict: st.dictionaries(WORDS, WORDS, max_size=3)}
    origin = get_origin(annotation)
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    return by_origin[origin] if origin else by_type[annotation]


def _opened(annotation: Any, metadata: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Without `| None` and `Annotated`."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = get_args(annotation)[0]
    if get_origin(annotation) is Annotated:
        annotation, *metadata = get_args(annotation)
        return _opened(annotation, metadata)
    return annotation, metadata


def _is_duration(metadata: Sequence[Any]) -> bool:
    return any(getattr(entry, "func", None) is parse_duration for entry in metadata)
