"""Puts to AWS under races and lost answers, on the double that keeps AWS's documented rules."""

from __future__ import annotations

import json

import pytest

from reconciler.core.errors import BackendError, Conflict, Unavailable
from reconciler.secrets.aws_store import LIVE, STAGED, AwsStore
from reconciler.secrets.store import Held
from tests.secrets.aws_double import AwsDouble


class Fault:
    """Does something right before or after one operation, once."""

    def __init__(self, when: str, operation: str, action: object) -> None:
        self.wanted = (when, operation)
        self.action = action

    def __call__(self, when: str, operation: str) -> None:
        if (when, operation) == self.wanted:
            self.wanted = ("", "")
            if isinstance(self.action, BaseException):
                raise self.action
            assert callable(self.action)
            self.action()


@pytest.fixture
def double() -> AwsDouble:
    return AwsDouble()


def test_put_whose_label_was_moved_by_another_is_a_conflict_and_leaves_no_trace(double: AwsDouble) -> None:
    store, other = AwsStore("aws", double), AwsStore("aws", double)
    base = store.put("db", {"value": "one"})
    double.crash = Fault("before", "update_secret_version_stage", lambda: other.put("db", {"value": "theirs"}))
    with pytest.raises(Conflict):
        store.put("db", {"value": "mine"}, base)
    held = store.get("db")
    assert held is not None
    assert held.value == {"value": "theirs"}
    assert STAGED not in double.secrets["db"].labels
    mine = next(version for version, text in double.secrets["db"].contents.items() if json.loads(text) == {"value": "mine"})
    assert store.get("db", mine) is None


def test_label_move_whose_answer_was_lost_is_found_to_be_done(double: AwsDouble) -> None:
    store = AwsStore("aws", double)
    base = store.put("db", {"value": "one"})
    double.crash = Fault("after", "update_secret_version_stage", Unavailable("lost"))
    version = store.put("db", {"value": "two"}, base)
    assert store.get("db") == Held({"value": "two"}, version)


def test_put_that_was_killed_before_its_label_was_moved_changes_nothing_for_readers(double: AwsDouble) -> None:
    store = AwsStore("aws", double)
    base = store.put("db", {"value": "one"})
    double.crash = Fault("before", "update_secret_version_stage", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        store.put("db", {"value": "two"}, base)
    assert store.get("db") == Held({"value": "one"}, base)
    version = store.put("db", {"value": "three"}, base)
    assert store.get("db") == Held({"value": "three"}, version)


def test_first_versions_of_a_secret_that_is_declared_without_one_collide(double: AwsDouble) -> None:
    store = AwsStore("aws", double)
    double.change("secretsmanager", "create_secret", Name="db", ClientRequestToken="x" * 32)
    double.crash = Fault("before", "put_secret_value", lambda: store.put("db", {"value": "theirs"}, ""))
    with pytest.raises(Conflict):
        store.put("db", {"value": "mine"}, "")
    held = store.get("db")
    assert held is not None
    assert held.value == {"value": "theirs"}


def test_put_over_whatever_is_there_survives_a_create_of_somebody_else(double: AwsDouble) -> None:
    store = AwsStore("aws", double)
    double.crash = Fault("before", "create_secret", lambda: AwsStore("aws", double).put("db", {"value": "theirs"}))
    version = store.put("db", {"value": "mine"})
    assert store.get("db") == Held({"value": "mine"}, version)


def test_what_readers_get_cannot_be_destroyed(double: AwsDouble) -> None:
    store = AwsStore("aws", double)
    version = store.put("db", {"value": "one"})
    with pytest.raises(BackendError, match="cannot be destroyed"):
        store.destroy("db", version)
    assert store.labelled("db")[LIVE] == version


def test_text_that_others_wrote_is_the_single_value(double: AwsDouble) -> None:
    for name, text in (("plain", "s3cret"), ("list", "[1]"), ("number", '{"port": 5432, "tls": true}')):
        double.change("secretsmanager", "create_secret", Name=name, ClientRequestToken=name.ljust(32, "x"), SecretString=text)
    store = AwsStore("aws", double)
    found = {name: held.value for name in store.list() if (held := store.get(name))}
    assert found == {"plain": {"value": "s3cret"}, "list": {"value": "[1]"}, "number": {"port": "5432", "tls": "true"}}
