"""Constructs everything: from settings to a session on one environment. Imports what is heavy only when it is needed.

Which commit an object comes from and which one its environment comes from may differ: `--trust-ref` and rollbacks take
instances, logins, ledger and guards from another commit than the resources. `_load` is the one place that knows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reconciler.core.errors import Refused, Usage
from reconciler.desired.environments import choose_environment, read_environment
from reconciler.desired.git import Repository
from reconciler.engine.apply import Applied, Refusal, StalePlan
from reconciler.engine.orders import Orders
from reconciler.engine.survey import Ahead, silent
from reconciler.engine.world import Progress, Wish
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.stack import rollback_target
from reconciler.settings import Settings

from .complying import checked_offline, refuse_findings
from .connect import Parts, collector_off, connected
from .own_login import own_login
from .saved import SavedPlan, saved_plan
from .session import Session
from .since import scope_since

if TYPE_CHECKING:
    from reconciler.desired.environments import Environment
    from reconciler.desired.load import Desired
    from reconciler.desired.tree import Tree


_SWITCH_SECONDS = 0.001


@contextmanager
def opened(
    settings: Settings,
    purpose: str,
    *,
    commit: str = "",
    trust_ref: str | None = None,
    changed_since: str | None = None,
    administrator: bool = False,
    progress: Progress = silent,
) -> Iterator[Session]:
    """A session on a commit; without one, on the work tree as it is. `purpose` is `plan` or `apply`.

    `changed_since`: plans are only about what differs from this commit.
    `administrator`: with the token at hand instead of the declared login, before that exists.
    """
    with collector_off():
        repository = Repository(settings.repo)
        tree = repository.read(repository.resolve(commit)) if commit else repository.read_work_tree()
        # An empty name is one that a script lost: it must not mean to trust the work tree.
        trusted = repository.read(repository.resolve_trusted(trust_ref)) if trust_ref is not None else None
        # A plan of a commit is about nothing else; an apply may have been meant for what is not committed yet.
        unsaved = bool(commit) and purpose == "apply" and bool(repository.changes())
        environment = _environment(settings, tree, trusted)
        connecting = connected(settings, environment, purpose, tree.commit, progress, administrator=administrator)
        older = repository.read(repository.resolve(changed_since)) if changed_since is not None else None
        with connecting as parts, _ahead(parts, purpose if older is None else "") as ahead:
            desired = _load(settings, tree, trusted)
            check = checked_offline(tree, desired)
            refuse_findings(desired, check)
            own = own_login(desired.environment, purpose, administrator=administrator)
            session = _joined(settings, parts, _wish(desired, tree, repository, own, unsaved=unsaved), ahead)
            session.check = check if purpose == "plan" else None
            if older is not None:
                session.scope = scope_since(older, tree, trusted, desired, changed_since or "")
            del tree, trusted, older  # the text of a hundred thousand documents, which nobody reads again
            yield session


@contextmanager
def opened_for_rollback(settings: Settings, to: str | None, purpose: str, progress: Progress = silent) -> Iterator[Session]:
    """A session on the commit to go back to, with the environment of HEAD."""

    def choose(ledger: Ledger) -> str:
        if to is None:
            return rollback_target(ledger.load()[0])
        commit = Repository(settings.repo).resolve(to)
        # Any other commit would come in past the guard `ancestry`, and past whoever reviews what is merged.
        if not any(run.commit == commit and run.outcome == "applied" for run in ledger.runs()):
            raise Refused(f"commit {commit[:7]} was never applied, so there is no way back to it (see `reconcile history`)")
        return commit

    with _opened_at(settings, purpose, progress, choose) as session:
        yield session


@contextmanager
def opened_for_drift(settings: Settings, progress: Progress = silent) -> Iterator[Session]:
    """A session on the last applied commit, with the environment of HEAD."""

    def last(ledger: Ledger) -> str:
        state, _ = ledger.load()
        if not state.applied:
            raise Refused("nothing was applied yet, so nothing can have drifted (reconcile apply)")
        return state.applied[-1]

    with _opened_at(settings, "plan", progress, last, looking_back=True) as session:
        yield session


@contextmanager
def opened_for_ledger(settings: Settings, purpose: str) -> Iterator[Session]:
    """A session for history and lock: only the environment's file is read."""
    tree = Repository(settings.repo).read_work_tree()
    environment = read_environment(tree, settings.environment or None)
    with connected(settings, environment, purpose, tree.commit, silent) as parts:
        yield _joined(settings, parts, Wish(environment.project, environment.name, tree.commit, {}))


@contextmanager
def _opened_at(
    settings: Settings, purpose: str, progress: Progress, choose: Callable[[Ledger], str], *, looking_back: bool = False
) -> Iterator[Session]:
    with collector_off():
        repository = Repository(settings.repo)
        head = repository.read(repository.resolve("HEAD"))
        environment = read_environment(head, settings.environment or None)
        with connected(settings, environment, purpose, head.commit, progress) as parts:
            tree = repository.read(repository.resolve(choose(parts.world.ledger)))
            desired = _load(settings, tree, head, looking_back=looking_back)
            own = own_login(desired.environment, purpose, administrator=False)
            session = _joined(settings, parts, _wish(desired, tree, repository, own, unsaved=False))
            session.looking_back = looking_back
            yield session


def _environment(settings: Settings, tree: Tree, trusted: Tree | None) -> Environment:
    """Where credentials and requests go: the trusted commit says, where there is one."""
    name = choose_environment(tree, settings.environment or None)
    if trusted is not None and name not in trusted.environments():
        raise Usage(f"environment {name} is not in the trusted commit, so nothing may be contacted for it (merge it first)")
    return read_environment(trusted or tree, name)


@contextmanager
def _ahead(parts: Parts, purpose: str) -> Iterator[Ahead | None]:
    """Let a plan read what is owned while the desired state is parsed. An apply must first have the lock."""
    if purpose != "plan":
        yield None
        return
    ahead, usual = Ahead(parts.world), sys.getswitchinterval()
    # The parser hands over to the threads that read every 5 ms else: in that time a server would have answered ten of them.
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield ahead
    finally:
        sys.setswitchinterval(usual)
        ahead.close()


def _load(settings: Settings, tree: Tree, trusted: Tree | None, *, looking_back: bool = False) -> Desired:
    from reconciler.desired.load import load
    from reconciler.kinds import KINDS

    return load(tree, settings.environment or None, KINDS, trusted=trusted, looking_back=looking_back)


def _joined(settings: Settings, parts: Parts, wish: Wish, ahead: Ahead | None = None) -> Session:
    return Session(settings, parts.world, wish, parts.clients, parts.lock, parts.shelf, parts.gates, parts.run, parts.began, ahead)


def _wish(desired: Desired, tree: Tree, repository: Repository, own: Mapping[str, Any], *, unsaved: bool) -> Wish:
    environment, commit = desired.environment, tree.commit

    def astray(last: str) -> str:
        if not commit or repository.is_ancestor(last, commit):
            return ""
        return f"commit {commit[:7]} does not descend from {last[:7]}, which was applied last"

    return Wish(
        project=environment.project,
        environment=environment.name,
        commit=commit,
        resources=desired.resources,
        dangling=desired.dangling,
        expressive=desired.expressive,
        approvals=desired.approvals,
        instances=environment.instances(),
        limits=environment.guards.limits,
        strict=environment.guards.strict_references,
        dirty=bool(tree.dirty),
        unsaved=unsaved,
        astray=astray,
        notes=desired.notes,
        **own,
    )


__all__ = [
    "Applied",
    "Orders",
    "Refusal",
    "SavedPlan",
    "Session",
    "StalePlan",
    "opened",
    "opened_for_drift",
    "opened_for_ledger",
    "opened_for_rollback",
    "saved_plan",
]
