"""What is declared: the specs of `secret` and `rotation_policy`, and what of them cannot be honest.

Not to be confused with `core.secret.Secret`, a write-only field, or `reconciler.secrets`, the stores.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from ..core.resource import Spec
from ..core.values import Seconds, StringSet
from .targets import Generate, Target, Validation, target_problems

HOUR, DAY = 3600, 86400
DEFAULT_INTERVAL_DAYS = 30

Type = Literal["api_key", "webhook_secret", "password", "database", "tls_certificate", "transit_key", "kms_key", "external"]
GENERATED = frozenset({"api_key", "webhook_secret", "password"})
"""Types that have no target: whoever reads the secret is the one who accepts it."""
ANYWHERE = frozenset({"api_key", "webhook_secret"})
"""Of them, those of which the other side takes an old and a new one; a password is one user's."""


class Share(BaseModel):
    """One stage of a staged rollout."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Annotated[str, Field(min_length=1)]
    duration_minutes: Annotated[int | float, Field(ge=0)] = 0
    traffic_percentage: Annotated[int, Field(ge=0, le=100, description="of the consumers that read through the client")] = 0


class StagedRollout(BaseModel):
    """The way of a new value to its consumers."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    enabled: bool = False
    stages: tuple[Share, ...] = (
        Share(name="validation", duration_minutes=5),
        Share(name="canary", duration_minutes=15, traffic_percentage=10),
        Share(name="production", traffic_percentage=100),
    )

    @model_validator(mode="after")
    def _grows(self) -> Self:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise ValueError("two stages have one name")
        shares = [stage.traffic_percentage for stage in self.stages]
        if shares != sorted(shares):
            raise ValueError("`traffic_percentage` can only grow: who has the new value keeps it")
        return self

    @property
    def partial(self) -> bool:
        """Whether some consumers would have the new value while others have the old one."""
        return self.enabled and any(0 < stage.traffic_percentage < 100 for stage in self.stages)


class PolicySpec(Spec):
    """When secrets are rotated, how long old values stay good, and how new ones reach their consumers."""

    sparse: ClassVar[bool] = True

    type: Annotated[Type | None, Field(description="the type of secrets that it is for; default: any")] = None
    interval_days: Annotated[
        int | float | None,
        Field(gt=0, validation_alias=AliasChoices("interval_days", "rotation_interval_days"), description="default: the environment's"),
    ] = None
    warning_days: Annotated[int | float, Field(ge=0, description="default: 14, or a quarter of an interval that is shorter")] = 14
    validation_required: bool = False
    overlap_hours: Annotated[int | float, Field(ge=0, description="how long the previous value stays good")] = 1
    consumer_cache: Annotated[Seconds, Field(description="how long consumers keep a value that they read")] = 300
    staged_rollout: StagedRollout = StagedRollout()
    retries: Annotated[int, Field(ge=0, le=100, description="definite failures in a row before it is given up")] = 5

    @property
    def overlap(self) -> int:
        return round(self.overlap_hours * HOUR)

    def interval(self, default_days: float = DEFAULT_INTERVAL_DAYS) -> int:
        return round((self.interval_days or default_days) * DAY)


class SecretSpec(Spec):
    """A secret in a store, and how it is rotated. Its value is never declared."""

    sparse: ClassVar[bool] = True

    store: Annotated[
        Literal["", "vault", "aws", "files"], Field(description="a store of the environment; default: the first of its `order`")
    ] = ""
    type: Type
    generate: Annotated[Generate | None, Field(description="makes the first value when it is applied")] = None
    rotation: Annotated[str, Field(description="a `rotation_policy`; without one it is rotated by hand only")] = ""
    owner: str = ""
    consumers: StringSet = ()
    target: Target | None = None
    validation: Annotated[Validation | None, Field(alias="validate")] = None

    @property
    def both(self) -> bool:
        """Whether the other side accepts the old and the new value at once."""
        if self.type == "database":
            return self.target is not None and len(self.target.users) > 1
        if self.type == "external":
            return self.target is None or self.target.accepts_both
        return self.type != "password"

    @property
    def making(self) -> Generate:
        return self.generate or Generate()


def secret_problems(name: str, spec: SecretSpec) -> Iterator[str]:
    """What is wrong with one declared secret."""
    if name.startswith(("_", "/")) or name.endswith("/") or "//" in name:
        yield "the name must be a clean path that does not begin with _"
    if spec.type in GENERATED and spec.target is not None:
        yield f"`target` is not for type {spec.type}, whose consumers take what the store has (use type external)"
    if spec.type not in GENERATED and spec.target is None:
        yield f"`target` is missing: a secret of type {spec.type} is made good somewhere"
    if spec.generate and spec.type in ("transit_key", "kms_key", "tls_certificate"):
        yield f"`generate` is not for type {spec.type}, which {'Vault' if spec.type != 'kms_key' else 'KMS'} makes"
    if spec.target is not None and spec.type not in GENERATED:
        yield from target_problems(spec.type, spec.target)


def policy_problems(_name: str, spec: PolicySpec) -> Iterator[str]:
    """What is wrong with one declared policy."""
    if spec.interval_days is not None and "warning_days" in spec.model_fields_set and spec.warning_days >= spec.interval_days:
        yield "warning_days must be shorter than interval_days, or it would warn all the time"


def schedule_problems(spec: PolicySpec, default_days: float) -> Iterator[str]:
    """What of a policy its interval, or the environment's, is too short for."""
    interval = spec.interval(default_days)
    if interval <= spec.overlap + spec.consumer_cache:
        yield (
            f"interval_days: {interval / DAY:g} days are not longer than overlap_hours ({spec.overlap_hours:g} h) and the consumers' "
            "cache: the value before the previous one would still be in use"
        )
    staged = sum(stage.duration_minutes for stage in spec.staged_rollout.stages) * 60 if spec.staged_rollout.enabled else 0
    if interval <= staged:
        yield "staged_rollout lasts longer than interval_days"


def pair_problems(spec: SecretSpec, policy_name: str, policy: PolicySpec) -> Iterator[str]:
    """What is wrong with a secret and its policy together."""
    if policy.type is not None and policy.type != spec.type:
        yield f"rotation: policy {policy_name} is for type {policy.type}, not {spec.type}"
    if policy.staged_rollout.partial and not spec.both:
        yield (
            f"rotation: policy {policy_name} rolls out to a share of the consumers, but this target accepts one value at a time: "
            "nobody could be given the new one before the others (give it two users, or a policy without shares)"
        )
    cached = "consumer_cache" in policy.model_fields_set and policy.overlap < policy.consumer_cache
    if cached and spec.both and spec.type not in GENERATED:
        yield (
            f"rotation: policy {policy_name} has overlap_hours: shorter than consumer_cache: consumers would go on with a value "
            "that was ended"
        )
