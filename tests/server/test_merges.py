"""Merges that overlap: each is applied as it was reviewed, whatever came in between, and nothing that nobody reviewed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.errors import Unavailable
from reconciler.server.ports import Done, Planned
from reconciler.server.worker import Later, Stopped
from tests.server.stand import MAIN, FakeCommands, Stand, planned, stand

State = Mapping[str, str]


@dataclass
class Servers(FakeCommands):
    """Commands over real states: plans are what differs, and an apply takes the one that it is told or none."""

    desired: dict[str, State] = field(default_factory=lambda: {MAIN: {}})
    live: dict[str, str] = field(default_factory=dict)
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    """Each is called once, while an apply is under way."""

    def plan(self, commit: str, trusted: str) -> Planned:
        wanted = self.desired[commit]
        differs = [
            f"{name}: {self.live.get(name)} -> {wanted.get(name)}"
            for name in sorted({*wanted, *self.live})
            if wanted.get(name) != self.live.get(name)
        ]
        made = planned("1", *differs)
        text = f"sha256:{hashlib.sha256(repr(differs).encode()).hexdigest()}"
        assert made.plan is not None
        plan = {**made.plan, "digest": text}
        return Planned(made.code, f"<!-- reconciler:plan environment=prod digest={text} -->\n", plan, "")

    def apply(self, commit: str, digest: str) -> Done:
        self.calls.append(("apply", commit, digest))
        if self.meanwhile:
            self.meanwhile.pop(0)()
        now = self.plan(commit, commit).digest
        if digest and digest != now:
            return Done(4, {"digest": now, "outcomes": []}, "")
        self.live = dict(self.desired[commit])
        self.stack.append(commit)
        return Done(0, {"run": "r", "commit": commit, "digest": now, "outcomes": []}, "")


@dataclass
class Repository:
    """A branch with pull requests that touch one object each."""

    at: Stand
    servers: Servers

    def propose(self, number: int, **changes: str) -> None:
        """Open a pull request from the branch as it is, and have it planned."""
        head = f"{number:x}" * 40
        self.servers.desired[head] = {**self.servers.desired[self.at.clone.tip], **changes}
        self.at.forge.open_pull(number, head)
        self.at.clone.heads[f"refs/pull/{number}/head"] = head
        self.at.look(f"pull/{number}")

    def merge(self, number: int, **changes: str) -> str:
        """Merge it: the branch as it is now, with its changes."""
        commit = self.push(number, **changes)
        self.at.forge.merge(number, commit)
        return commit

    def push(self, number: int, **changes: str) -> str:
        """The same, without a pull request."""
        commit = f"{number:02d}" + "e" * 38
        self.servers.desired[commit] = {**self.servers.desired[self.at.clone.tip], **changes}
        self.at.clone.tip = commit
        self.at.clone.history.append(commit)
        return commit

    def said(self, number: int) -> str:
        return self.at.forge.bodies(number)[-1]


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    with stand(tmp_path) as made:
        yield standing(made)


def standing(at: Stand) -> Repository:
    servers = Servers()
    object.__setattr__(at.ports, "commands", servers)
    at.commands = servers
    return Repository(at, servers)


def test_what_is_merged_while_another_is_applied_is_applied_when_that_ends_though_nobody_tells(repository: Repository) -> None:
    repository.propose(1, a="1")
    repository.propose(2, b="1")
    repository.merge(1, a="1")
    repository.servers.meanwhile = [lambda: repository.merge(2, b="1")]
    repository.at.look()
    assert repository.servers.live == {"a": "1", "b": "1"}
    assert all("Applied" in repository.said(number) for number in (1, 2))


def test_several_that_were_merged_while_nobody_looked_are_applied_in_order_as_each_was_reviewed(repository: Repository) -> None:
    for number in (1, 2, 3):
        repository.propose(number, **{f"o{number}": "1"})
    commits = [repository.merge(number, **{f"o{number}": "1"}) for number in (1, 2, 3)]
    repository.at.look()
    assert repository.servers.live == {"o1": "1", "o2": "1", "o3": "1"}
    assert repository.servers.stack == [MAIN, *commits]
    assert all("Applied" in repository.said(number) for number in (1, 2, 3))
    count = len(repository.servers.calls)
    repository.at.look()
    assert len(repository.servers.calls) == count


def test_a_plan_that_holds_the_merges_before_it_is_applied_as_one(repository: Repository) -> None:
    repository.propose(1, a="1")
    repository.merge(1, a="1")
    repository.propose(2, b="1")
    tip = repository.merge(2, b="1")
    repository.at.look()
    assert [call[1] for call in repository.servers.wrote()] == [tip]
    assert repository.servers.live == {"a": "1", "b": "1"}


def test_a_merge_that_nobody_reviewed_between_two_that_were_holds_them_up_for_people(repository: Repository) -> None:
    repository.propose(1, a="1")
    repository.propose(2, b="1")
    repository.merge(1, a="1")
    pushed = "f" * 40
    repository.servers.desired[pushed] = {**repository.servers.desired[repository.at.clone.tip], "x": "unseen"}
    repository.at.clone.history.append(pushed)
    repository.at.clone.tip = pushed
    repository.merge(2, b="1")
    repository.at.look()
    assert repository.servers.live == {"a": "1"}, "what was reviewed before it is applied"
    assert "no longer the one that was reviewed" in repository.said(2)


def test_one_that_comes_out_otherwise_ends_it_and_nothing_after_it_is_applied(repository: Repository) -> None:
    repository.propose(1, a="1")
    repository.propose(2, b="1")
    repository.servers.live["a"] = "by hand"
    repository.merge(1, a="1")
    repository.merge(2, b="1")
    repository.at.look()
    assert repository.servers.live == {"a": "by hand"}
    assert repository.at.ports.notes.read("tip")["state"] == "refused"


def test_after_a_rollback_what_it_took_back_is_not_made_up_for(repository: Repository) -> None:
    repository.propose(1, a="1")
    commit = repository.merge(1, a="1")
    repository.at.look()
    repository.propose(2, b="1")
    repository.servers.live = {}
    repository.servers.stack.remove(commit)
    repository.at.ports.notes.write("tip", {"commit": commit, "state": "rolled back", "reported": True})
    repository.merge(2, b="1")
    repository.servers.calls.clear()
    repository.at.look()
    assert commit not in [call[1] for call in repository.servers.wrote()]


def test_a_server_that_is_killed_between_two_goes_on_with_the_next(repository: Repository) -> None:
    for number in (1, 2):
        repository.propose(number, **{f"o{number}": "1"})
        repository.servers.desired[f"{number:x}" * 40] = {f"o{number}": "1"}
    first, second = (repository.merge(number, **{f"o{number}": "1"}) for number in (1, 2))
    whole = repository.servers.apply

    def killed(commit: str, digest: str) -> Done:
        done = whole(commit, digest)
        if commit == first:
            raise Stopped("the server stops")
        return done

    repository.servers.apply = killed  # type: ignore[method-assign]  # of this instance alone
    with pytest.raises(Stopped):
        repository.at.look()
    repository.servers.apply = whole  # type: ignore[method-assign]  # as it was
    repository.at.ports.events.prepare(alone=True)
    repository.at.look()
    assert repository.servers.live == {"o1": "1", "o2": "1"}
    assert repository.servers.stack == [MAIN, first, second]


def test_a_held_lock_on_the_way_is_waited_for(repository: Repository) -> None:
    for number in (1, 2):
        repository.propose(number, **{f"o{number}": "1"})
    first, tip = (repository.merge(number, **{f"o{number}": "1"}) for number in (1, 2))
    whole = repository.servers.apply
    repository.servers.apply = lambda commit, digest: Done(4, None, "held") if commit == first else whole(commit, digest)  # type: ignore[method-assign]  # of this instance
    with pytest.raises(Later):
        repository.at.look()
    assert repository.at.clone.head == tip, "who looks meanwhile sees the branch as it is"
    repository.servers.apply = whole  # type: ignore[method-assign]  # as it was
    repository.at.ports.events.prepare(alone=True)
    repository.at.look()
    assert repository.servers.live == {"o1": "1", "o2": "1"}


def test_a_forge_that_is_down_on_the_way_does_not_hold_up_what_was_reviewed(repository: Repository) -> None:
    for number in (1, 2):
        repository.propose(number, **{f"o{number}": "1"})
    first, _ = (repository.merge(number, **{f"o{number}": "1"}) for number in (1, 2))
    whole = repository.servers.apply

    def then_down(commit: str, digest: str) -> Done:
        done = whole(commit, digest)
        repository.at.forge.broken = 503 if commit == first else 0
        return done

    repository.servers.apply = then_down  # type: ignore[method-assign]  # of this instance alone
    repository.at.look()
    assert repository.servers.live == {"o1": "1", "o2": "1"}


STEPS = st.lists(st.sampled_from(["propose", "merge", "look", "restart"]), max_size=14)


@settings(max_examples=12, deadline=None)
@given(steps=STEPS)
def test_in_whatever_order_things_come_all_that_was_reviewed_ends_as_live(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with stand(tmp_path_factory.mktemp("stand")) as at:
        repository = standing(at)
        proposed, merged, late = 0, 0, False
        for step in steps:
            if step == "propose" and proposed < 9:
                proposed += 1
                late = late or repository.servers.live != repository.servers.desired[at.clone.tip]
                repository.propose(proposed, **{f"o{proposed}": "1"})
            elif step == "merge" and merged < proposed:
                merged += 1
                repository.merge(merged, **{f"o{merged}": "1"})
            elif step == "look":
                at.look()
            elif step == "restart":
                at.ports.events.prepare(alone=True)
        at.look()
        noted = at.ports.notes.read("tip") or {"state": "in sync"}
        if noted["state"] in ("applied", "in sync"):
            assert repository.servers.live == repository.servers.desired[at.clone.tip]
        else:
            # Planned while a merge before it was not applied yet, and applied on its own since.
            assert (noted["state"], late) == ("refused", True)
        reviewed = {digest for _, _, digest in repository.servers.wrote()}
        assert "" not in reviewed


def test_a_forge_that_cannot_be_asked_applies_nothing(repository: Repository) -> None:
    repository.propose(1, a="1")
    repository.merge(1, a="1")
    repository.at.forge.broken = 503
    with pytest.raises(Unavailable):
        repository.at.look()
    assert repository.servers.live == {}


def test_a_push_that_takes_the_forge_away_is_not_applied_until_somebody_has_applied_without_it(repository: Repository) -> None:
    repository.propose(1, a="1")
    repository.merge(1, a="1")
    repository.at.look()
    object.__setattr__(repository.at.ports, "forge", lambda: None)
    for number in (2, 3):
        tip = repository.push(number, a="2")  # the second changes nothing more, and ends nothing
        assert "Not applied" in repository.at.look()
    assert repository.servers.live == {"a": "1"}
    repository.servers.apply(tip, "")
    repository.at.look()
    repository.push(4, a="4")
    repository.at.look()
    assert repository.servers.live == {"a": "4"}
