"""What policies allow, held to the server's own word: `sys/capabilities`."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from reconciler.access.hcl import PolicyError
from reconciler.access.identity import Alias, Group, Identity, filled
from reconciler.access.policy_text import read_policy
from reconciler.access.rules import Rules, render
from reconciler.access.vault_acl import NOTHING, ROOT_POLICY, Policy, capabilities, compiled
from reconciler.backends.vault.client import VaultClient
from reconciler.core.errors import Denied
from tests.access.generate import a_path, a_policy

SETS = 140
PATHS = 200
IDENTITIES = 8


def said_by_server(client: VaultClient, token: str, paths: Sequence[str]) -> dict[str, frozenset[str]]:
    answer = client.ask("sys/capabilities", {"token": token, "paths": list(paths)})
    # One path alone is answered under this name.
    return {path: frozenset(answer[path]) for path in paths}


def asked(dice: random.Random, policies: Iterable[Rules], count: int) -> list[str]:
    patterns = [rule["path"] for rules in policies for rule in rules]
    paths = {a_path(dice, patterns) for _ in range(count * 2)}
    return sorted(path for path in paths if path.strip("/"))[:count]


def token_with(client: VaultClient, names: Sequence[str]) -> str:
    made = client.write("auth/token/create", {"policies": list(names), "no_default_policy": True})
    token: str = made["auth"]["client_token"]
    return token


def differing(policies: Sequence[Policy], said: Mapping[str, frozenset[str]], prefix: str = "") -> dict[str, Any]:
    found = {path: (capabilities(policies, prefix + path), wanted) for path, wanted in said.items()}
    return {path: pair for path, pair in found.items() if pair[0] != pair[1]}


def test_capabilities_are_those_that_the_server_says(vault: VaultClient, namespace: str) -> None:
    pairs = 0
    for seed in range(SETS):
        dice = random.Random(seed)
        patterns: list[str] = []
        written: dict[str, Rules] = {}
        for number in range(dice.randint(1, 4)):
            rules = a_policy(dice, patterns)
            patterns += [rule["path"] for rule in rules]
            written[f"set{seed}-{number}"] = rules
            vault.write(f"sys/policies/acl/set{seed}-{number}", {"policy": render(rules)})
        token = token_with(vault, sorted(written))
        paths = asked(dice, written.values(), PATHS)
        found = differing([compiled(rules, namespace) for rules in written.values()], said_by_server(vault, token, paths), f"{namespace}/")
        assert not found, (seed, written)
        pairs += len(paths)
    assert pairs >= 20_000


def test_policies_count_below_their_own_namespace(vault: VaultClient, namespace: str) -> None:
    vault.write("sys/namespaces/team", {})
    vault.at("team").write("sys/namespaces/a", {})
    team, below = vault.at("team"), vault.at("team/a")
    for seed in range(12):
        dice = random.Random(f"namespace {seed}")
        rules = a_policy(dice)
        team.write(f"sys/policies/acl/set{seed}", {"policy": render(rules)})
        token = token_with(team, [f"set{seed}"])
        policy = compiled(rules, f"{namespace}/team")
        paths = asked(dice, [rules], 100)
        assert not differing([policy], said_by_server(team, token, paths), f"{namespace}/team/"), rules
        assert not differing([policy], said_by_server(vault, token, [f"team/{path}" for path in paths]), f"{namespace}/"), rules
        assert not differing([policy], said_by_server(below, token, paths), f"{namespace}/team/a/"), rules
        assert not differing([policy], said_by_server(vault, token, paths), f"{namespace}/"), rules


DIRECTIVES = (
    "identity.entity.id",
    " identity.entity.name ",
    "identity.entity.metadata.team",
    "identity.entity.metadata.missing",
    "identity.entity.metadata",
    "identity.groups.names.ops.metadata.floor",
    "identity.groups.names.ops.id",
    "identity.groups.names.parents.name",
    "identity.groups.names.strangers.name",
    "identity.groups.ids.ID.name",
    "identity.entity.aliases.ACCESSOR.name",
    "identity.entity.aliases.ACCESSOR.custom_metadata.site",
    "identity.entity.aliases.elsewhere.name",
    "identity.nobody",
    "nonsense",
)


def made_identity(client: VaultClient, number: int, team: str) -> tuple[Identity, str]:
    """An entity in a group in a group, with a login of its own; and a token of it."""
    metadata = {"team": team}
    entity = client.write("identity/entity", {"name": f"person {number}", "metadata": metadata, "policies": [f"person{number}"]})
    group = client.write(
        "identity/group", {"name": "ops", "metadata": {"floor": "3"}, "member_entity_ids": [entity["id"]], "policies": ["ops"]}
    )
    parents = client.write("identity/group", {"name": "parents", "member_group_ids": [group["id"]]})
    mounts = client.auth_mounts() or {}
    accessor = str(mounts["userpass"]["accessor"])
    client.write(f"auth/userpass/users/u{number}", {"password": "not a secret", "token_no_default_policy": True})
    alias = client.write(
        "identity/entity-alias",
        {"name": f"u{number}", "canonical_id": entity["id"], "mount_accessor": accessor, "custom_metadata": {"site": "north"}},
    )
    token = client.write(f"auth/userpass/login/u{number}", {"password": "not a secret"})["auth"]["client_token"]
    groups = (Group("ops", {"floor": "3"}, group["id"]), Group("parents", {}, parents["id"]))
    aliases = (Alias(accessor, f"u{number}", {"site": "north"}, alias["id"]),)
    return Identity(f"person {number}", metadata, groups, aliases, entity["id"]), token


def templated_rules(dice: random.Random, who: Identity) -> Rules:
    rules = []
    for place in range(6):
        directive = dice.choice(DIRECTIVES).replace("ACCESSOR", (who.aliases or ())[0].accessor).replace("ID", who.groups[0].id)
        end = dice.choice(("", "/*", "*", "/+", "x"))
        rules.append(
            f'path "{dice.choice(("kv", "+"))}/{place}/{{{{{directive}}}}}{end}" {{ capabilities = ["{dice.choice(("read", "list"))}"] }}'
        )
    return read_policy("\n".join(rules))


def test_identity_templates_are_filled_in_as_the_server_does(vault: VaultClient, namespace: str) -> None:
    vault.write("sys/auth/userpass", {"type": "userpass"})
    for number in range(IDENTITIES):
        dice = random.Random(f"identity {number}")
        who, token = made_identity(vault, number, dice.choice(("blue", "")))
        rules = templated_rules(dice, who)
        vault.write(f"sys/policies/acl/person{number}", {"policy": render(rules)})
        mine = filled(rules, who)
        paths = asked(dice, [mine], 100) if mine else ["kv/0/x", "kv/1/x"]
        assert not differing([compiled(mine, namespace)], said_by_server(vault, token, paths), f"{namespace}/"), rules
        vault.delete("identity/group/name/parents")
        vault.delete("identity/group/name/ops")


@pytest.mark.parametrize("team", ["x*", "+", "a+b", "a/b", "plain"])
@pytest.mark.parametrize("allowed", [(), ("wildcards",), ("slashes",)], ids=lambda names: "+".join(names) or "nothing allowed")
def test_a_value_that_would_widen_a_path_costs_all_access_unless_allowed(vault: VaultClient, team: str, allowed: tuple[str, ...]) -> None:
    vault.write("sys/auth/userpass", {"type": "userpass"})
    who, token = made_identity(vault, 1, team)
    text = 'path "kv/{{identity.entity.metadata.team}}" { capabilities = ["read"] }\npath "other" { capabilities = ["list"] }'
    vault.write("sys/policies/acl/person1", {"policy": text, **{f"allow_{name}_in_identity_templates": True for name in allowed}})
    paths = ["kv/x", "kv/xy", "kv/+", "kv/a/b", "kv/a+b", "kv/plain", "other"]
    try:
        mine = filled(read_policy(text), who, wildcards="wildcards" in allowed, slashes="slashes" in allowed)
    except PolicyError:
        with pytest.raises(Denied):
            said_by_server(vault, token, paths)
    else:
        assert not differing([compiled(mine)], said_by_server(vault, token, paths))


def test_expired_rules_grant_nothing(vault: VaultClient) -> None:
    text = """
    path "a" { capabilities = ["read"] expiration = "2020-01-01T1:00:00Z" }
    path "a" { capabilities = ["list"] expiration = "2999-01-01T00:00:00.5+02:00" }
    path "a" { capabilities = ["update"] }
    path "b" { capabilities = ["read"] expiration = "1000000000" }
    path "c" { capabilities = ["read"] expiration = "99999999999" }
    """
    vault.write("sys/policies/acl/expiring", {"policy": text})
    said = said_by_server(vault, token_with(vault, ["expiring"]), ["a", "b", "c"])
    assert not differing([compiled(read_policy(text), now=datetime.datetime.now(datetime.UTC))], said)


def test_the_root_policy_gives_everything_and_no_policy_nothing() -> None:
    assert capabilities([ROOT_POLICY], "any/path") == {"root"}
    assert capabilities([NOTHING], "any/path") == capabilities([], "any/path") == {"deny"}


def test_what_only_the_server_knows_stays_as_it_is_written() -> None:
    rules = read_policy('path "kv/{{identity.entity.id}}/*" { capabilities = ["read"] }')
    assert filled(rules, Identity("alice")) == rules
