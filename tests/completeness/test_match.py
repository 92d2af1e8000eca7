"""Whatever happens to an encrypted store, just what was done past the log is found, and nothing else."""

from __future__ import annotations

import datetime
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.audit.event import moment
from reconciler.completeness.assess import Completeness, assess, unheld
from reconciler.completeness.claims import Claim, Period, Told, told_by
from reconciler.completeness.holdings import Held, holdings, look
from reconciler.core.errors import Unavailable
from reconciler.secrets.file_store import FileStore
from reconciler.secrets.store import Version
from reconciler.wiring.secret_changes import RecordedStore
from tests.audit.desk import Desk, kill
from tests.secrets.files import QuickSlot

STEPS = ("put", "delete", "destroy", "by hand", "lost", "killed", "forged", "twice", "run ends")
HISTORY = st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from(["a", "b/c", "ada@example.com"])), max_size=14)


class Shop:
    """An encrypted store and its log, with what should be found."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder / "log")
        self.store = FileStore("files", folder / "store", [QuickSlot()], now=self.made)
        self.expected: set[tuple[str, str, str]] = set()
        self.lost = 0
        self.scribe = self.desk.scribe()
        self.tell("b/c", lambda recorded: recorded.put("b/c", {"value": "first"}))

    def made(self) -> str:
        return datetime.datetime.fromtimestamp(self.desk.now, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def tell(self, path: str, do: Any) -> None:
        do(RecordedStore(self.store, self.scribe, self.desk.masks))

    def newest(self, path: str) -> str:
        return next((one.id for one in self.store.versions(path)), "0")

    def play(self, step: str, path: str) -> None:
        self.desk.now += 3600  # further apart than any clocks may be
        match step:
            case "put":
                self.tell(path, lambda recorded: recorded.put(path, {"value": "ours"}))
            case "delete":
                self.tell(path, lambda recorded: recorded.delete(path))
            case "destroy" if self.is_named(path):
                self.tell(path, lambda recorded: recorded.destroy(path, self.newest(path)))
            case "by hand":
                self.expected.add(("out of band", path, self.store.put(path, {"value": "theirs"})))
            case "lost":
                self.unanswered(path, answered=True)
            case "killed":
                self.unanswered(path, answered=False)
                kill(self.scribe)
                self.scribe = self.desk.scribe()
            case "forged":
                self.forge(path, str(int(self.newest(path)) + 100))
                self.expected.add(("missing", path, str(int(self.newest(path)) + 100)))
            case "twice" if int(self.newest(path)):
                if self.is_named(path):
                    self.forge(path, self.newest(path))
                    self.expected.add(("double", path, self.newest(path)))
            case "run ends":
                self.scribe.close()
                self.scribe = self.desk.scribe()

    def is_named(self, path: str) -> bool:
        clean = self.scribe.clean
        return any(
            (one.path, one.version, one.outcome) == (clean(path), self.newest(path), "applied") for one in told_by(self.desk.book).claims
        )

    def unanswered(self, path: str, *, answered: bool) -> None:
        intent = self.scribe.intent("secret.put", path, store="files")
        self.store.put(path, {"value": "ours"})
        self.lost += 1
        if answered:
            self.scribe.outcome(intent, "unknown")

    def forge(self, path: str, version: str) -> None:
        self.scribe.outcome(self.scribe.intent("secret.put", path, store="files"), "applied", ver_to=version)

    def found(self) -> Completeness:
        held = holdings(self.store)
        told, clean = told_by(self.desk.book), self.scribe.clean
        held += [Held("files", path) for _, path in unheld(held, told, clean)]
        return assess(held, told, clean, lambda _store, _path: frozenset())


@given(HISTORY)
@settings(max_examples=60, deadline=None)
def test_just_what_was_done_past_the_log_is_found(history: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder))
        for step, path in history:
            shop.play(step, path)
        found = shop.found()
        shop.scribe.close()
    shown = {(one.sort, "ada@example.com" if "[" in one.path else one.path, one.version) for one in found.findings}
    assert shown == shop.expected
    account = found.accounts["files"]
    assert len(account.unsure) == shop.lost
    judged = account.matched + account.before + account.undated + len(account.unsure)
    assert account.versions == judged + sum(one.sort != "missing" for one in found.findings)


DAY = datetime.datetime(2027, 1, 15, 8, tzinfo=datetime.UTC).timestamp()


def at(minutes: float) -> str:
    return moment(DAY + 60 * minutes)


def second(minutes: float) -> str:
    return f"{at(minutes)[:19]}Z"


def sorts(versions: list[Version], *claims: Claim, absent: tuple[Period, ...] = ()) -> list[str]:
    told = Told(at(0), claims, (), absent)
    found = assess([Held("vault", "p", tuple(versions))], told, str, lambda _store, _path: frozenset())
    return [one.sort for one in found.findings]


def put(minutes: float, version: str, outcome: str = "applied", rid: str = "", action: str = "secret.put") -> Claim:
    return Claim(1, action, "vault", "p", rid, at(minutes), at(minutes + 0.1), outcome, version)


def test_a_version_of_another_time_than_the_outcome_that_names_it_is_not_that_one() -> None:
    assert sorts([Version("1", second(2), True)], put(2, "1")) == []
    assert sorts([Version("1", second(60), True)], put(2, "1")) == ["out of band"]


def test_a_lost_answer_accounts_for_one_version_that_was_made_while_it_was_waited_for() -> None:
    lost = put(10, "", "unknown")
    made = [Version("2", second(11), True), Version("1", second(10), True)]
    assert sorts(made[1:], lost) == []
    assert sorts(made, lost) == ["out of band"]
    assert sorts([Version("1", second(40), True)], lost) == ["out of band"]


def test_what_was_destroyed_has_no_time_and_is_judged_by_what_stands_beside_it() -> None:
    destroyed = Version("2", "", False)
    older = Version("1", second(-60), True)
    assert sorts([destroyed, older]) == [], "it may be older than the log"
    assert sorts([destroyed, Version("1", second(5), True)], put(5, "1")) == ["out of band"]
    assert sorts([destroyed, Version("1", second(5), True)], put(5, "1"), put(9, "", "unknown")) == []
    assert sorts([Version("3", second(-1), True), destroyed, older]) == []


def test_what_failed_accounts_only_for_what_nobody_can_read() -> None:
    failed = put(10, "", "failed")
    assert sorts([Version("x", second(10), False)], failed) == []
    assert sorts([Version("x", second(10), True)], failed) == ["out of band"]


def test_rotators_that_saw_one_write_are_one_and_others_are_two() -> None:
    made = [Version("1", second(5), True)]
    promote = "rotation.promote"
    assert sorts(made, put(5, "1", rid="r", action=promote), put(6, "1", rid="r", action=promote)) == []
    assert sorts(made, put(5, "1", rid="r", action=promote), put(6, "1", rid="s", action=promote)) == ["double"]


def test_a_rotation_may_finish_much_later_what_it_began() -> None:
    began = put(5, "", "unknown", rid="r", action="rotation.promote")
    assert sorts([Version("1", second(5), True)], began, put(500, "1", rid="r", action="rotation.promote")) == []


def test_what_lines_in_an_archive_may_tell_is_not_judged() -> None:
    made = [Version("1", second(30), True)]
    assert sorts(made) == ["out of band"]
    assert sorts(made, absent=(Period(at(20), at(40)),)) == []


def test_a_version_that_the_log_redacted_is_known_by_its_time() -> None:
    assert sorts([Version("1", second(5), True)], put(5, "[secret]")) == []
    assert sorts([Version("1", second(90), True)], put(5, "[secret]")) == ["out of band"]


def test_paths_that_the_log_cannot_tell_apart_are_counted_together() -> None:
    claims = (Claim(1, "secret.put", "vault", "[card]", "", at(1), at(1), "applied", "1"),) * 2
    held = [Held("vault", path, (Version("1", second(1), True),)) for path in ("x", "y", "z")]
    found = assess(held, Told(at(0), claims), lambda text: "[card]" if text in "xyz" else text, lambda _store, _path: frozenset())
    assert [one.sort for one in found.findings] == ["out of band"]


class Broken:
    """A store of which one secret cannot be read."""

    name = "vault"

    def versions(self, path: str) -> tuple[Version, ...]:
        raise Unavailable("it is sealed")


def test_what_could_not_be_read_is_not_complete() -> None:
    held = look(Broken(), ["p"])  # type: ignore[arg-type]  # nothing else of a store is asked
    found = assess(held, Told(at(0), ()), str, lambda _store, _path: frozenset())
    assert not found.ok
    assert found.findings == []
