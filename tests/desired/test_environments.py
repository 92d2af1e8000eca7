"""Environments: which one, what is in it, and what a pull request may not decide."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from reconciler.core.errors import Invalid, Usage
from reconciler.core.guard import Limits
from reconciler.desired.environments import choose_environment, merge_trusted, read_environment
from reconciler.desired.load import load
from reconciler.desired.tree import Tree
from tests.desired.world import DEV, KINDS, TODAY, refused, tree

FOLDER = "desired-state/environments/"


def environments(texts: Mapping[str, str]) -> Tree:
    return Tree({f"{FOLDER}{name}.yaml": text.encode() for name, text in texts.items()})


@pytest.mark.parametrize(
    ("names", "asked", "chosen"),
    [(["prod"], None, "prod"), (["dev", "prod"], None, "dev"), (["dev", "prod"], "prod", "prod"), (["a", "b"], "b", "b")],
)
def test_the_named_environment_else_the_only_one_else_dev(names: list[str], asked: str | None, chosen: str) -> None:
    found = environments(dict.fromkeys(names, "project: p"))
    assert choose_environment(found, asked) == chosen
    assert read_environment(found, asked).name == chosen


@pytest.mark.parametrize(
    ("names", "asked", "message"),
    [
        ([], None, "the repository declares no environment (write desired-state/environments/dev.yaml with `project: NAME`)"),
        ([], "dev", "the repository declares no environment"),
        (["a", "b"], None, "which environment? (--env a or --env b)"),
        (["staging", "prod"], "prdo", "there is no environment 'prdo' (did you mean `prod`?)"),
    ],
)
def test_which_environments_there_are_is_said(names: list[str], asked: str | None, message: str) -> None:
    with pytest.raises(Usage) as caught:
        choose_environment(environments(dict.fromkeys(names, "project: p")), asked)
    assert message in str(caught.value)


def test_what_is_left_out_has_its_default() -> None:
    found = read_environment(environments({"dev": "project: demo\nvault:\n  primary:\n"}))
    assert found.vault["primary"].auth.plan.method == "token"
    assert (found.ledger.vault, found.ledger.mount, found.guards.limits) == ("primary", "reconciler", Limits())
    assert found.instances() == {("vault", "primary"), ("aws", "primary")}


def test_all_of_an_environment_is_read() -> None:
    found = read_environment(
        environments(
            {
                "prod": """
project: genesis
vault:
  primary: {}
  eu:
    address: https://vault.eu:8200
    namespace: genesis
    auth:
      plan:  {method: jwt, mount: jwt, role: reconciler-plan, audience: vault, jwt: github}
      apply: {method: jwt, mount: jwt, role: reconciler-apply, audience: vault, jwt: github}
aws:
  primary: {region: us-east-1, role_arn: arn:aws:iam::123456789012:role/reconciler}
ledger: {s3: bucket/prefix}
variables: {team: genesis, sizes: [1, 2]}
guards: {delete_share: 0.2, max_deletes: 20, strict_references: true}
secret_env: [STRIPE_KEY]
secret_files: /run/secrets
forge: {type: github, api: https://api.github.com, token: {from: env:FORGE_TOKEN}}
audit: {path: .reconcile/audit, key: {file: .reconcile/audit.key}, ship: ledger, anchor: git}
"""
            }
        )
    )
    assert found.vault["eu"].auth.apply.role == "reconciler-apply"
    assert found.guards.limits == Limits(0.2, max_deletes=20)
    assert found.forge is not None
    assert found.forge.token is not None
    assert found.forge.token.source == "env:FORGE_TOKEN"
    assert (found.ledger.s3, found.variables["sizes"], found.secret_files) == ("bucket/prefix", [1, 2], "/run/secrets")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "dev.yaml: is empty (an environment is one map with at least `project: NAME`)"),
        ("project: a\n---\nproject: b", "dev.yaml: holds 2 documents"),
        ("vault: {}", "dev.yaml:1: `project` is missing"),
        ("project: p\nvaults: {}", "dev.yaml:2: unknown field `vaults` (did you mean `vault`?)"),
        ("project: p\nname: x", "dev.yaml:2: unknown field `name` (the file's name names the environment"),
        ("project: p\nvault:\n  eu:\n    adress: x", "dev.yaml:4: unknown field `adress` in `vault.eu`"),
        ("project: p\nvault:\n  eu: {address: vault.eu}", "dev.yaml:3: `vault.eu.address`"),
        ("project: p\nvault:\n  eu: {address: 'https://u:p@vault.eu'}", "dev.yaml:3: `vault.eu.address`"),
        ("project: p\nvault:\n  eu:\n    auth:\n      plan: {method: jwt}", "dev.yaml:5: `vault.eu.auth.plan`: login by jwt needs a role"),
        ("project: p\nvault:\n  eu:\n    auth:\n      plan: {method: jtw}", "must be 'token', 'approle', 'jwt', 'cert' or 'kubernetes' (did you mean `jwt`?)"),
        ("project: p\nledger: {vault: primary, s3: b}", "dev.yaml:2: `ledger`: takes one of {vault, mount}, {s3} and {file}"),
        ("project: p\nguards: {delete_share: 30}", "dev.yaml:2: `guards.delete_share` must be less than or equal to 1"),
        ("project: p\nvariables: {ref: x}", "dev.yaml:2: `variables`: `ref` cannot be the name of a variable"),
        ("project: p\nvariables: {a-b: x}", "`a-b` cannot be the name of a variable"),
        ("project: p\nsecret_env: [VAULT_TOKEN]", "dev.yaml:2: `secret_env`: VAULT_TOKEN is never readable from desired state"),
        ("project: p\nforge: {type: github, token: {from: env:GITHUB_TOKEN}}", "GITHUB_TOKEN is never readable"),
        ("project: p\nforge: {type: github, token: abc}", 'must be a reference such as {from: "vault:'),
    ],
)  # fmt: skip
def test_what_is_wrong_in_an_environment_is_said_with_its_line(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_environment(environments({"dev": text}))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{FOLDER}dev.yaml")


def test_an_environment_needs_a_name_that_is_one() -> None:
    with pytest.raises(Invalid, match="`a b` is no name for an environment"):
        read_environment(environments({"a b": "project: p"}))


TRUSTED = (
    "project: demo\nvault: {primary: {address: 'https://right:8200'}}\nvariables: {team: old}\nsecret_env: [A]\nguards: {max_deletes: 5}"
)
CHANGED = (
    "project: other\nvault: {primary: {address: 'https://evil:8200'}}\nvariables: {team: new}\nsecret_env: [A, B]\nguards: {max_deletes: 500}\n"
    "ledger: {file: x}\nsecret_files: /\nforge: {type: github, api: 'https://evil'}\nstores: {vault: {mount: evil}}\n"
    "compliance: {thresholds: {audit_log: 1d}}"
)


def test_a_pull_request_decides_variables_and_nothing_else() -> None:
    trusted, changed = read_environment(environments({"dev": TRUSTED})), read_environment(environments({"dev": CHANGED}))
    merged = merge_trusted(changed, trusted)
    assert merged == trusted.model_copy(update={"variables": {"team": "new"}})


def test_loading_takes_the_trusted_parts_from_the_trusted_tree() -> None:
    role = "kind: t.role\nname: m/r\nspec: {metadata: {team: '${{ team }}'}}"
    found = load(tree(role, dev=CHANGED), "dev", KINDS, trusted=tree(dev=TRUSTED), today=TODAY)
    assert found.environment.vault["primary"].address == "https://right:8200"
    assert next(iter(found.resources.values())).spec.metadata == {"team": "new"}


def test_a_variable_of_the_process_that_only_the_pull_request_hands_out_is_not_read() -> None:
    role = "kind: t.role\nname: m/r\nspec: {password: {from: env:B}}"
    with pytest.raises(Invalid, match="B is not among the `secret_env` of environment dev"):
        load(tree(role, dev=CHANGED), "dev", KINDS, trusted=tree(dev=TRUSTED), today=TODAY)


def test_an_environment_that_is_not_trusted_yet_contacts_nobody() -> None:
    with pytest.raises(
        Usage, match=r"environment prod is not in the trusted commit, so nothing may be contacted for it \(merge it first\)"
    ):
        load(tree(files={f"{FOLDER}prod.yaml": "project: p"}), "prod", KINDS, trusted=tree(), today=TODAY)


def test_a_credential_in_an_environment_is_found() -> None:
    assert "environment/dev: `variables.db_password` holds a password in plain text" in refused(
        dev=f"{DEV}\n".replace("ttl: 1h", "db_password: hunter2")
    )
