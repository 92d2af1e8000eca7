from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from reconciler.core.values import (
    LONGEST,
    FoldedSet,
    Seconds,
    Statements,
    StringList,
    StringMap,
    StringSet,
    Text,
    canonical_json,
    hash_of,
    parse_duration,
    show_duration,
)

LISTS = st.lists(st.text("abcXYZ.*/", min_size=1), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12
)


def made(kind: Any, given: object) -> Any:
    return TypeAdapter(kind).validate_python(given)


@given(st.integers(0, LONGEST))
def test_a_shown_duration_is_read_back(seconds: int) -> None:
    assert parse_duration(show_duration(seconds)) == parse_duration(str(seconds)) == parse_duration(seconds) == seconds


@given(st.integers(0, 10**5), st.integers(0, 999), st.sampled_from([("m", 60), ("h", 3600), ("d", 86400)]))
def test_fractions_of_a_unit_are_exact(whole: int, thousandths: int, unit: tuple[str, int]) -> None:
    name, size = unit
    assert parse_duration(f"{whole}.{thousandths:03}{name}") == (whole * 1000 + thousandths) * size // 1000


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("1h30m0s", 5400), ("1.5h", 5400), ("4.35m", 261), ("1d", 86400), ("2w", 1209600), ("7y", 220752000), (" 45m ", 2700), ("0", 0),
     ("1500ms", 1), ("2000000us", 2), ("2000000µs", 2), ("999999999ns", 0), (90.0, 90), (0.9, 0), ("-0", 0)],
)  # fmt: skip
def test_durations_are_read_as_the_servers_read_them(given: object, seconds: int) -> None:
    assert parse_duration(given) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0"), (2700, "45m"), (5400, "1h30m"), (2764800, "32d"), (90061, "1d1h1m1s"), (59, "59s")]
)
def test_durations_are_shown_as_people_write_them(seconds: int, text: str) -> None:
    assert show_duration(seconds) == text


@pytest.mark.parametrize("given", ["1day", "1h 30m", "h", "", "1,5h", "1M", "٣h", "1e3", "--1h"])
def test_what_is_no_duration_is_refused_with_an_example(given: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(given)


@pytest.mark.parametrize("given", [None, True, [], {}, math.inf, -math.inf, math.nan])
def test_what_is_neither_text_nor_number_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(given)


@pytest.mark.parametrize("given", [-1, "-1", "-1h", -0.5, "-1h30m", -(10**30)])
def test_a_negative_duration_is_named_as_such(given: object) -> None:
    with pytest.raises(ValueError, match="is negative"):
        parse_duration(given)


@pytest.mark.parametrize("given", [LONGEST + 1, "293y", "9" * 60, "9" * 400 + "h", 10**40, 1e300])
def test_a_duration_that_no_server_can_count_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match="is too long"):
        parse_duration(given)


@given(LISTS)
def test_a_set_has_one_form_however_it_is_written(strings: list[str]) -> None:
    expected = tuple(sorted(set(strings)))
    assert made(StringSet, strings) == made(StringSet, [*reversed(strings), *strings]) == made(StringSet, ",".join(strings)) == expected
    assert made(StringSet, expected) == expected


@given(LISTS)
def test_a_folded_set_knows_no_case(strings: list[str]) -> None:
    assert made(FoldedSet, [one.upper() for one in strings]) == made(FoldedSet, [one.lower() for one in strings])


@given(LISTS)
def test_a_list_keeps_its_order_and_repeats(strings: list[str]) -> None:
    assert made(StringList, strings) == tuple(strings)


def test_strings_are_split_at_commas_and_stripped() -> None:
    assert made(StringList, "b, a,,c ") == ("b", "a", "c")
    assert made(StringSet, None) == made(StringSet, "") == made(StringSet, []) == ()


def test_scalars_in_lists_become_what_the_servers_make_of_them() -> None:
    assert made(StringList, [True, 5, "x", 1.5]) == ("true", "5", "x", "1.5")


@pytest.mark.parametrize("given", [5, True, {"a": "b"}, [None], [["a"]], [{"a": "b"}]])
def test_what_is_no_list_of_strings_is_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        made(StringSet, given)


def test_a_statement_may_hold_commas() -> None:
    statement = "CREATE ROLE x; GRANT SELECT, INSERT ON y TO x"
    assert made(Statements, statement) == made(Statements, [statement]) == (statement,)
    assert made(Statements, None) == made(Statements, "") == ()


def test_maps_hold_strings_sorted_by_key() -> None:
    mapping = made(StringMap, {"z": 1, "b": True, "a": False, 3: "x"})
    assert list(mapping.items()) == [("3", "x"), ("a", "false"), ("b", "true"), ("z", "1")]
    assert made(StringMap, None) == {}


@pytest.mark.parametrize("given", ["a", ["a"], {"a": None}, {"a": []}, {"a": {}}])
def test_what_is_no_map_of_strings_is_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        made(StringMap, given)


def test_null_is_empty_text() -> None:
    assert made(Text, None) == ""
    assert made(Text, "x") == "x"


def test_schemas_say_how_people_write_values() -> None:
    assert TypeAdapter(Seconds).json_schema()["x-unit"] == "seconds"


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_json_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical_json(value) == canonical_json(backwards)
    assert hash_of(value) == hash_of(backwards)


def test_json_has_no_blanks_and_keeps_unicode() -> None:
    assert canonical_json({"b": [1, 2], "a": "ä"}) == '{"a":"ä","b":[1,2]}'


def test_half_of_a_surrogate_pair_can_be_hashed() -> None:
    assert hash_of("\ud800") != hash_of("\ud801")
