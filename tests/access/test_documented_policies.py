"""Policies such as the documentation shows load, apply and are silent."""

from __future__ import annotations

import pytest

from reconciler.access.policy_text import read_policy
from reconciler.access.rules import render
from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Action
from reconciler.core.errors import BackendError
from reconciler.kinds import KINDS
from tests.access.documented_policies import POLICIES, VAULT_ONLY
from tests.kinds.sample import Sample
from tests.kinds.stand import Stand

TEXTS = [pytest.param(text, id=name) for name, text in POLICIES.items()]


@pytest.fixture
def policy(vault: VaultClient) -> Stand:
    return Stand(KINDS["vault.policy"], vault, Sample("documented", {}, {}))


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_declared_is_applied_and_then_silent(text: str, policy: Stand) -> None:
    spec = policy.spec({"hcl": text})
    policy.reach(spec)
    assert policy.compare(spec).changes == ()


@pytest.mark.parametrize("text", TEXTS)
def test_what_somebody_wrote_is_adopted_without_writing_it_again(text: str, policy: Stand, vault: VaultClient) -> None:
    vault.write("sys/policies/acl/documented", {"policy": text})
    assert [change.action for change in policy.compare(policy.spec({"hcl": text})).changes] == [Action.ADOPT]
    assert policy.seen().hcl == "", "the text is understood, not carried along"
    rules = policy.seen().model_dump(exclude_defaults=True)
    assert [change.action for change in policy.compare(policy.spec(rules)).changes] == [Action.ADOPT]


@pytest.mark.parametrize("text", TEXTS)
def test_rules_in_place_of_the_text_mean_the_same(text: str) -> None:
    assert read_policy(render(read_policy(text))) == read_policy(text)


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in VAULT_ONLY.items()])
def test_what_vault_alone_has_is_valid_and_openbao_says_what_it_does_not_know(text: str, policy: Stand) -> None:
    assert read_policy(render(read_policy(text))) == read_policy(text)
    with pytest.raises(BackendError, match=r"invalid (capability|key)"):
        policy.reach(policy.spec({"hcl": text}))
