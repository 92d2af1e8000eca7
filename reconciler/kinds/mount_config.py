"""What `auth_config` and `engine_config` share: one kind, and for each sort of mount its own fields.

The spec of such a kind is the union of all sorts' fields, each with the default that a real server has. What a sort does not
have stays at its default, is never sent, and is an error in YAML.

Most of these configurations exist as soon as their mount does, and cannot be deleted. So one in which every field has its
default counts as absent, and deleting writes the defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.backends.vault.client import VaultClient
from reconciler.core.errors import Denied
from reconciler.core.kind import Gap, Live
from reconciler.core.resource import S, Spec
from reconciler.core.secret import Reveal, Secret
from reconciler.core.values import parse_duration

from .listed import understood


def read_configs(
    client: VaultClient, asked: Mapping[str, str], spec: type[S], held: Callable[[Mapping[str, Any]], Mapping[str, bool]] = lambda _: {}
) -> tuple[dict[str, Live[S]], list[Gap]]:
    """Read configurations, given as path to name. One in which every field has its default is left out.

    `held` tells from a body which write-only fields have a value.
    """
    gaps: list[Gap] = []
    bodies: dict[str, Mapping[str, Any]] = {}
    for path, body in client.read_many(list(asked)):
        if isinstance(body, Denied):
            gaps.append(Gap(asked[path], path, "read"))
        elif body is not None:
            bodies[asked[path]] = body
    paths = {name: path for path, name in asked.items()}
    live, odd = understood(bodies, paths.__getitem__, lambda body: Live(spec.from_live(body), held=held(body)))
    return {name: one for name, one in live.items() if not says_nothing(one.spec)}, [*gaps, *odd]


def body_for(sort: type[Spec], spec: Spec, reveal: Reveal) -> dict[str, Any]:
    """The fields of one sort, as its endpoint takes them: all of them, since an omitted one may keep its old value."""
    body: dict[str, Any] = {}
    for name, shape in sort.model_fields.items():
        value = getattr(spec, name)
        if isinstance(value, Secret):
            body[name] = reveal(value)
        elif value is not None:
            # Some endpoints keep a duration as the text that was sent, and cannot read a bare number later.
            body[name] = f"{value}s" if _is_duration(shape.metadata) else value
    return body


def _is_duration(metadata: list[Any]) -> bool:
    return any(getattr(entry, "func", None) is parse_duration for entry in metadata)


def says_nothing(spec: Spec) -> bool:
    """Every field has the server's default."""
    return not set_fields(spec)


def set_fields(spec: Spec) -> frozenset[str]:
    """The fields that differ from the server's default."""
    fields = type(spec).model_fields
    return frozenset(
        name for name, value in spec.__dict__.items() if value != fields[name].get_default(call_default_factory=True, validated_data={})
    )


def misfits(spec: Spec, sorts: Mapping[str, type[Spec]]) -> Iterator[str]:
    """Say which fields do not go together, where no one sort has them all."""
    given = set_fields(spec)
    if any(given <= sort.model_fields.keys() for sort in sorts.values()):
        return
    best = max(sorts, key=lambda name: len(given & sorts[name].model_fields.keys()))
    for name in sorted(given - sorts[best].model_fields.keys()):
        yield f"{name} is no setting of {best}"


def longest(name: str, mounts: Iterator[str] | frozenset[str]) -> str:
    """The longest mount that a name starts with; empty if none."""
    fitting = [mount for mount in mounts if name == mount or name.startswith(f"{mount}/")]
    return max(fitting, key=len, default="")
