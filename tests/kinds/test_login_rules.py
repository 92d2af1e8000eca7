"""The paths that kinds name are all that their logins need: every sample, with nothing but the rules made from them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.access.login_rules import Reach, Rule, apply_rules, plan_rules
from reconciler.access.rules import canonical, render
from reconciler.backends.vault.client import VaultClient
from reconciler.core.address import Address
from reconciler.core.change import Action
from reconciler.core.kind import Names
from reconciler.kinds import KINDS
from tests.kinds.sample import Sample
from tests.kinds.samples import SAMPLES
from tests.kinds.stand import Stand, server_of, standing

CASES = [
    pytest.param(name, sample, id=f"{name} {sample.name}")
    for name, samples in sorted(SAMPLES.items())
    for sample in samples
    if KINDS[name].backend == "vault"
]


def reach(name: str, sample: Sample) -> Reach:
    """What a commit that declares just this sample has to reach."""
    mounts = [need for kind, need, _ in sample.needs if KINDS[kind].mount]
    return Reach([Address(name, sample.name)], mounts=mounts, scans=True)


def limited(root: VaultClient, policy: str, rules: list[Rule]) -> VaultClient:
    """A client that may do what the rules say."""
    text = render(canonical([{"path": rule.path, "capabilities": rule.capabilities} for rule in rules]))
    root.write(f"sys/policies/acl/{policy}", {"policy": text})
    token = root.write("auth/token/create", {"policies": [policy], "no_parent": True})["auth"]["client_token"]
    return replace(root, token=lambda: token)


@pytest.mark.parametrize(("name", "sample"), CASES)
def test_the_rules_suffice_to_create_change_read_and_delete(name: str, sample: Sample, request: pytest.FixtureRequest) -> None:
    root: VaultClient = request.getfixturevalue(server_of(name, sample))
    with standing(name, sample, root):
        able = limited(root, "apply-login", apply_rules(KINDS, reach(name, sample)))
        seeing = limited(root, "plan-login", plan_rules(KINDS, reach(name, sample)))
        stand = Stand(KINDS[name], able, sample)
        for given in (sample.spec, sample.changed):
            change = stand.reach(stand.spec(given))
            assert change is not None
            reading = KINDS[name].read(seeing, Names(frozenset({sample.name}), tuple(reach(name, sample).mounts)))
            assert not reading.gaps
            assert sample.name in reading.live
        change = stand.reach(None)
        assert change is not None
        assert change.action in (Action.DELETE, Action.FORGET)
