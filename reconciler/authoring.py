"""Policies from Python: what a script computes becomes a document of the desired state, checked like one that somebody wrote.

    from reconciler import Policy, Rule

    teams = ["billing", "mail"]
    Policy("reports", [Rule(f"genesis/data/{team}/reports/*", "read") for team in teams]).write("desired-state/policies/reports.yaml")

Like `wiring` this stands above the packages and may import all of them. Nothing here is imported by `import reconciler`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from reconciler.core.errors import Invalid, Problem, ReconcilerError
from reconciler.core.resource import Resource
from reconciler.core.values import show_duration
from reconciler.desired.documents import Envelope, read_envelope
from reconciler.desired.environments import Environment, VaultInstance
from reconciler.desired.output import write_yaml
from reconciler.desired.parse import parse
from reconciler.desired.resources import read_resource
from reconciler.desired.scan import REMEDY, scan
from reconciler.desired.source import Source
from reconciler.desired.wording import shown_path
from reconciler.kinds.policy import POLICY

Scalar = str | int | float | bool
Parameters = Mapping[str, Sequence[Scalar]]


@dataclass(frozen=True, slots=True)
class Rule:
    """What one path grants. Durations are seconds, or text such as `1h`; what is left out is not limited."""

    path: str
    capabilities: str | Iterable[str]
    allowed_parameters: Parameters | None = None
    denied_parameters: Parameters | None = None
    required_parameters: Iterable[str] = ()
    min_wrapping_ttl: str | int = 0
    max_wrapping_ttl: str | int = 0
    pagination_limit: int = 0
    list_scan_response_keys_filter_path: str = ""
    mfa_methods: Iterable[str] = ()
    subscribe_event_types: Iterable[str] = ()
    control_group: Mapping[str, Any] | None = None
    expiration: str = ""
    comment: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Iterator):  # it would be used up by the check
                object.__setattr__(self, field.name, tuple(value))


@dataclass(frozen=True, slots=True)
class Policy:
    """A `vault.policy`. Raises Invalid, with everything that is wrong, as soon as it is made."""

    name: str
    rules: Iterable[Rule]
    instance: str = "primary"
    namespace: str = ""
    labels: Mapping[str, str] | None = None
    environments: Iterable[str] = ()
    lifecycle: Mapping[str, Any] | None = None
    cas_required: bool = False
    allow_wildcards_in_identity_templates: bool = False
    allow_slashes_in_identity_templates: bool = False
    expiration: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(self.rules))
        self.validate()

    def validate(self) -> Policy:
        """Check it as `reconcile validate` would, and return it. Raises Invalid."""
        document = parse(Source(f"policy {self.name}", self.to_yaml().encode())).documents[0]
        envelope = read_envelope(document)
        found = [f"`{shown_path(one.path)}` holds {one.sort} in plain text" for one in scan(document.body)]
        problems = [Problem("", f"{POLICY.name}/{self.name}", what, REMEDY) for what in found]
        if isinstance(envelope, Envelope):
            anywhere = Environment(name="any", project="any", vault={self.instance: VaultInstance()})
            read = read_resource(envelope, envelope.address, document, {POLICY.name: POLICY}, anywhere)
            problems += [] if isinstance(read, Resource) else read
        elif isinstance(envelope, list):
            problems += envelope
        if problems:
            # The lines are those of a text that nobody wrote.
            raise Invalid(problem._replace(where="") for problem in problems)
        return self

    def document(self) -> dict[str, Any]:
        """The document, as YAML has it: without what is left at its default."""
        given = {
            "instance": self.instance if self.instance != "primary" else "",
            "namespace": self.namespace,
            "labels": dict(self.labels or {}),
            "environments": list(self.environments),
            "lifecycle": dict(self.lifecycle or {}),
        }
        settings = {name: getattr(self, name) for name in _SETTINGS if getattr(self, name)}
        spec = {"rules": [_written(rule) for rule in self.rules], **settings}
        return {"kind": POLICY.name, "name": self.name, **{name: value for name, value in given.items() if value}, "spec": spec}

    def to_yaml(self) -> str:
        """The document as text."""
        return write_yaml([self.document()])

    def write(self, path: str | Path) -> Path:
        """Write the document, over what an earlier run of the script wrote. Returns where it is."""
        file = Path(path)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.to_yaml(), encoding="utf-8")
        except OSError as error:
            raise ReconcilerError(f"{file}: could not be written: {error.strerror}") from None
        return file


_SETTINGS = ("cas_required", "allow_wildcards_in_identity_templates", "allow_slashes_in_identity_templates", "expiration")
_TTLS = frozenset({"min_wrapping_ttl", "max_wrapping_ttl"})


def _written(rule: Rule) -> dict[str, Any]:
    written: dict[str, Any] = {"path": rule.path, "capabilities": _plain(rule.capabilities)}
    for field in fields(rule)[len(written) :]:
        value = getattr(rule, field.name)
        if value:
            written[field.name] = show_duration(value) if field.name in _TTLS and isinstance(value, int) else _plain(value)
    return written


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    return [_plain(entry) for entry in value]
