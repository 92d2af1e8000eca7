"""What the ledger remembers: only what was done, whatever was left out, failed, or taken back."""

from __future__ import annotations

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.core.address import Address
from reconciler.core.errors import BackendError
from reconciler.ledger.kv import KvShelf
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.records import State
from tests.cli.site import Site
from tests.cli.test_promises import actions, policy

BOB = """\
---
kind: vault.userpass_user
name: userpass/bob
spec: {{password: {{from: "vault:kv/data/{source}#password"}}}}
"""
BASE = policy("readers") + "---\nkind: vault.auth_method\nname: userpass\nspec: {type: userpass}\n"
# Kinds whose living objects are spelled otherwise than what was declared: secrets, fields that the server moves, a part.
MANY = """\
---
kind: vault.secrets_engine
name: transit
spec: {type: transit}
---
kind: vault.transit_key
name: transit/orders
spec: {type: aes256-gcm96, deletion_allowed: true}
---
kind: vault.object
name: identity/oidc/role/orders
spec: {data: {key: default, ttl: 1h}}
"""


@pytest.fixture
def passwords(vault: VaultClient) -> None:
    """Two passwords in a store that is not managed."""
    KvShelf(vault, "kv", "", lambda _seconds: None).prepare()
    for name in ("one", "two"):
        vault.write(f"kv/data/{name}", {"data": {"password": f"password-{name}"}})


def logs_in(vault: VaultClient, password: str) -> bool:
    try:
        vault.ask("auth/userpass/login/bob", {"password": password})
    except BackendError:
        return False
    return True


def remembered(vault: VaultClient) -> State:
    return Ledger(KvShelf(vault, "reconciler", "genesis/dev", lambda _seconds: None)).load()[0]


def declare(site: Site, text: str) -> None:
    site.write("desired-state/all.yaml", text)
    site.commit()


@pytest.mark.usefixtures("passwords")
@pytest.mark.parametrize("saved", [False, True], ids=["target", "plan file"])
def test_what_an_apply_left_out_is_still_to_be_done(site: Site, vault: VaultClient, saved: bool) -> None:
    declare(site, BASE + BOB.format(source="one"))
    site.apply()
    declare(site, BASE.replace("[read]", "[list]") + BOB.format(source="two"))
    left = site.plan("--target", "vault.policy/readers", "--out", str(site.repo.parent / "plan.json"))
    assert actions(left) == {"vault.policy/readers": "update"}
    site.apply(*([str(site.repo.parent / "plan.json")] if saved else ["--target", "vault.policy/readers"]))
    assert actions(site.plan()) == {"vault.userpass_user/userpass/bob": "update"}
    site.apply()
    assert logs_in(vault, "password-two")


def test_a_lifecycle_counts_once_its_object_was_applied(site: Site) -> None:
    declare(site, policy("readers") + "---\n" + policy("writers") + "lifecycle: {protect: true}\n")
    site.apply()
    declare(site, policy("readers", capabilities="list") + "---\n" + policy("writers"))
    site.apply("--target", "vault.policy/readers")
    declare(site, policy("readers", capabilities="list"))
    assert [one["guard"] for one in site.plan()["refusals"]] == ["protected"]


@pytest.mark.usefixtures("passwords")
def test_nothing_that_a_rollback_took_back_is_applied_again_unasked(site: Site) -> None:
    declare(site, BASE)
    site.apply()
    declare(site, BASE + BOB.format(source="one") + MANY)
    site.apply()
    assert site.run("rollback", "--yes", "--allow", "irreversible").code == 0
    plan = site.plan()
    assert len(plan["changes"]) == 4
    assert {one["address"] for one in plan["refusals"] if one["guard"] == "rolled_back"} == set(actions(plan))
    site.apply("--allow", "rolled_back")
    assert site.plan()["changes"] == []


def test_a_second_rollback_does_not_let_the_first_ones_commit_back_in(site: Site) -> None:
    for capability in ("read", "list", "update"):
        declare(site, policy("readers", capabilities=capability))
        site.apply()
    assert site.run("rollback", "--yes").code == 0
    assert site.run("rollback", "--yes").code == 0
    assert [one["guard"] for one in site.plan()["refusals"]] == ["rolled_back"]
    declare(site, policy("readers", capabilities="create"))
    site.apply()


def test_there_is_no_way_back_to_what_was_never_applied(site: Site, vault: VaultClient) -> None:
    declare(site, policy("readers"))
    site.apply()
    site.git("checkout", "--quiet", "-b", "unreviewed")
    declare(site, policy("readers", path="secret/*"))
    stray = site.git("rev-parse", "HEAD").strip()
    site.git("checkout", "--quiet", "main")
    refused = site.run("rollback", "--to", stray, "--yes")
    assert refused.code == 4
    assert "was never applied" in refused.err
    assert site.run("rollback", "--to", "", "--yes").code == 2
    assert "secret/" not in str(vault.read("sys/policies/acl/readers"))


def test_a_create_that_came_to_nothing_claims_nothing_later(site: Site, vault: VaultClient) -> None:
    engine = "---\nkind: vault.secrets_engine\nname: {name}\nspec: {{type: {sort}}}\n"
    declare(site, policy("readers") + engine.format(name="broken", sort="no-such-engine"))
    assert site.run("apply", "--yes").code == 5
    assert remembered(vault).claims.keys() == {Address("vault.secrets_engine", "broken")}
    declare(site, policy("readers"))
    site.apply("--target", "vault.policy/readers")
    assert remembered(vault).claims, "what was not looked at may be half made"
    site.apply()
    assert not remembered(vault).claims
