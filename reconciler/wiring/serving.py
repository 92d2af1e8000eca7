"""`reconcile serve`, put together: events, looks, backends and the edge, and what is done when."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from reconciler.core.errors import Usage
from reconciler.core.forge import Forge
from reconciler.core.run import ObjectRecord, RunRecord
from reconciler.edge.blocked import Blocked
from reconciler.edge.certificates import certificate_proof
from reconciler.edge.countries import open_countries
from reconciler.edge.network_spec import NetworkSpec
from reconciler.edge.redis_limits import RedisCounters
from reconciler.edge.tokens import VaultTokens
from reconciler.server.api import Api
from reconciler.server.app import Means
from reconciler.server.branch import BranchLook
from reconciler.server.certificates import Certificates
from reconciler.server.drift import DriftLook
from reconciler.server.events import Events
from reconciler.server.evidence import EvidenceLook
from reconciler.server.listen import listening
from reconciler.server.metrics import Metrics
from reconciler.server.notes import Notes
from reconciler.server.pages.browsers import ForBrowsers
from reconciler.server.ports import Ports
from reconciler.server.pulls import PullLook
from reconciler.server.run import Course, run
from reconciler.server.timers import Timers
from reconciler.server.watching import Watch
from reconciler.server.worker import Look, Workers
from reconciler.settings import Settings

from . import opened_for_ledger
from .backends import Backends
from .clone import GitClone
from .commands import ChildCommands
from .edge import WebhookSecrets
from .effect import Effect
from .events import Kept, opened_events
from .forges import forge_of
from .managed import Managed
from .pages import pages_of
from .people import People
from .sight import Store, shown_by
from .wanted import Wanted, adjusted, certificates_of, counters_of

if TYPE_CHECKING:
    from reconciler.edge.identity import Proof

LOOKS_AT_ONCE = 3  # the branch, and two pull requests
GRACE_SECONDS = 15  # for requests that are under way: a body has eleven
TRIAL = "dev"
TOLD = ("drift", "tip", "secrets", "audit", "backups", "compliance")  # the notes that metrics are made of
MOST_RUNS = 1000  # how far back a run is looked for


def serve(settings: Settings, wanted: Wanted, listening_at: Callable[[str], None]) -> None:
    """Serve until told to stop. Raises ReconcilerError where it cannot begin."""
    certificates = certificates_of(wanted)
    clone = GitClone(settings.repo, wanted.branch, settings.environ)
    clone.prepare()
    backends = Backends(settings)
    owner = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"
    try:
        # Children are told the name: which environment is meant must not change with what is merged.
        named = replace(settings, environment=backends.environment.name)
        if named.environment != TRIAL and not (wanted.proven and wanted.once):
            raise Usage(f"webhooks are checked in environment {named.environment}; only in {TRIAL} can that be switched off")
        with opened_events(settings, wanted.database, owner) as kept:
            _Server(named, wanted, clone, backends, kept, certificates).run(listening_at)
    finally:
        backends.close()


class _Server:
    """One server: its parts, and their course."""

    def __init__(
        self, settings: Settings, wanted: Wanted, clone: GitClone, backends: Backends, kept: Kept, certificates: Certificates
    ) -> None:
        events, notes, self.refusals = kept
        self.certificates = certificates
        self._settings, self._wanted, self._backends = settings, wanted, backends
        environment = backends.environment
        metrics = Metrics(environment.project, environment.name, lambda: {name: notes.read(name) for name in TOLD}, events.open)
        adjust = partial(adjusted, skew=wanted.skew)
        self.effect = Effect(settings, lambda: backends.shelf, emergency=wanted.emergency, told=metrics.locked_down, adjust=adjust)
        self.commands = ChildCommands(settings, self.effect.locked_down, metrics.ran)
        self.workers = Workers(events, self._looks(clone, events, notes), count=LOOKS_AT_ONCE, told=metrics.looked)
        self.timers = Timers(
            events,
            notes,
            self.workers.wake,
            branch_seconds=wanted.look_every,
            drift_seconds=wanted.drift_every,
            evidence_seconds=wanted.evidence_every,
            forget=self.refusals.forget,
        )
        self.watch = Watch(backends.probe, told=metrics.probed)
        self.counters = counters_of(wanted.redis)
        self.managed = Managed(lambda: backends.shelf)
        self.means = self._means(metrics, events, notes)
        self.metrics = metrics

    def run(self, listening_at: Callable[[str], None]) -> None:
        wanted, effect = self._wanted, self.effect
        declared = effect.applied()
        self.managed.look()  # before anybody can ask: no page waits for it
        proxied = bool(declared.network.trusted_proxies)
        config = listening(
            effect.live, wanted.host, wanted.port, self.certificates.context, proxied=proxied, grace=GRACE_SECONDS, observe=self._refused
        )
        begin = partial(effect.begin, declared, self.means)
        hurry, again = self.commands.hurry, self.certificates.again
        run(config, Course(begin, self._start, self._stop, hurry, self._finish, again, listening_at))

    def _refused(self, blocked: Blocked) -> None:
        self.metrics.blocked(blocked.by, blocked.status)
        self.refusals.blocked(blocked)

    def _start(self) -> None:
        for part in (self.refusals, self.certificates, self.effect, self.managed, self.watch, self.workers, self.timers):
            part.start()

    def _stop(self) -> None:
        for part in (self.commands, self.workers, self.effect, self.managed, self.watch, self.certificates):
            part.stop()

    def _finish(self) -> None:
        self.timers.stop()
        self.workers.join()
        self.refusals.stop()  # last: requests are refused to the end
        for part in (self.effect, self.managed, self.watch, self.certificates, self.refusals):
            part.join()
        if isinstance(self.counters, RedisCounters):
            self.counters.close()

    def _applied(self) -> None:
        self.managed.wake()
        self.effect.reload()

    def _looks(self, clone: GitClone, events: Events, notes: Notes) -> dict[str, Look]:
        environment, origin = self._backends.environment, clone.origin()
        people = frozenset(environment.forge.people if environment.forge else ())

        def forge() -> Forge | None:
            return forge_of(self._settings, self._backends.environment, origin)

        branch = self._wanted.branch
        ports = Ports(environment.name, branch, clone, self.commands, forge, events, notes, people, self._applied)
        evidence = EvidenceLook(self.commands, notes)
        return {"branch": BranchLook(ports), "pull": PullLook(ports), "drift": DriftLook(ports), "evidence": evidence}

    def _store(self) -> Store:
        place = self._backends.environment.stores.vault
        return Store(place.instance, place.mount.strip("/")) if place else Store()

    def _means(self, metrics: Metrics, events: Events, notes: Notes) -> Means:
        people = People(self._settings, lambda: self._backends.environment)
        tokens = VaultTokens(people.look_up)
        environment = self._backends.environment

        api = Api(
            project=environment.project,
            environment=environment.name,
            branch=self._wanted.branch,
            events=events,
            notes=notes,
            watch=self.watch,
            wake=self.workers.wake,
            closed=self.effect.closed,
            problems=lambda: [*self.effect.problems(), *self.certificates.problems()],
            runs=partial(_runs, self._settings),
            run=partial(_one_run, self._settings),
            may_see=people.may_see,
            shown=shown_by(people, self.managed.mounts, self._store),
            alive=lambda: self.workers.alive() and self.timers.alive(),
        )
        shown = pages_of(self._settings, api, tokens, self.managed, self.refusals)
        asked: Sequence[Proof] = (tokens, *people.jwts(), shown.proof)

        def proofs(network: NetworkSpec) -> Sequence[Proof]:
            return (certificate_proof(network.revoked), *asked)

        countries = open_countries(self._wanted.countries) if self._wanted.countries else None
        wanted = self._wanted
        webhook_secrets = WebhookSecrets(lambda: self._backends.stores)
        return Means(
            api,
            metrics,
            webhook_secrets,
            proofs,
            self.counters,
            countries,
            pages=shown.routes,
            refusal=shown.refuse,
            for_browsers=ForBrowsers,
            observe=self.refusals.blocked,
            observe_webhook=self.refusals.noticed,
            proven=wanted.proven,
            once=wanted.once,
        )


def _runs(settings: Settings, limit: int) -> Sequence[RunRecord]:
    with opened_for_ledger(settings, "plan") as session:
        return session.runs(limit)


def _one_run(settings: Settings, named: str) -> tuple[RunRecord, Sequence[ObjectRecord]] | None:
    with opened_for_ledger(settings, "plan") as session:
        ledger = session.world.ledger
        found = next((one for one in islice(ledger.runs(), MOST_RUNS) if one.id == named), None)
        return (found, ledger.run_changes(found)) if found else None
