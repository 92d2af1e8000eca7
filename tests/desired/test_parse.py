"""YAML: what its words mean, where its lines are, and what is not taken."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import Invalid
from reconciler.desired.compose import FASTEST, Portable
from reconciler.desired.output import write_yaml
from reconciler.desired.parse import core_word, parse
from reconciler.desired.source import Source
from tests.desired.world import PATIENT

COMPOSERS = pytest.mark.parametrize("composer", [FASTEST, Portable], ids=["libyaml", "pure Python"])


def bodies(text: str | bytes, composer: type[Any] = FASTEST) -> list[dict[str, Any]]:
    raw = text if isinstance(text, bytes) else text.encode()
    return [document.body for document in parse(Source("a.yaml", raw), composer).documents]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *((word, word) for word in ("yes", "no", "on", "off", "y", "Yes", "nULL", "1:20", "1_000", "2027-01-31", "0b1", "-", "+", ".", "1.2.3")),
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        ("true", True), ("False", False), ("12", 12), ("-7", -7), ("0", 0), ("0o17", 15), ("0x1F", 31),
        ("1e3", 1000.0), (".5", 0.5), ("-1.5", -1.5), ("5.", 5.0),
    ],
)  # fmt: skip
def test_plain_words_mean_what_yaml_1_2_says(word: str, value: object) -> None:
    found = core_word(word)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("word", ["007", "012345678901", "-01", ".inf", ".nan", "9" * 50])
def test_numbers_that_lose_digits_are_refused_without_being_shown(word: str) -> None:
    with pytest.raises(Invalid, match=r"a\.yaml:2: a number with leading zeros") as caught:
        bodies(f"a: 1\nb: {word}\n")
    assert word not in str(caught.value).replace("a.yaml:2", "")


@COMPOSERS
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n\tc: 2\n", "a.yaml:3: a tab indents this line (YAML is indented with spaces)"),
        ("a: 1\nb: 2\na: 3\n", "a.yaml:3: the key `a` stands here twice; first on line 1"),
        ("- a\n- b\n", "a.yaml:1: a document must be a map with `kind` or `template`, not a list"),
        ("just text\n", "a.yaml:1: a document must be a map with `kind` or `template`, not a single value"),
        ("a: b\x00c\n", "a.yaml:1: holds the control character U+0000"),
        (b"a: 1\nb: \xff\xfe\n", "a.yaml:2: is not UTF-8"),
        (b"\xff\xfea\x00:\x00 \x001\x00", "a.yaml:1: is not UTF-8"),
        ("a: [1, 2\nb: 3\n", "a.yaml:2: is not YAML"),
        ("a: b: c\n", "a.yaml:1: is not YAML: mapping values are not allowed"),
        ("a: {b: ${{ c }}}\n", "quote a value that holds ${{ }} inside [ ] or { }"),
        ("a: {{ c }}\n", "a.yaml:1: a key must be text, not a map (an expression is written ${{ }}"),
        ("? [a]\n: b\n", "a.yaml:1: a key must be text, not a list"),
        ("a: *nowhere\n", "a.yaml:1: is not YAML: found undefined alias"),
        ("a: &x [*x]\n", "a.yaml:1: an alias stands inside the value that it names"),
        ("a: !!python/object:os.system x\n", "is not allowed (write the value without a tag)"),
        ("a: &d {b: 1}\nc: {<<: *d}\n", "a.yaml:2: merge keys (<<) are not YAML 1.2"),
        ("a: " + "[" * 150 + "]" * 150, "a.yaml:1: is not YAML: nested deeper than 100 levels"),
        ("a: " + "x" * 5_000_001, "a.yaml: is 5.0 MB; at most 5 MB are read (split it into several files)"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_not_taken_is_said_with_its_line(text: str | bytes, message: str, composer: type[Any]) -> None:
    with pytest.raises(Invalid) as caught:
        bodies(text, composer)
    assert message in str(caught.value)


@COMPOSERS
def test_an_anchor_bomb_is_refused_before_it_grows(composer: type[Any]) -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(Invalid, match="its aliases expand to more than 100,000 values"):
        bodies("\n".join(["l0: &l0 [x, x]", *levels]), composer)


def test_nesting_that_would_overflow_the_stack_is_refused() -> None:
    for text in ("a: " + "[" * 200_000, "- " * 200_000 + "a"):
        with pytest.raises(
            Invalid, match=r"nested deeper than 100 levels|exceeded maximum nesting depth"
        ):  # the latter: the library's own limit
            bodies(text)


@COMPOSERS
def test_aliases_within_the_budget_stand_for_their_values(composer: type[Any]) -> None:
    assert bodies("a: &x {b: [1, 2]}\nc: *x\n", composer) == [{"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}]


@COMPOSERS
def test_empty_documents_are_skipped_and_texts_stay_texts(composer: type[Any]) -> None:
    assert bodies("---\n---\na: 'yes'\nb: \"1\"\nc: |\n  x\n   y\n...\n---\n# nothing\n", composer) == [
        {"a": "yes", "b": "1", "c": "x\n y\n"}
    ]


def test_every_key_has_its_line() -> None:
    text = "# first\n\nkind: x\nspec:\n  rules:\n    - path: a\n      capabilities: [read]\n---\nkind: y\n"
    first, second = parse(Source("a.yaml", text.encode())).documents
    assert str(first.origin) == "a.yaml:3"
    assert str(second.origin) == "a.yaml:9"
    assert str(first.at(("spec", "rules", 0, "capabilities"))) == "a.yaml:7"
    assert str(first.at(("spec", "rules", 7, "capabilities"))) == "a.yaml:5", "the deepest part that is there"
    assert str(second.at(("kind",))) == "a.yaml:9"


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], include_characters="\n\t"), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS.filter(lambda key: key != "<<"), inner, max_size=4),
    max_leaves=12,
)


@PATIENT
@given(st.dictionaries(st.sampled_from(["kind", "spec", "0o7", "yes", "1e3", ""]), VALUES, min_size=1))
def test_what_is_written_reads_as_the_same_values(document: dict[str, Any]) -> None:
    assert bodies(write_yaml([document])) == [document]


@COMPOSERS
@PATIENT
@given(st.binary(max_size=60) | st.text(st.sampled_from("ab:-?[]{}&*!|>'\"%@`#,\n\t \x00$0"), max_size=40).map(str.encode))
def test_no_text_fails_but_in_words(composer: type[Any], raw: bytes) -> None:
    try:
        parse(Source("a.yaml", raw), composer)
    except Invalid as error:
        said = str(error)
    else:
        said = "a.yaml"
    assert said.startswith("a.yaml")
