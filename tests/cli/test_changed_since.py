"""plan --changed-since: for what a pull request touches, the same plan as the full one, and nothing else is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Site

ENVIRONMENT = "project: genesis\naws: {}\nvariables: {ttl: 1h}\nguards: {strict_references: true}\n"
TEMPLATE = """\
parameters: {name: {type: string}, extra: {type: string, default: read}}
---
kind: vault.policy
name: svc-${{ name }}
spec: {rules: [{path: "kv/data/${{ name }}/*", capabilities: ["${{ extra }}"]}]}
---
kind: vault.approle_role
name: approle/${{ name }}
spec: {token_policies: ["svc-${{ name }}"], token_ttl: "${{ ttl }}"}
"""
SERVICES = "template: service\nwith: [{name: billing}, {name: mail}, {name: shop}]\n"
MOUNTS = """\
kind: vault.auth_method
name: approle
spec: {type: approle}
---
kind: vault.auth_method
name: people
spec: {type: userpass}
---
kind: vault.secrets_engine
name: kv
spec: {type: kv-v2}
---
kind: vault.kv_secret
name: kv/one
spec: {}
---
kind: vault.identity_group
name: staff
spec: {policies: [own]}
---
kind: vault.policy
name: own
spec: {rules: [{path: "kv/data/{{identity.entity.aliases.${{ ref('vault.auth_method/people').accessor }}.name}}/*", capabilities: [read]}]}
"""


@pytest.fixture
def applied(site: Site) -> Site:
    """A repository whose branch `main` is applied; the work is on another branch."""
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT)
    site.write("templates/service.yaml.j2", TEMPLATE)
    site.write("desired-state/services.yaml", SERVICES)
    site.write("desired-state/mounts.yaml", MOUNTS)
    site.commit("main")
    site.apply()
    site.git("checkout", "--quiet", "-b", "work")
    return site


def actions(plan: Any) -> dict[str, str]:
    return {change["address"]: change["action"] for change in plan["changes"]}


def assert_same(site: Site, since: str = "main") -> Any:
    """The narrow plan is the full one, where nothing else moved. Returns it."""
    full, narrow = site.plan(), site.plan("--changed-since", since)
    for part in ("changes", "access", "refusals", "unknown", "digest"):
        assert narrow[part] == full[part], part
    return narrow


def edit(site: Site, path: str, old: str, new: str) -> None:
    text = (site.repo / path).read_text()
    assert old in text
    site.write(path, text.replace(old, new))


def test_what_did_not_change_is_neither_asked_for_nor_planned_and_that_is_said(applied: Site, vault: VaultClient) -> None:
    edit(applied, "desired-state/mounts.yaml", "policies: [own]", "policies: []")
    vault.write("auth/approle/role/mail", {"token_ttl": "7h"})
    full = applied.run("plan")
    narrow = applied.run("plan", "--changed-since", "main")
    assert "vault.approle_role/approle/mail" in full.out
    assert "vault.approle_role/approle/mail" not in narrow.out
    assert "note: only what changed since main was compared; 11 other declared objects were not" in narrow.out
    plan = applied.plan("--changed-since", "main")
    assert actions(plan) == {"vault.identity_group/staff": "update"}
    assert plan["summary"]["unmanaged"] == applied.plan()["summary"]["unmanaged"]


@pytest.mark.parametrize(
    ("path", "old", "new", "planned"),
    [
        (
            "templates/service.yaml.j2",
            "data/${{ name }}",
            "data/all/${{ name }}",
            {f"vault.policy/svc-{name}" for name in ("billing", "mail", "shop")},
        ),
        ("desired-state/services.yaml", "{name: mail}", "{name: mail, extra: list}", {"vault.policy/svc-mail"}),
        (
            "desired-state/environments/dev.yaml",
            "ttl: 1h",
            "ttl: 2h",
            {f"vault.approle_role/approle/{name}" for name in ("billing", "mail", "shop")},
        ),
        ("desired-state/mounts.yaml", "policies: [own]", "policies: [own, svc-mail]", {"vault.identity_group/staff"}),
        ("desired-state/services.yaml", ", {name: shop}", "", {"vault.policy/svc-shop", "vault.approle_role/approle/shop"}),
        (
            "desired-state/mounts.yaml",
            "spec: {type: approle}",
            "spec: {type: approle, default_lease_ttl: 1h}",
            {"vault.auth_method/approle"},
        ),
    ],
    ids=["template", "argument", "variable", "document", "removal", "mount"],
)
def test_a_change_is_found_wherever_it_was_made(path: str, old: str, new: str, planned: set[str], applied: Site) -> None:
    edit(applied, path, old, new)
    assert set(actions(assert_same(applied))) == planned


def test_an_overlay_changes_what_it_patches(applied: Site) -> None:
    applied.write("desired-state/overlays/dev/mail.yaml", "address: vault.approle_role/approle/mail\npatch: {token_ttl: 5m}\n")
    assert actions(assert_same(applied)) == {"vault.approle_role/approle/mail": "update"}


def test_what_holds_a_value_of_something_made_anew_is_planned_with_it(applied: Site) -> None:
    edit(applied, "desired-state/mounts.yaml", "spec: {type: userpass}", "spec: {type: userpass, local: true}")
    assert actions(assert_same(applied)) == {"vault.auth_method/people": "replace", "vault.policy/own": "update"}
    edit(applied, "desired-state/mounts.yaml", "spec: {type: approle}", "spec: {type: approle, local: true}")
    plan = assert_same(applied)
    assert actions(plan)["vault.approle_role/approle/shop"] == "create", "it is lost with its mount"


def test_what_names_something_that_goes_fails_as_in_a_full_plan(applied: Site) -> None:
    text = TEMPLATE.partition("---\n")
    applied.write("templates/service.yaml.j2", f"{text[0]}---\n{text[2].partition('---')[2].lstrip()}")
    full, narrow = applied.run("plan"), applied.run("plan", "--changed-since", "main")
    assert narrow.code == full.code == 1
    assert narrow.err == full.err


def test_guards_count_what_is_owned_and_not_what_is_looked_at(applied: Site) -> None:
    applied.write(
        "desired-state/more.yaml",
        "---\n".join(f"kind: vault.policy\nname: p{n}\nspec: {{rules: [{{path: x, capabilities: [read]}}]}}\n" for n in range(12)),
    )
    applied.commit()
    applied.apply()
    applied.remove("desired-state/more.yaml")
    narrow = assert_same(applied, "HEAD")
    assert {refusal["guard"] for refusal in narrow["refusals"]} == {"delete_share"}
    applied.git("restore", ".")
    edit(applied, "desired-state/more.yaml", "kind: vault.policy\nname: p11\n", "kind: vault.policy\nname: p12\n")
    assert assert_same(applied, "HEAD")["refusals"] == []


def test_another_server_is_another_state_and_nothing_is_left_out(applied: Site) -> None:
    edit(applied, "desired-state/environments/dev.yaml", "aws: {}", "aws: {}\nvault: {primary: {namespace: " + applied.namespace + "}}")
    assert len(assert_same(applied)["notes"]) >= 1
    assert "0 other declared objects" in applied.run("plan", "--changed-since", "main").out


def test_a_commit_that_is_not_there_or_not_valid(applied: Site) -> None:
    ran = applied.run("plan", "--changed-since", "nowhere")
    assert ran.code == 2
    assert "'nowhere' is no commit, branch or tag" in ran.err
    applied.write("desired-state/broken.yaml", "kind: vault.polcy\nname: x\n")
    applied.commit("broken")
    applied.remove("desired-state/broken.yaml")
    assert "0 other declared objects" in applied.run("plan", "--changed-since", "HEAD").out


SERVICE: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"name": st.sampled_from(["billing", "mail", "shop", "new"])}, optional={"extra": st.sampled_from(["read", "list"])}
)
EDITS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "services": st.lists(SERVICE, max_size=4, unique_by=lambda one: one["name"]),
        "ttl": st.sampled_from(["1h", "2h"]),
        "mounts": st.lists(
            st.sampled_from(
                [
                    ("people", "person"),
                    ("{type: kv-v2}", "{type: kv-v2, description: x}"),
                    ("[own]", "[]"),
                    ("kv/one", "kv/two"),
                    ("{type: approle}", "{type: approle, local: true}"),
                ]
            ),
            max_size=3,
            unique=True,
        ),
    }
)


def test_any_change_gives_the_same_plan_as_the_full_one(applied: Site) -> None:
    @settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
    @given(EDITS)
    def same(edits: dict[str, Any]) -> None:
        mounts = MOUNTS
        for old, new in edits["mounts"]:
            mounts = mounts.replace(old, new)
        services = ", ".join("{" + ", ".join(f"{key}: {value}" for key, value in one.items()) + "}" for one in edits["services"])
        applied.write("desired-state/mounts.yaml", mounts)
        applied.write("desired-state/services.yaml", f"template: service\nwith: [{services}]\n")
        applied.write("desired-state/environments/dev.yaml", ENVIRONMENT.replace("1h", edits["ttl"]))
        assert_same(applied)

    same()
