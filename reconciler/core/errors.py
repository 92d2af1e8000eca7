"""What can go wrong, cut by what the reader must do. Every error carries fields, never a body or a secret."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from pathlib import PurePath
from typing import NamedTuple

from .values import visible


def bug(error: BaseException) -> str:
    """What to say of an error that is a mistake of ours: where, but not its text, which may hold anything."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"internal error, {type(error).__name__}{place}; please report it"


class Problem(NamedTuple):
    """One thing that is wrong: where, which object, what, and what to do about it."""

    where: str  # "file:line", or a backend and path
    address: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        place = ": ".join(part for part in (self.where, self.address) if part)
        text = f"{place}: {self.what}" if place else self.what
        # A line of its own in a CI log could be a command to it; what is said quotes names of pull requests.
        return visible(f"{text} ({self.remedy})" if self.remedy else text)


class ReconcilerError(Exception):
    """The root of all errors that are reported in words. `exit_code` is what the command line ends with."""

    exit_code = 1


class Invalid(ReconcilerError):
    """The desired state is wrong: every problem at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Usage(ReconcilerError):
    """The command was called in a way that cannot work."""

    exit_code = 2


class Refused(ReconcilerError):
    """A guard, the lock or a stale plan said no. Nothing was written."""

    exit_code = 4


class Stale(Refused):
    """The plan that was reviewed is not the plan that would be applied."""


class LockHeld(Refused):
    """Another run holds the lock."""


class LeaseLost(ReconcilerError):
    """Our lease is over or too short for another request: nothing more may be sent."""


class BackendError(ReconcilerError):
    """A remote system answered with an error. `status` is its HTTP status, 0 where there was none."""

    def __init__(self, message: str, *, path: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.path = path
        self.status = status


class Denied(BackendError):
    """The login may not do this. `capability` is what it lacks on `path` (a Vault capability or an AWS action)."""

    def __init__(self, message: str, *, path: str, capability: str) -> None:
        super().__init__(message, path=path, status=403)
        self.capability = capability


class Conflict(BackendError):
    """A check-and-set write found another version than expected: somebody else wrote."""


class Missing(BackendError):
    """What was to be changed is not there."""


class Unavailable(BackendError):
    """Sealed, down, overloaded or unreachable, still so after all retries."""
