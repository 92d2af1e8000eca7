"""`reconcile serve`, put together: events, looks, backends and the edge, and what is done when."""

from __future__ import annotations

import os
import secrets
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.core.errors import Usage
from reconciler.core.forge import Forge
from reconciler.core.run import ObjectRecord, RunRecord
from reconciler.edge.blocked import Blocked
from reconciler.edge.certificates import certificate_proof
from reconciler.edge.countries import open_countries
from reconciler.edge.memory_limits import MemoryCounters
from reconciler.edge.network_spec import NetworkSpec
from reconciler.edge.redis_limits import RedisCounters
from reconciler.edge.tokens import VaultTokens
from reconciler.server.api import Api
from reconciler.server.app import Declared, Means
from reconciler.server.branch import BranchLook
from reconciler.server.drift import DriftLook
from reconciler.server.events import Events
from reconciler.server.listen import listening
from reconciler.server.metrics import Metrics
from reconciler.server.notes import Notes
from reconciler.server.ports import Ports
from reconciler.server.pulls import PullLook
from reconciler.server.run import Course, run
from reconciler.server.timers import BRANCH_SECONDS, DRIFT_SECONDS, Timers
from reconciler.server.tls import server_context
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

if TYPE_CHECKING:
    from reconciler.edge.identity import Proof

LOOKS_AT_ONCE = 3  # the branch, and two pull requests
GRACE_SECONDS = 15  # for requests that are under way: a body has eleven
TRIAL = "dev"
TOLD = ("drift", "tip", "secrets")  # the notes that metrics are made of
MOST_RUNS = 1000  # how far back a run is looked for


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says. `skew`: the longest that a timestamp may be off, in seconds; 0: as declared."""

    host: str = "127.0.0.1"
    port: int = 8443
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    database: str = ""
    redis: str = ""
    branch: str = "main"
    countries: Path | None = None
    look_every: float = BRANCH_SECONDS
    drift_every: float = DRIFT_SECONDS
    proven: bool = True
    once: bool = True
    skew: int = 0
    emergency: bool = False


def serve(settings: Settings, wanted: Wanted, listening_at: Callable[[str], None]) -> None:
    """Serve until told to stop. Raises ReconcilerError where it cannot begin."""
    context = _context(wanted)
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
            _Server(named, wanted, clone, backends, kept).run(context, listening_at)
    finally:
        backends.close()


class _Server:
    """One server: its parts, and their course."""

    def __init__(self, settings: Settings, wanted: Wanted, clone: GitClone, backends: Backends, kept: Kept) -> None:
        events, notes, self.refusals = kept
        self._settings, self._wanted, self._backends = settings, wanted, backends
        environment = backends.environment
        metrics = Metrics(environment.project, environment.name, lambda: {name: notes.read(name) for name in TOLD}, events.open)
        adjust = partial(_adjusted, skew=wanted.skew)
        self.effect = Effect(settings, lambda: backends.shelf, emergency=wanted.emergency, told=metrics.locked_down, adjust=adjust)
        self.commands = ChildCommands(settings, self.effect.locked_down, metrics.ran)
        self.workers = Workers(events, self._looks(clone, events, notes), count=LOOKS_AT_ONCE, told=metrics.looked)
        self.timers = Timers(
            events,
            notes,
            self.workers.wake,
            branch_seconds=wanted.look_every,
            drift_seconds=wanted.drift_every,
            forget=self.refusals.forget,
        )
        self.watch = Watch(backends.probe, told=metrics.probed)
        self.counters = _counters(wanted.redis)
        self.managed = Managed(lambda: backends.shelf)
        self.means = self._means(metrics, events, notes)
        self.metrics = metrics

    def run(self, context: ssl.SSLContext | None, listening_at: Callable[[str], None]) -> None:
        wanted, effect = self._wanted, self.effect
        declared = effect.applied()
        proxied = bool(declared.network.trusted_proxies)
        config = listening(effect.live, wanted.host, wanted.port, context, proxied=proxied, grace=GRACE_SECONDS, observe=self._refused)
        begin = partial(effect.begin, declared, self.means)
        run(config, Course(begin, self._start, self._stop, self.commands.hurry, self._finish, listening_at))

    def _refused(self, blocked: Blocked) -> None:
        self.metrics.blocked(blocked.by, blocked.status)
        self.refusals.blocked(blocked)

    def _start(self) -> None:
        for part in (self.refusals, self.effect, self.managed, self.watch, self.workers, self.timers):
            part.start()

    def _stop(self) -> None:
        for part in (self.commands, self.workers, self.effect, self.managed, self.watch):
            part.stop()

    def _finish(self) -> None:
        self.timers.stop()
        self.workers.join()
        self.refusals.stop()  # last: requests are refused to the end
        for part in (self.effect, self.managed, self.watch, self.refusals):
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
        return {"branch": BranchLook(ports), "pull": PullLook(ports), "drift": DriftLook(ports)}

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
            problems=self.effect.problems,
            runs=partial(_runs, self._settings),
            run=partial(_one_run, self._settings),
            may_see=people.may_see,
            shown=shown_by(people, self.managed.mounts, self._store),
            alive=self.workers.alive,
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
            observe=self.refusals.blocked,
            observe_webhook=self.refusals.noticed,
            proven=wanted.proven,
            once=wanted.once,
        )


def _counters(url: str) -> MemoryCounters | RedisCounters:
    try:
        return RedisCounters(url) if url else MemoryCounters()
    except ValueError as error:
        raise Usage(f"--redis: {error}") from None


def _adjusted(declared: Declared, skew: int) -> Declared:
    """What the server's own settings may change: only to be stricter."""
    if not skew:
        return declared
    webhooks = {path: replace(one, tolerance=min(one.tolerance, skew)) for path, one in declared.webhooks.items()}
    return replace(declared, webhooks=webhooks)


def _context(wanted: Wanted) -> ssl.SSLContext | None:
    if wanted.tls_cert and wanted.tls_key:
        return server_context(wanted.tls_cert, wanted.tls_key, wanted.client_ca)
    if wanted.tls_cert or wanted.tls_key or wanted.client_ca:
        raise Usage("--tls-cert and --tls-key go together, and --client-ca needs both")
    return None


def _runs(settings: Settings, limit: int) -> Sequence[RunRecord]:
    with opened_for_ledger(settings, "plan") as session:
        return session.runs(limit)


def _one_run(settings: Settings, named: str) -> tuple[RunRecord, Sequence[ObjectRecord]] | None:
    with opened_for_ledger(settings, "plan") as session:
        ledger = session.world.ledger
        found = next((one for one in islice(ledger.runs(), MOST_RUNS) if one.id == named), None)
        return (found, ledger.run_changes(found)) if found else None
