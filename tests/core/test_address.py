from __future__ import annotations

import pytest
from hypothesis import given

from reconciler.core.address import HOME, Address, Place, parse_address

from .strategies import ADDRESSES


@given(ADDRESSES)
def test_an_address_is_read_back_from_its_text(address: Address) -> None:
    assert parse_address(str(address)) == address


@given(ADDRESSES, ADDRESSES)
def test_two_addresses_have_two_texts(one: Address, other: Address) -> None:
    assert (one == other) == (str(one) == str(other))


@pytest.mark.parametrize(
    ("address", "text"),
    [
        pytest.param(Address("vault.policy", "genesis"), "vault.policy/genesis", id="home is left out"),
        pytest.param(Address("vault.policy", "p", Place("eu")), "vault.policy/p@eu", id="another instance"),
        pytest.param(Address("vault.policy", "p", Place("primary", "team/a")), "vault.policy/p@primary/team/a", id="a namespace"),
        pytest.param(Address("vault.approle_role", "approle/ci"), "vault.approle_role/approle/ci", id="a name below a mount"),
        pytest.param(Address("vault.identity_entity", "ann@x.org"), "vault.identity_entity/ann%40x.org", id="a mail address"),
        pytest.param(Address("vault.policy", "100%@"), "vault.policy/100%25%40", id="percent signs"),
    ],
)
def test_addresses_are_written_as_the_contract_says(address: Address, text: str) -> None:
    assert str(address) == text


def test_naming_home_is_the_same_as_leaving_it_out() -> None:
    assert parse_address("vault.policy/p@primary") == parse_address("vault.policy/p@primary/") == Address("vault.policy", "p", HOME)


@pytest.mark.parametrize("text", ["", "vault.policy", "vault.policy/", "/name", "@eu", "vault.policy@eu/name"])
def test_what_is_no_address_is_refused_with_the_form_of_one(text: str) -> None:
    with pytest.raises(ValueError, match="expected KIND/NAME"):
        parse_address(text)


def test_an_address_needs_an_instance_after_its_place_marker() -> None:
    with pytest.raises(ValueError, match="names no instance"):
        parse_address("vault.policy/p@")
