"""Promotions on AWS, on a double of its documented semantics: rotators that do it at once make one version."""

from __future__ import annotations

from contextlib import suppress

import pytest

from reconciler.core.errors import Conflict, Unavailable
from reconciler.rotation.seen import Asked
from reconciler.rotation.state import Phase
from reconciler.secrets.aws_store import AwsStore
from tests.rotation.rig import stored
from tests.secrets.aws_double import AwsDouble

PATH = "api_keys/x"


def versions(double: AwsDouble, path: str = PATH) -> int:
    return len(double.secrets[path].contents)


@pytest.fixture
def double() -> AwsDouble:
    made = AwsDouble()
    AwsStore("aws", made).put(PATH, {"value": "old"}, "")
    return made


def test_two_that_promote_the_same_make_one_version(double: AwsDouble) -> None:
    stores = [AwsStore("aws", double), AwsStore("aws", double)]
    old = stores[0].get(PATH)
    assert old is not None
    made = {store.promote(PATH, {"value": "new"}, old.version, 1) for store in stores[:1]}
    with pytest.raises(Conflict):
        stores[1].promote(PATH, {"value": "new"}, old.version, 1)
    assert (len(made), versions(double)) == (1, 2)


def test_a_promotion_that_is_cut_off_anywhere_and_done_again_makes_one_version(double: AwsDouble) -> None:
    store = AwsStore("aws", double)
    old = store.get(PATH)
    assert old is not None
    for when in ("before", "after"):
        for operation in ("put_secret_value", "update_secret_version_stage"):

            def crash(moment: str, name: str, when: str = when, operation: str = operation) -> None:
                if (moment, name) == (when, operation):
                    raise Unavailable("the answer was lost")

            double.crash = crash
            with suppress(Unavailable, Conflict):
                store.promote(PATH, {"value": "new"}, old.version, 1)
    double.crash = lambda _when, _operation: None
    held = store.get(PATH)
    assert held is not None
    assert (held.value, versions(double)) == ({"value": "new"}, 2)


def test_an_attempt_of_before_the_state_was_lost_is_in_nobodys_way(double: AwsDouble) -> None:
    store = AwsStore("aws", double)
    old = store.get(PATH)
    assert old is not None

    def crash(moment: str, name: str) -> None:
        if (moment, name) == ("before", "update_secret_version_stage"):
            raise Unavailable("killed")

    double.crash = crash
    with pytest.raises(Unavailable):
        store.promote(PATH, {"value": "forgotten"}, old.version, 1)
    double.crash = lambda _when, _operation: None
    store.promote(PATH, {"value": "new"}, old.version, 1)
    held = store.get(PATH)
    assert held is not None
    assert held.value == {"value": "new"}


def test_a_rotation_promotes_by_its_number(double: AwsDouble) -> None:
    rig = stored(AwsStore("aws", double), PATH)
    rig.settle()
    rig.settle(Asked("somebody", ("current",)))
    assert rig.state().phase is Phase.IDLE
    assert versions(double) == 2
    assert not [label for label in double.secrets[PATH].labels if label == "AWSPENDING"]
