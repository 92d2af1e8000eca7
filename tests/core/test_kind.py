from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.core.kind import Gap, Kind, registry

from .kinds import BOX, LETTER, SHELF, BoxSpec, unreachable


def test_a_registry_names_both_owners_of_a_name_taken_twice() -> None:
    assert set(registry((BOX, SHELF))) == {"test.box", "test.shelf"}
    with pytest.raises(ValueError, match=r"test.box is registered twice: .*BoxSpec.* and .*ShelfSpec"):
        registry((BOX, replace(SHELF, name="test.box")))


def test_a_kind_knows_its_write_only_fields() -> None:
    assert BOX.secrets == {"password"}
    assert SHELF.secrets == frozenset()


@pytest.mark.parametrize(("name", "builtin"), [("root", True), ("system/a/b", True), ("rooted", False), ("ROOT", False), ("system", False)])
def test_a_kind_knows_what_the_server_itself_makes(name: str, builtin: bool) -> None:
    assert BOX.is_builtin(name) is builtin


def test_a_kind_needs_only_what_it_cannot_do_without() -> None:
    kind: Kind[BoxSpec, object] = Kind("x", "vault", BoxSpec, read=unreachable, write=unreachable)
    spec = BoxSpec()
    assert not list(kind.refs("n", spec))
    assert not list(kind.check("n", spec))
    assert not list(kind.fits("n", spec, lambda _kind, _name: None))
    assert kind.fold("Name") == "Name"
    assert kind.align(spec, BoxSpec(ttl=1)) == BoxSpec(ttl=1)
    assert kind.loses("n", spec) == kind.undeletable == kind.stays("n", spec) == ""
    assert not kind.replaces(spec, BoxSpec(ttl=1))
    assert not list(kind.asks(spec))
    assert kind.spell({"ttl": 60}) == {"ttl": 60}
    assert not kind.declared
    assert LETTER.declared


@pytest.mark.parametrize(
    ("prefix", "name", "covered"),
    [
        pytest.param("", "anything", True, id="everything"),
        pytest.param("approle/", "approle/ci", True, id="below a prefix"),
        pytest.param("approle/", "approle2/ci", False, id="beside a prefix"),
        pytest.param("approle/ci", "approle/ci", True, id="one name"),
        pytest.param("approle/ci", "approle/ci2", False, id="a longer name"),
        pytest.param("approle/ci", "approle/ci/x", False, id="below a name"),
    ],
)
def test_a_gap_covers_one_name_or_all_below_a_prefix(prefix: str, name: str, covered: bool) -> None:
    assert Gap(prefix, "path", "read").covers(name) is covered
