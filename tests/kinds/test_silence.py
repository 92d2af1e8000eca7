"""Silence: nothing changed, nothing planned; one field changed, that field planned. Over every kind, knowing none by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import pytest
from pydantic import ValidationError

from reconciler.core.errors import ReconcilerError
from reconciler.core.kind import AnyKind
from reconciler.kinds import KINDS
from tests.kinds.by_hand import SHOWN, VAULT_HANDS
from tests.kinds.by_hand_aws import AWS_HANDS, AWS_NO_DEFAULT, AWS_NO_HAND, AWS_OTHER
from tests.kinds.by_hand_values import NO_DEFAULT, NO_HAND, NOT_OURS, VAULT_OTHER
from tests.kinds.sample import Sample
from tests.kinds.samples import SAMPLES
from tests.kinds.shapes import two_of
from tests.kinds.stand import Stand, server_of, standing

HANDS = {**VAULT_HANDS, **AWS_HANDS}
OTHER = {**VAULT_OTHER, **AWS_OTHER}
LEFT_OUT = {"by hand": {**NO_HAND, **AWS_NO_HAND}, "in git": {**NO_DEFAULT, **AWS_NO_DEFAULT}}


class Turn(NamedTuple):
    """One field of one sample: the spec to start from, and another value."""

    field: str
    base: dict[str, Any]
    value: Any


def by_hand(kind: AnyKind, name: str, field: str, base: dict[str, Any], value: Any) -> bool:
    """Whether the value differs from the one that git says, and could stand there instead."""
    if field in kind.kept | kind.secrets:
        return False
    return differs(kind, name, {**base, field: value}, base, field)


def in_git(kind: AnyKind, name: str, field: str, base: dict[str, Any], value: Any) -> bool:
    """Whether git could say this value, and then nothing."""
    without = {name: given for name, given in base.items() if name != field}
    return not kind.spec.model_fields[field].is_required() and differs(kind, name, {**base, field: value}, without, field)


def differs(kind: AnyKind, name: str, one: dict[str, Any], other: dict[str, Any], field: str) -> bool:
    try:
        specs = [kind.spec.model_validate(given) for given in (one, other)]
    except ValidationError:
        return False
    return getattr(specs[0], field) != getattr(specs[1], field) and not any(list(kind.check(name, spec)) for spec in specs)


def turns(
    fits: Callable[[AnyKind, str, str, dict[str, Any], Any], bool], left_out: Collection[tuple[str, str]]
) -> Iterator[tuple[str, Sample, list[Turn]]]:
    """Every field of every kind with the first sample and value that fit; those of one sample together."""
    for name, samples in sorted(SAMPLES.items()):
        kind, by_sample = KINDS[name], defaultdict[str, list[Turn]](list)
        for field, shape in kind.spec.model_fields.items():
            values = [*OTHER.get(name, {}).get(field, ()), *two_of(shape)]
            bases = [(sample.name, base) for sample in samples for base in (sample.spec, sample.changed)]
            bases.sort(key=lambda base: field not in base[1])  # rather what is declared than a default
            tried = ((at, Turn(field, base, value)) for at, base in bases for value in (*([base[field]] if field in base else ()), *values))
            found = next((one for one in tried if fits(kind, one[0], *one[1])), None)
            if found and (name, field) not in left_out:
                by_sample[found[0]].append(found[1])
        yield from ((name, sample, by_sample[sample.name]) for sample in samples if sample.name in by_sample)


BY_HAND, IN_GIT = list(turns(by_hand, LEFT_OUT["by hand"])), list(turns(in_git, LEFT_OUT["in git"]))


def cases(found: list[tuple[str, Sample, list[Turn]]]) -> list[Any]:
    return [pytest.param(*one, id=f"{one[0]} {one[1].name}") for one in found]


def fields_of(found: list[tuple[str, Sample, list[Turn]]]) -> set[tuple[str, str]]:
    return {(name, one.field) for name, _, fields in found for one in fields}


def test_no_field_is_left_out_without_a_reason() -> None:
    every = {(name, field): KINDS[name] for name in SAMPLES for field in KINDS[name].spec.model_fields}
    unseen = {one for one, kind in every.items() if one[1] in kind.kept | kind.secrets}
    required = {one for one, kind in every.items() if kind.spec.model_fields[one[1]].is_required()}
    assert sorted(every.keys() - unseen - fields_of(BY_HAND)) == sorted(LEFT_OUT["by hand"])
    assert sorted(every.keys() - required - fields_of(IN_GIT)) == sorted(LEFT_OUT["in git"])


@pytest.mark.parametrize(("name", "sample", "fields"), cases(BY_HAND))
def test_a_field_changed_behind_our_back_is_planned_alone_and_set_back(
    name: str, sample: Sample, fields: list[Turn], request: pytest.FixtureRequest
) -> None:
    with standing(name, sample, request.getfixturevalue(server_of(name, sample))) as stand:
        faults = [fault for one in fields for fault in told(stand, one, changed_by_hand)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(("name", "sample", "fields"), cases(IN_GIT))
def test_a_field_removed_from_git_is_planned_alone_and_set_to_its_default(
    name: str, sample: Sample, fields: list[Turn], request: pytest.FixtureRequest
) -> None:
    with standing(name, sample, request.getfixturevalue(server_of(name, sample))) as stand:
        faults = [fault for one in fields for fault in told(stand, one, removed_from_git)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(("name", "sample"), [pytest.param(name, SAMPLES[name][0], id=name) for name in SHOWN])
def test_whatever_a_server_shows_is_in_the_model_or_not_ours(name: str, sample: Sample, request: pytest.FixtureRequest) -> None:
    with standing(name, sample, request.getfixturevalue(server_of(name, sample))) as stand:
        stand.reach(stand.spec(sample.spec))
        mount, _, leaf = sample.name.rpartition("/")
        shown = stand.client.read(SHOWN[name].format(name=sample.name, mount=mount, leaf=leaf))
    known = {*stand.kind.spec.model_fields, *stand.kind.spec.live_names.values()}
    assert shown.keys() - known - NOT_OURS.keys() == set()


def told(stand: Stand, one: Turn, trial: Callable[[Stand, Turn], Iterator[str]]) -> Iterator[str]:
    """What went wrong with a field, each with its name: one field's fault must not hide another's."""
    try:
        yield from (f"{one.field}: {fault}" for fault in trial(stand, one))
    except ReconcilerError as error:
        yield f"{one.field}: {error}"


def changed_by_hand(stand: Stand, one: Turn) -> Iterator[str]:
    spec = stand.spec(one.base)
    stand.reach(spec)
    value = one.value
    if one.field in stand.kind.runtime:
        seen = getattr(stand.seen(), one.field)
        spec, value = stand.spec({**one.base, one.field: seen}), seen + 1 if isinstance(seen, int) else value
    HANDS[stand.kind.name](stand.client, stand.sample.name, one.field, value)
    yield from alone(stand, spec, one.field)


def removed_from_git(stand: Stand, one: Turn) -> Iterator[str]:
    stand.reach(stand.spec({**one.base, one.field: one.value}))
    without = {name: value for name, value in one.base.items() if name != one.field}
    if one.field not in stand.kind.runtime:
        yield from alone(stand, stand.spec(without), one.field)
    elif stand.compare(stand.spec(without)).changes:
        yield "the server moves it by itself, yet it is planned without being declared"


def alone(stand: Stand, spec: Any, field: str) -> Iterator[str]:
    """The plan names the field and nothing else, and after it was applied there is no plan."""
    changes = stand.compare(spec).changes
    named = sorted({found.path.split("/")[1] for change in changes for found in change.fields()})
    if named != [field]:
        yield f"the plan names {named}"
    stand.reach(spec)
    if left := stand.compare(spec).changes:
        yield f"applied, and still planned: {[change.fields() for change in left]}"
