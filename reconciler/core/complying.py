"""`compliance:` of an environment: the frameworks that it reports on, and the thresholds that its checks hold it to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .values import Seconds, show_duration

_FROZEN = ConfigDict(frozen=True, extra="forbid")
_DAY = 86400
_YEAR = 365 * _DAY
M = TypeVar("M", bound=BaseModel)
Framework = Literal["soc2", "pci", "hipaa", "gdpr"]


class MaxAge(BaseModel):
    """How old a secret of each type may become."""

    model_config = _FROZEN
    api_key: Seconds = 90 * _DAY
    webhook_secret: Seconds = _YEAR
    password: Seconds = 90 * _DAY
    database: Seconds = 90 * _DAY
    tls_certificate: Seconds = 398 * _DAY  # what browsers take at most
    transit_key: Seconds = _YEAR
    kms_key: Seconds = _YEAR
    external: Seconds = 90 * _DAY


class Thresholds(BaseModel):
    """What checks compare with. Frameworks cap some of them."""

    model_config = _FROZEN
    max_age: MaxAge = MaxAge()
    token_ttl: Annotated[Seconds, Field(description="the longest a token may live")] = _DAY
    password_length: Annotated[int, Field(ge=1)] = 16
    generated_bits: Annotated[int, Field(ge=1, description="entropy of what is generated")] = 128
    rsa_bits: Annotated[int, Field(ge=1)] = 2048
    certificate_left: Annotated[Seconds, Field(description="a certificate must be valid for so long still")] = 14 * _DAY
    audit_log: Annotated[Seconds, Field(description="how long the audit log must be kept")] = _YEAR
    secret_versions: Annotated[Seconds, Field(description="how long old values may be kept")] = 90 * _DAY
    backup_age: Seconds = 7 * _DAY
    drill_age: Annotated[Seconds, Field(description="the last restore that was tried and compared")] = 90 * _DAY
    alert_age: Annotated[Seconds, Field(description="the last alert that was seen to arrive")] = 90 * _DAY
    emergency_age: Annotated[Seconds, Field(description="the last emergency rotation, or its drill")] = _YEAR
    unused: Annotated[Seconds, Field(description="a secret that nobody reads for so long")] = 90 * _DAY
    clock_skew: Seconds = 5
    unseal_shares: Annotated[int, Field(ge=1, description="people that unsealing takes")] = 2


class Cap(NamedTuple):
    """A threshold that a framework bounds."""

    framework: Framework
    control: str
    field: str
    bound: int
    least: bool = False  # the bound is the smallest that is allowed, not the largest


CAPS = (
    Cap("pci", "8.3.9", "max_age.password", 90 * _DAY),
    Cap("pci", "8.3.9", "max_age.database", 90 * _DAY),
    Cap("pci", "8.3.6", "password_length", 12, least=True),
    Cap("pci", "3.7.1", "generated_bits", 112, least=True),
    Cap("pci", "3.7.1", "rsa_bits", 2048, least=True),
    Cap("pci", "10.5.1", "audit_log", _YEAR, least=True),
    Cap("pci", "8.2.6", "unused", 90 * _DAY),
    Cap("pci", "3.7.6", "unseal_shares", 2, least=True),
    Cap("hipaa", "164.316(b)(2)", "audit_log", 6 * _YEAR, least=True),
    Cap("hipaa", "164.308(a)(7)", "drill_age", _YEAR),
    Cap("soc2", "A1.3", "drill_age", _YEAR),
)
_COUNTS = frozenset({"password_length", "generated_bits", "rsa_bits", "unseal_shares"})


class Complying(BaseModel):
    """What an environment is held to."""

    model_config = _FROZEN
    frameworks: Annotated[tuple[Framework, ...], Field(description="what reports are about; they cap thresholds")] = ()
    thresholds: Thresholds = Thresholds()

    @model_validator(mode="after")
    def _no_looser(self) -> Self:
        loose = list(_loosened(self))
        if loose:
            raise ValueError("; ".join(loose))
        return self

    @property
    def held(self) -> Thresholds:
        """The thresholds that count: what is left out is as strict as the declared frameworks ask."""
        stricter: dict[str, int] = {}
        for cap in self._caps():
            # Ages by type are no looser than any cap, and the others stand on the first level.
            if cap.field in Thresholds.model_fields and cap.field not in self.thresholds.model_fields_set:
                usual = stricter.get(cap.field, getattr(self.thresholds, cap.field))
                stricter[cap.field] = max(usual, cap.bound) if cap.least else min(usual, cap.bound)
        return self.thresholds.model_copy(update=stricter)

    def _caps(self) -> Iterator[Cap]:
        yield from (cap for cap in CAPS if cap.framework in self.frameworks)


def strict_for(held: Thresholds, frameworks: Iterable[str]) -> Thresholds:
    """The thresholds of a report on frameworks that nobody declared: what it shows is held to what they ask all the same."""
    asked = frozenset(frameworks)
    for cap in CAPS:
        held = _narrowed(held, cap, cap.field.split(".")) if cap.framework in asked else held
    return held


def _narrowed(given: M, cap: Cap, names: Sequence[str]) -> M:
    value = getattr(given, names[0])
    if len(names) > 1:
        return given.model_copy(update={names[0]: _narrowed(value, cap, names[1:])})
    return given.model_copy(update={names[0]: max(value, cap.bound) if cap.least else min(value, cap.bound)})


def _loosened(given: Complying) -> Iterator[str]:
    for cap in given._caps():
        value: Any = given.held
        for name in cap.field.split("."):
            value = getattr(value, name)
        if (value < cap.bound) if cap.least else (value > cap.bound):
            yield f"thresholds.{cap.field}: {cap.framework} {cap.control} allows {'no less' if cap.least else 'no more'} than {_shown(cap)}"


def _shown(cap: Cap) -> str:
    return str(cap.bound) if cap.field in _COUNTS else show_duration(cap.bound)
