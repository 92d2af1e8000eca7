"""From a commit to rotations: each declared secret with its policy, store, strategy and validation.

Rotation takes no run lock: what it writes has check-and-set, and targets have fences. Its gates are therefore open.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciler.audit.journal import RunRecorder
from reconciler.audit.redaction import Masks
from reconciler.core.errors import BackendError, Denied, Missing, ReconcilerError, Usage
from reconciler.core.resource import Resource, fingerprint
from reconciler.core.secret import FORBIDDEN_ENV, Secret
from reconciler.desired.environments import Environment, RotationSettings
from reconciler.desired.git import Repository
from reconciler.engine.survey import silent
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.lockdown import read_lockdown
from reconciler.rotation.build import Means, strategy_of, validation_of
from reconciler.rotation.due import Caps, Due, due
from reconciler.rotation.job import Job
from reconciler.rotation.outside import Surroundings
from reconciler.rotation.policy import DAY, PolicySpec, SecretSpec
from reconciler.rotation.targets import Source
from reconciler.secrets.aws_store import AwsStore
from reconciler.secrets.source_local import Local
from reconciler.settings import Settings

from .auditing import recording
from .connect import Parts, connected
from .migrating import course_in_force
from .session import actor
from .stores import store_of

if TYPE_CHECKING:
    from reconciler.desired.load import Desired
    from reconciler.migration.routed import Course
    from reconciler.secrets.store import SecretStore

_NAMED = re.compile(r"\benv:([A-Za-z_][A-Za-z0-9_]*)")
UNSCHEDULED = PolicySpec()
"""Of a secret that names no policy: rotated by hand only, with what a policy has by default."""


@dataclass(frozen=True)
class Rotation:
    """What the commands of rotation work on."""

    jobs: tuple[Job, ...]
    caps: Caps
    settings: RotationSettings
    project: str
    environment: str
    actor: str
    closed: Callable[[], str] = str
    """Why nothing may be rotated but what leaked; empty: it may."""
    carry: Callable[[Job], str] = lambda _job: ""
    """Have a migration that is in force copy a secret; why that could not be done."""
    decision: Callable[..., None] = lambda *_what, **_more: None
    """Keeps what a person decided in the audit log."""

    def job(self, path: str) -> Job:
        """One declared secret. Raises Usage."""
        for one in self.jobs:
            if one.path == path:
                return one
        known = ", ".join(one.path for one in self.jobs[:8]) or "none"
        raise Usage(f"the commit declares no secret {path!r} (declared: {known}{', ...' if len(self.jobs) > 8 else ''})")


@contextmanager
def opened_for_rotation(settings: Settings, *, commit: str = "HEAD", administrator: bool = False) -> Iterator[Rotation]:
    """The declared secrets of a commit, ready to be rotated."""
    from reconciler.desired.load import load
    from reconciler.kinds import KINDS

    repository = Repository(settings.repo)
    tree = repository.read(repository.resolve(commit))
    desired = load(tree, settings.environment or None, KINDS)
    with connected(settings, desired.environment, "apply", tree.commit, silent, administrator=administrator) as parts:
        parts.gates.open(lambda _seconds: None)
        masks = Masks()
        with recording(settings, parts.clients, "rotate", commit=tree.commit, rid=parts.run, masks=masks, guarded=True) as recorder:
            course = partial(course_in_force, settings, desired.environment, parts.clients, recorder, masks)
            yield rotation_of(settings, desired, parts, tree.commit, recorder, masks, course)


def rotation_of(
    settings: Settings,
    desired: Desired,
    parts: Parts,
    commit: str,
    recorder: RunRecorder,
    masks: Masks,
    course: Callable[[str], Course | None] = lambda _path: None,
) -> Rotation:
    """The rotations that a desired state asks for. What they do is told to the recorder; `masks` are told every value.

    `course`: of the migration that is in force for a path when it is called.
    """
    environment = desired.environment
    makes = _Maker(settings, environment, parts, recorder, commit, masks, course)
    policies = {address.name: one.spec for address, one in desired.resources.items() if address.kind == "rotation_policy"}
    declared = sorted((one for address, one in desired.resources.items() if address.kind == "secret"), key=lambda one: one.address.name)
    jobs = tuple(makes.job(one, policies) for one in declared)
    caps = Caps(**environment.rotation.caps.model_dump())
    about = (environment.project, environment.name, actor(settings.environ))
    return Rotation(jobs, caps, makes.rotation, *about, partial(_closed, parts), partial(_carry, course), recorder.decision)


def _carry(course: Callable[[str], Course | None], job: Job) -> str:
    """Copy what was rotated to where a migration takes it; return why that could not be done."""
    try:
        found = course(job.path)
        if found and found.record.source == job.store.name and found.record.phase != "returning" and found.record.covers(job.path):
            found.forward(job.path)
    except ReconcilerError as error:
        return str(error)
    return ""


def _closed(parts: Parts) -> str:
    try:
        return str(read_lockdown(parts.shelf))
    except (Denied, Missing):
        return ""  # rotation works without a ledger, and then nobody can have switched anything


class _Maker:
    """Makes the jobs of one environment."""

    def __init__(
        self,
        settings: Settings,
        environment: Environment,
        parts: Parts,
        recorder: RunRecorder,
        commit: str,
        masks: Masks,
        course: Callable[[str], Course | None],
    ) -> None:
        self._environment = environment
        self._course = course
        self._parts = parts
        self._recorder = recorder
        self._masks = masks
        self._commit = commit
        self._key = _key(parts)
        self._stores: dict[str, SecretStore] = {}
        self._around = Surroundings(settings.repo, harmless(settings.environ, environment))
        self._means = Means(parts.clients, self._reveal, self._around)
        self._settings = settings
        self.rotation = overridden(environment.rotation, settings.environ)

    def job(self, resource: Resource[Any], policies: Mapping[str, PolicySpec]) -> Job:
        path, spec = resource.address.name, resource.spec
        policy = policies.get(spec.rotation, UNSCHEDULED)
        store = self._store(spec.store)
        strategy = strategy_of(path, spec, store, self._means)
        return Job(
            path,
            spec,
            policy,
            store,
            strategy,
            validation_of(path, spec, strategy, self._around),
            self._recorder,
            self._fingerprint,
            schedule_of(path, spec, policy, self.rotation),
            time.time,
            copies=tuple(self._copies(store)),
            foreign=lambda: _foreign(store, path) or self._left(store, path),
            auto=self.rotation.auto and bool(spec.rotation or spec.generate),
            policy_hash=hashlib.sha256(f"{fingerprint(spec)} {fingerprint(policy)}".encode()).hexdigest()[:16],
            commit=self._commit,
            fence_name=f"{self._environment.project}/{self._environment.name}/{store.name}/{path}",
        )

    def _store(self, name: str) -> SecretStore:
        if name not in self._stores:
            known = self._environment.stores.reading
            if not name and not known:
                raise Usage(
                    f"environment {self._environment.name} declares no store (write `stores: {{vault: {{mount: MOUNT}}}}` in its file)"
                )
            self._stores[name] = store_of(self._settings, self._environment, self._parts.clients, name or known[0])
        return self._stores[name]

    def _left(self, store: SecretStore, path: str) -> str:
        """Why a migration takes no new value there: rotations write the store itself."""
        course = self._course(path)
        return course.refusal(store.name, path).removeprefix(f"{path}: ") if course else ""

    def _copies(self, main: SecretStore) -> Iterator[SecretStore]:
        """The other stores, where the client writes to all of them too."""
        stores = self._environment.stores
        for name in stores.reading if stores.write == "dual" else ():
            if name != main.name:
                yield self._store(name)

    def _reveal(self, source: Source) -> str:
        secret, environment = Secret.remembered(source.origin, ""), self._environment
        if secret.scheme in ("vault", "aws"):
            return self._parts.world.sources.reveal(secret)
        # Not by way of the ledger, whose key marks values: the ledger may not be there yet.
        folder = self._settings.repo / environment.secret_files if environment.secret_files else None
        text = Local(self._settings.environ, frozenset(environment.secret_env), folder).text(secret)
        if text is None:
            raise Missing(f"{secret.source} is not set here, or empty (set it where rotations run)", path=secret.source)
        return text

    def _fingerprint(self, value: Mapping[str, str]) -> str:
        for text in value.values():
            self._masks.add(text)
        return hmac.new(self._key, json.dumps(value, sort_keys=True).encode(), hashlib.sha256).hexdigest()[:16]


def schedule_of(path: str, spec: SecretSpec, policy: PolicySpec, settings: RotationSettings) -> Callable[[int], Due | None]:
    if not spec.rotation:
        return lambda _last: None
    interval = policy.interval(settings.default_interval_days)
    return lambda last: due(path, last, interval, round(policy.warning_days * DAY))


def overridden(settings: RotationSettings, environ: Mapping[str, str]) -> RotationSettings:
    """What the environment's file leaves out, the older variables may say."""
    given = settings.model_fields_set
    changes: dict[str, Any] = {}
    for field, name in (("enabled", "VAULT_ROTATION_ENABLED"), ("auto", "VAULT_AUTO_ROTATE")):
        if field not in given and name in environ:
            changes[field] = environ[name].strip().lower() not in ("0", "false", "no", "off", "")
    seconds = environ.get("VAULT_DEFAULT_TTL", "")
    if "default_interval_days" not in given and seconds:
        if not seconds.isdigit() or int(seconds) == 0:
            raise Usage("VAULT_DEFAULT_TTL is not a number of seconds")
        changes["default_interval_days"] = int(seconds) / DAY
    return settings.model_copy(update=changes)


def _foreign(store: SecretStore, path: str) -> str:
    """Two that rotate one secret would undo each other."""
    if isinstance(store, AwsStore) and store.rotates(path):
        return "AWS rotates it itself (take `rotation` from its aws.secret, or the secret's `rotation` from its document)"
    return ""


def harmless(environ: Mapping[str, str], environment: Environment) -> dict[str, str]:
    """What commands are given: not the run's own logins, nor what opens its stores and targets."""
    named = set(_NAMED.findall(environment.model_dump_json())) | set(environment.secret_env)
    return {name: value for name, value in environ.items() if not name.upper().startswith(FORBIDDEN_ENV) and name not in named}


def _key(parts: Parts) -> bytes:
    """The ledger's key for fingerprints. Where there is none, fingerprints of two runs cannot be compared, and nothing else is lost."""
    try:
        key = Ledger(parts.shelf).key()
    except BackendError:
        key = None
    return key or secrets.token_bytes(32)
