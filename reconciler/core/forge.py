"""A forge: the code host that pull requests, their comments and their checks are on. What the server asks of one, and nothing else.

Merge requests of GitLab are pull requests here. A webhook only says that something may have happened: all of this is asked for.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol


class Pull(NamedTuple):
    """One pull request as it is now."""

    number: int
    state: str  # "open" | "closed" | "merged"
    head: str  # the commit that it proposes
    branch: str  # the branch that it is for
    author: str
    fork: bool  # its commits come from somebody else's repository
    merged_as: str = ""  # the commit that it became on that branch
    touched: str = ""  # when something last happened to it, a comment too: ISO 8601, UTC


class Comment(NamedTuple):
    """A comment on a pull request. An edited one may be the words of somebody else than its author."""

    id: str
    author: str
    body: str
    made: str  # ISO 8601, UTC
    edited: bool = False


class Role(IntEnum):
    """What somebody may do in the repository; each may do what the ones before it may."""

    NONE = 0
    READ = 1
    WRITE = 2
    MAINTAIN = 3


class Verdict(StrEnum):
    """How a check stands."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"


class Check(NamedTuple):
    """What stands beside a commit. `title` is one line; `summary` is markdown, where the forge shows any."""

    name: str
    verdict: Verdict
    title: str
    summary: str = ""


class Forge(Protocol):
    """One repository on a forge, as one login sees it. Raises Denied, Missing, Unavailable and other BackendErrors in words."""

    def me(self) -> str:
        """The login's own name: whose comments are ours."""

    def pull(self, number: int) -> Pull | None: ...

    def open_pulls(self, branch: str) -> tuple[Pull, ...]:
        """Those that are open for a branch."""

    def touched_pulls(self, branch: str) -> tuple[Pull, ...]:
        """Those for a branch, open or not, that something happened to last, the latest first: a hundred at most."""

    def merged_as(self, commit: str) -> Pull | None:
        """The pull request whose merge made this commit."""

    def comments(self, number: int) -> tuple[Comment, ...]:
        """All of them, oldest first."""

    def comment(self, number: int, body: str) -> None: ...

    def edit(self, number: int, comment: str, body: str) -> None: ...

    def role(self, login: str) -> Role: ...

    def check(self, commit: str, check: Check) -> None:
        """Say how a commit does, in place of what was said under that name before."""

    def head_ref(self, number: int) -> str:
        """The git ref that the forge keeps a pull request's head under."""
