"""What a rotation tells the audit log: every version that is in a store afterwards is named by exactly one outcome."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.backends.vault.client import VaultClient
from reconciler.rotation.people import hold, release
from reconciler.rotation.seen import Asked
from reconciler.rotation.state import sibling
from reconciler.secrets.aws_store import AwsStore
from reconciler.secrets.file_store import FileStore
from reconciler.secrets.kv_store import KvStore
from tests.rotation.rig import Fault, Killed, Log, Rig, stored
from tests.secrets.aws_double import AwsDouble
from tests.secrets.files import QuickSlot, quick_store

WISH = Asked("somebody")
STEPS = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["killed", "lost", "down"]), st.booleans()), max_size=12)


def named(rig: Rig) -> Counter[tuple[str, str, str]]:
    return Counter(rig.log.made)


def there(rig: Rig) -> Counter[tuple[str, str, str]]:
    """Every version in every store of a rig."""
    places = [(store, path) for store in (rig.store, *rig.copies) for path in (rig.path, sibling(rig.path))]
    return Counter((store.name, path, one.id) for store, path in places for one in store.versions(path))


def both(folder: Path) -> Rig:
    """A secret in two stores."""
    rig = stored(quick_store(folder / "one"))
    rig.copies = (FileStore("copies", folder / "two", [QuickSlot()]),)
    return rig


def test_each_version_of_the_secret_its_copy_and_its_document_is_named_once(tmp_path: Path) -> None:
    rig = both(tmp_path)
    rig.settle()
    rig.settle(WISH)
    hold(rig.unharmed, "an audit")
    release(rig.unharmed)
    rig.now += 3600 * 2
    rig.settle()
    assert named(rig) == there(rig)
    assert sum(path == rig.path for _, path, _ in named(rig)) == 4, "two values in two stores"


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_a_process_that_is_killed_or_gets_no_answer_leaves_no_version_unnamed(steps: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rig = stored(quick_store(Path(folder)))
        for calls, mode, early in steps:
            rig.fault.arm(calls, mode, early)
            rig.step(WISH)
        rig.settle()
        assert named(rig) == there(rig)
        assert not rig.log.open


def test_each_version_in_aws_is_named_once_and_by_its_own_id() -> None:
    rig = stored(AwsStore("aws", AwsDouble(), "genesis/"))
    rig.settle()
    rig.settle(WISH)
    rig.now += 3600 * 2
    rig.settle()
    assert named(rig) == there(rig)


class BeforeThePromotion(Fault):
    """The process is killed when it is about to write the secret itself."""

    log: Log

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        if name == "put" and any(one.action == "rotation.promote" for one in self.log.open.values()):
            raise Killed
        return call()


def test_what_a_person_wrote_meanwhile_is_not_taken_for_the_write_that_never_came(vault: VaultClient) -> None:
    vault.write("sys/mounts/kv", {"type": "kv-v2"})
    store = KvStore("vault", vault, "kv")
    rig = stored(store)
    rig.settle()
    healthy, rig.fault = rig.fault, BeforeThePromotion()
    rig.fault.log = rig.log
    while rig.step(WISH) != "killed":
        pass
    by_hand = store.put(rig.path, {"value": "a-person's"})
    rig.fault = healthy
    rig.settle()
    assert not rig.log.open
    assert there(rig) - named(rig) == Counter([("vault", rig.path, by_hand)])
