"""Looks on a stand: a real forge client and a real database; the clone and the commands answer as they are told to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.backends.github import GitHubForge
from reconciler.backends.gitlab import GitLabForge
from reconciler.core.forge import Forge
from reconciler.server.branch import BranchLook
from reconciler.server.database import SqliteDatabase
from reconciler.server.events import Claim, Events, News
from reconciler.server.notes import Notes
from reconciler.server.ports import Done, Planned, Ports
from reconciler.server.pulls import PullLook
from reconciler.server.worker import Look
from tests.server.forges import REPOSITORY, TOKEN, StandIn, forge_server

MAIN, HEAD, MERGED, LATER = "0" * 40, "a" * 40, "c" * 40, "d" * 40
NOW = 4070908800.0  # 2099-01-01, when the comments of the stand-in are made


def digest(letter: str) -> str:
    return "sha256:" + letter * 64


def change(address: str, after: str = "x") -> dict[str, Any]:
    fields = [{"path": "", "before": None, "after": after}]
    return {
        "address": address,
        "action": "create",
        "before": None,
        "after": {"v": after},
        "fields": fields,
        "irreversible": False,
        "origin": None,
    }


def planned(mark: str = "1", *changes: str, code: int | None = None, refusals: tuple[str, ...] = ()) -> Planned:
    """What `reconcile plan` says of some objects that would be created."""
    made = [change(name) for name in changes]
    plan = {
        "digest": digest(mark),
        "changes": made,
        "complete": True,
        "refusals": [{"guard": guard, "address": "", "message": "no"} for guard in refusals],
    }
    markdown = f"<!-- reconciler:plan environment=prod digest={digest(mark)} -->\n### Plan of {', '.join(changes)}\n"
    return Planned((3 if changes else 0) if code is None else code, markdown, plan, "")


def outcome(mark: str, *outcomes: str, refusals: tuple[str, ...] = ()) -> Mapping[str, Any]:
    said = [{"address": f"vault.policy/{number}", "action": "create", "outcome": one, "error": None} for number, one in enumerate(outcomes)]
    refused = [{"guard": guard, "address": "vault.policy/0", "message": "is protected"} for guard in refusals]
    return {"run": "r1", "commit": MERGED, "digest": digest(mark), "outcomes": said, **({"refusals": refused} if refused else {})}


@dataclass
class FakeClone:
    tip: str = MAIN
    heads: dict[str, str] = field(default_factory=dict)
    head: str = MAIN
    history: list[str] = field(default_factory=list)

    def fetch_branch(self) -> str:
        return self.tip

    def fetch(self, ref: str) -> str:
        return self.heads[ref]

    def move(self, commit: str) -> None:
        self.head = commit

    def between(self, earlier: str, later: str) -> tuple[str, ...]:
        line = [MAIN, *self.history]
        return tuple(line[line.index(earlier) + 1 : line.index(later)]) if earlier in line and later in line else ()


@dataclass
class FakeCommands:
    """`plans` by commit; `endings` are taken one by one by applies and rollbacks, then they succeed."""

    plans: dict[str, Planned] = field(default_factory=dict)
    endings: list[Done] = field(default_factory=list)
    stack: list[str] = field(default_factory=lambda: [MAIN])
    calls: list[tuple[str, ...]] = field(default_factory=list)
    valid: Done = field(default_factory=lambda: Done(0, None, ""))
    closed: str = ""

    def plan(self, commit: str, trusted: str) -> Planned:
        self.calls.append(("plan", commit, trusted))
        return self.plans[commit]

    def validate(self, commit: str) -> Done:
        self.calls.append(("validate", commit))
        return self.valid

    def apply(self, commit: str, digest: str) -> Done:
        self.calls.append(("apply", commit, digest))
        done = self.endings.pop(0) if self.endings else Done(0, outcome("1", "applied"), "")
        if done.code == 0:
            self.stack.append(commit)
        return done

    def rollback(self, commit: str) -> Done:
        self.calls.append(("rollback", commit))
        done = self.endings.pop(0) if self.endings else Done(0, outcome("9", "applied"), "")
        if done.code == 0:
            del self.stack[self.stack.index(commit) + 1 :]
        return done

    def goal(self) -> str:
        return self.stack[-2] if len(self.stack) > 1 else ""

    def drift(self) -> Done:
        return Done(0, {"changes": [], "commit": MAIN, "complete": True}, "")

    def standings(self) -> Done:
        return Done(0, {"rows": []}, "")

    def applied(self) -> tuple[str, ...]:
        return tuple(self.stack)

    def locked_down(self) -> str:
        return self.closed

    def wrote(self) -> list[tuple[str, ...]]:
        return [call for call in self.calls if call[0] in ("apply", "rollback")]


@dataclass
class Stand:
    forge: StandIn
    clone: FakeClone
    commands: FakeCommands
    ports: Ports
    looks: dict[str, Look]
    reloads: list[int]

    def propose(self, number: int = 7, head: str = HEAD, *, fork: bool = False, plan: Planned | None = None) -> None:
        """Open a pull request, or push to it."""
        author = self.forge.pulls.get(number, {}).get("author", "alice")
        self.forge.open_pull(number, head, author=author, fork=fork)
        self.clone.heads[f"refs/pull/{number}/head"] = self.clone.heads[f"refs/merge-requests/{number}/head"] = head
        self.commands.plans[head] = plan or planned("1", "vault.policy/a")

    def merge(self, number: int = 7, commit: str = MERGED) -> None:
        self.forge.merge(number, commit)
        self.clone.tip = commit
        self.clone.history.append(commit)
        self.commands.plans.setdefault(commit, self.commands.plans[self.forge.pulls[number]["head"]])

    def look(self, subject: str = "branch", *, source: str = "github") -> str:
        """Say that something may have happened, and have everything looked at that follows from it."""
        self.ports.events.add(News(f"{subject}{len(self.ports.events.latest(999))}", source, "push", subject))
        said = []
        while claim := self.ports.events.take():
            said.append(self._look(claim))
            self.ports.events.finish(claim, said[-1])
        return " | ".join(said)

    def _look(self, claim: Claim) -> str:
        return self.looks[claim.subject.partition("/")[0]](claim)


@contextmanager
def stand(folder: Path, sort: str = "github", *, forge: bool = True, people: frozenset[str] = frozenset()) -> Iterator[Stand]:
    with forge_server(sort) as state, closing(SqliteDatabase(folder / "events.sqlite")) as database:
        events, notes = Events(database, "one"), Notes(database)
        events.prepare(alone=True)
        notes.prepare()
        made = GitHubForge if sort == "github" else GitLabForge
        state.roles = {"alice": "write", "olga": "maintain", "rita": "read"}
        clone, commands, reloads = FakeClone(), FakeCommands(), list[int]()

        def connect() -> Forge | None:
            return made(state.address, REPOSITORY, lambda: TOKEN) if forge else None

        ports = Ports("prod", "main", clone, commands, connect, events, notes, people, lambda: reloads.append(1), lambda: NOW)
        looks: dict[str, Look] = {"branch": BranchLook(ports), "pull": PullLook(ports)}
        yield Stand(state, clone, commands, ports, looks, reloads)
