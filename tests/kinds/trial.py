"""A trial: any spec of a kind, made of strategies for its fields, on the place of a sample."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, NamedTuple

from hypothesis import strategies as st

from reconciler.kinds import KINDS
from tests.kinds.sample import Sample
from tests.kinds.samples import SAMPLES
from tests.kinds.shapes import WORDS, any_of

OUT: Any = None
"""Leaves a field out."""


class Trial(NamedTuple):
    """Any spec of a kind, on the place of a sample. `special` fields have values of their own, `always` ones just these."""

    kind: str
    sample: Sample
    special: Mapping[str, st.SearchStrategy[Any]] = {}
    always: Mapping[str, Any] = {}
    examples: int = 15
    needed: tuple[str, ...] = ()
    """Fields that are never left out, since others or the server count on them."""

    def specs(self) -> st.SearchStrategy[dict[str, Any]]:
        """Specs as YAML has them, of which our own checks find nothing wrong."""
        kind = KINDS[self.kind]
        required: dict[str, st.SearchStrategy[Any]] = {}
        optional: dict[str, st.SearchStrategy[Any]] = {}
        for name, field in kind.spec.model_fields.items():
            values = self.special[name] if name in self.special else any_of(field) if name not in self.always else OUT
            if values is not OUT:
                (required if field.is_required() or name in self.needed else optional)[name] = values
        drawn = st.fixed_dictionaries(required, optional=optional).map(lambda drawn: {**drawn, **self.always})
        return drawn.filter(lambda given: not list(kind.check(self.sample.name, kind.spec.model_validate(given))))


@st.composite
def networks(draw: st.DrawFn) -> str:
    address = draw(st.ip_addresses())
    mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped
    return f"{address}/{draw(st.integers(96 if mapped else 0, address.max_prefixlen))}"


def listed(*values: Any, least: int = 0, most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=most, unique_by=repr)


def only(kind: str, *names: str) -> dict[str, Any]:
    """All other fields of a kind are left out."""
    return dict.fromkeys(KINDS[kind].spec.model_fields.keys() - set(names), OUT)


def at(kind: str, name: str = "") -> Sample:
    """The sample of that name; the first one without a name."""
    return next(sample for sample in SAMPLES[kind] if name in ("", sample.name))


HOSTS = st.ip_addresses().map(str)
CIDRS = st.lists(HOSTS | networks(), max_size=3)
TOKEN = {
    "token_type": st.sampled_from(["default", "service", "batch"]),
    "token_bound_cidrs": CIDRS,
    "token_num_uses": st.integers(0, 9),
    **{name: st.integers(0, 2000) for name in ("token_ttl", "token_max_ttl", "token_period", "token_explicit_max_ttl")},
}
METADATA = st.dictionaries(st.from_regex("[A-Za-z0-9_-]{1,9}", fullmatch=True), WORDS, max_size=3)
REDIRECTS = listed("https://a.example/x", "https://b.example", "http://localhost:8250/oidc/callback")
PAGES = listed("http://a.example/x", "http://b.example")
CLAIM = st.booleans() | st.integers(-9, 9) | WORDS
CAPABILITIES = listed("create", "read", "update", "patch", "delete", "list", "sudo", "deny", "scan", most=4, least=1)
RULES = st.lists(
    st.fixed_dictionaries(
        {"path": st.from_regex(r"[a-z]{1,6}(/([a-z]{1,4}|\+)){0,3}(/\*)?", fullmatch=True), "capabilities": CAPABILITIES},
        optional={
            "required_parameters": listed("a", "b"),
            "min_wrapping_ttl": st.integers(0, 60),
            "max_wrapping_ttl": st.integers(60, 600),
        },
    ),
    min_size=1,
    max_size=4,
)
TTLS = {"default_lease_ttl": st.integers(0, 2000), "max_lease_ttl": st.just(0) | st.integers(2000, 9999)}
MOUNT = {**TTLS, "options": OUT, "plugin_version": OUT, "external_entropy_access": OUT, "description": st.just("") | WORDS}
LOCKOUT = st.fixed_dictionaries({}, optional={"lockout_threshold": st.integers(1, 9), "lockout_duration": st.integers(1, 900)})
SSH_CA_ONLY = ("port", "cidr_list", "exclude_cidr_list")
