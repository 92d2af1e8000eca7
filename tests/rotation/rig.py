"""One secret's rotation on real ports, each of whose calls can fail, lose its answer, or be the last thing a process does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from reconciler.audit.head import Unanswered
from reconciler.core.errors import ReconcilerError, Unavailable
from reconciler.rotation.due import Due
from reconciler.rotation.generated import Generated
from reconciler.rotation.job import Job, Memory, load
from reconciler.rotation.policy import PolicySpec, SecretSpec
from reconciler.rotation.rotate import still_asked
from reconciler.rotation.run import Stepped, one_pass
from reconciler.rotation.seen import Asked, Checks, Wait
from reconciler.rotation.state import Kept, State
from reconciler.rotation.strategy import Strategy
from reconciler.rotation.targets import Generate
from reconciler.secrets.sources import random_text
from reconciler.secrets.store import SecretStore

Mode = Literal["killed", "lost", "refused", "down"]
PASSES = 60


class Killed(BaseException):
    """The process is gone. Not an Exception: nothing may catch it."""


@dataclass
class Fault:
    """What happens at the n-th call of a port from now on. `killed` strikes after the call, or before where `early`."""

    countdown: int = -1
    mode: Mode = "killed"
    early: bool = False

    def arm(self, calls: int, mode: Mode, early: bool) -> None:
        self.countdown, self.mode, self.early = calls, mode, early

    def around(self, name: str, call: Callable[[], Any]) -> Any:
        if self.countdown != 0:
            self.countdown -= self.countdown > 0
            return call()
        self.countdown = -1
        if self.mode == "down" or (self.early and self.mode != "lost"):
            raise Killed if self.mode == "killed" else Unavailable(f"{name} is down")
        answer = call()
        if self.mode == "killed":
            raise Killed
        if self.mode == "lost":
            raise Unavailable(f"the answer of {name} was lost")
        return answer


class Port:
    """A port behind a fault."""

    def __init__(self, inner: Any, fault: Fault) -> None:
        self._inner = inner
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found
        return lambda *given, **named: self._fault.around(name, lambda: found(*given, **named))


class Log:
    """A recorder in memory, which can be full."""

    def __init__(self) -> None:
        self.full = False
        self.open: dict[str, Unanswered] = {}
        self.count = 0
        self.made: list[tuple[str, str, str]] = []  # store, path, version: of what was applied

    def intent(self, action: str, resource: str, **fields: str) -> str:
        if self.full:
            raise ReconcilerError("the audit log cannot be written, so nothing is changed")
        self.count += 1
        self.open[str(self.count)] = Unanswered(
            str(self.count), action, resource, "", fields["rid"], fields.get("ver_from", ""), fields["store"]
        )
        return str(self.count)

    def outcome(self, id: str, outcome: str, **fields: str) -> None:
        about = self.open.pop(id)
        if fields.get("ver_to"):
            self.made.append((about.store, about.resource, fields["ver_to"]))

    def dangling(self, resource: str) -> tuple[Unanswered, ...]:
        return tuple(one for one in self.open.values() if one.resource == resource)


@dataclass
class Rig:
    """The job, its faults, its clock, and the ports without faults, for looking at what is true."""

    store: SecretStore
    strategy: Strategy
    spec: SecretSpec
    policy: PolicySpec = field(default_factory=lambda: PolicySpec(interval_days=30, overlap_hours=1))
    now: float = 1_800_000_000
    fault: Fault = field(default_factory=Fault)
    log: Log = field(default_factory=Log)
    validate: Callable[[Kept], Checks] | None = None
    path: str = "db/orders"
    copies: tuple[SecretStore, ...] = ()
    foreign: str = ""

    @property
    def job(self) -> Job:
        return self._job(Port(self.store, self.fault), Port(self.strategy, self.fault), Port(self.log, self.fault))

    @property
    def unharmed(self) -> Job:
        return self._job(self.store, self.strategy, self.log)

    def _job(self, store: Any, strategy: Any, log: Any) -> Job:
        return Job(
            self.path,
            self.spec,
            self.policy,
            store,
            strategy,
            self.validate,
            log,
            lambda value: str(hash(tuple(sorted(value.items())))),
            lambda last: Due(last + self.policy.interval(), last),
            lambda: self.now,
            copies=self.copies,
            foreign=lambda: self.foreign,
            fence_name=f"rig/{self.path}",
        )

    def state(self) -> State:
        return load(self.unharmed)

    def step(self, asked: Asked | None = None) -> Stepped | str:
        """One pass of a process of its own; how it ended, if not by returning."""
        try:
            return one_pass(self.job, Memory(), asked)
        except Killed:
            return "killed"
        except ReconcilerError as error:
            return f"error: {error}"
        finally:
            self.fault.countdown = -1

    def settle(self, asked: Asked | None = None) -> State:
        """Pass after pass without faults until nothing can be done now."""
        memory = Memory()
        for _ in range(PASSES):
            stepped = one_pass(self.unharmed, memory, asked)
            asked = still_asked(asked, stepped)
            if isinstance(stepped.action, Wait):
                return stepped.state
        raise AssertionError(f"it does not come to rest: {self.state().phase}")

    def value(self) -> dict[str, str]:
        held = self.store.get(self.path)
        assert held is not None
        return dict(held.value)


def stored(store: SecretStore, path: str = "api_keys/x") -> Rig:
    """A generated value that the store alone holds."""
    return Rig(store, Generated(Generate(), random_text), SecretSpec(type="api_key", generate=Generate()), path=path)
