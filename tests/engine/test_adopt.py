"""Which living objects are adopted, and how they are declared: decided without a server."""

from __future__ import annotations

from typing import Any

from reconciler.core.address import HOME, Address, Place
from reconciler.core.kind import Gap, Live, Reading
from reconciler.core.resource import server_values
from reconciler.engine.adopt import Adopted, Choice, adopt, without
from reconciler.engine.adopt_values import with_references
from reconciler.engine.inventory import Inventory
from reconciler.kinds import KINDS

ACCESSOR = "auth_userpass_1a2b3c4d"


def live(kind: str, spec: dict[str, Any], **attributes: str) -> Live[Any]:
    return Live(KINDS[kind].spec.model_validate(spec), attributes=attributes)


def inventory(*found: tuple[str, str, Live[Any]], place: Place = HOME, gaps: tuple[Gap, ...] = ()) -> Inventory:
    readings: dict[tuple[str, Place], Reading[Any]] = {}
    for kind, name, one in found:
        reading = readings.get((kind, place), Reading({}, gaps))
        readings[kind, place] = reading._replace(live={**reading.live, name: one})
    return Inventory(readings)


ANY = Choice()


def declared(found: Inventory, choice: Choice = ANY) -> Adopted:
    return with_references(adopt(KINDS, found, choice), KINDS, found.readings, choice.taken)


def rules(path: str) -> dict[str, Any]:
    return {"rules": [{"path": path, "capabilities": ["read"]}]}


def named(found: Adopted) -> list[str]:
    return [str(address) for address in found.resources]


def test_what_is_declared_owned_or_built_in_is_left_out_and_the_rest_is_in_order() -> None:
    policies = [("vault.policy", name, live("vault.policy", rules("x"))) for name in ("c", "b", "default", "a")]
    found = declared(inventory(*policies), Choice(taken=frozenset({Address("vault.policy", "b")})))
    assert named(found) == ["vault.policy/a", "vault.policy/c"]


def test_a_namespace_is_declared_once_however_it_is_named() -> None:
    below = inventory(("vault.namespace", "blue", live("vault.namespace", {})), place=Place("primary", "team-a"))
    assert named(declared(below)) == ["vault.namespace/team-a/blue"]
    for taken in (Address("vault.namespace", "team-a/blue"), Address("vault.namespace", "blue", Place("primary", "team-a"))):
        assert named(declared(below, Choice(taken=frozenset({taken})))) == []


def test_what_a_held_mount_holds_is_never_adopted() -> None:
    engine = live("vault.secrets_engine", {"type": "kv-v2"})
    found = inventory(
        ("vault.secrets_engine", "ledger", engine),
        ("vault.kv_secret", "ledger/p/dev/head", live("vault.kv_secret", {})),
        ("vault.engine_config", "ledger", live("vault.engine_config", {"max_versions": 1})),
        ("vault.auth_method", "ledger", live("vault.auth_method", {"type": "approle"})),
        ("vault.approle_role", "ledger/ci", live("vault.approle_role", {})),
        ("vault.secrets_engine", "ledgers", engine),
    )
    held = Choice(held=frozenset({Address("vault.secrets_engine", "ledger")}))
    assert named(declared(found, held)) == ["vault.approle_role/ledger/ci", "vault.auth_method/ledger", "vault.secrets_engine/ledgers"]


def test_accessors_arns_and_ids_become_references_to_what_is_declared() -> None:
    method = live("vault.auth_method", {"type": "userpass"}, accessor=ACCESSOR)
    group = live("vault.identity_group", {}, id="11112222-3333-4444-5555-666677778888")
    text = f"kv/{{{{identity.entity.aliases.{ACCESSOR}.name}}}}/{{{{identity.groups.ids.11112222-3333-4444-5555-666677778888.name}}}}/*"
    found = declared(
        inventory(
            ("vault.auth_method", "userpass", method),
            ("vault.identity_group", "staff", group),
            ("vault.policy", "mine", live("vault.policy", rules(text))),
        )
    )
    values = list(server_values(found.resources[Address("vault.policy", "mine")].spec))
    assert [str(value) for value in values] == [
        "${{ ref('vault.auth_method/userpass').accessor }}",
        "${{ ref('vault.identity_group/staff').id }}",
    ]


def test_an_accessor_of_what_stays_unmanaged_is_left_as_it_is() -> None:
    method = live("vault.auth_method", {"type": "userpass"}, accessor=ACCESSOR)
    policy = live("vault.policy", rules(f"kv/{{{{identity.entity.aliases.{ACCESSOR}.name}}}}"))
    found = inventory(("vault.auth_method", "userpass", method), ("vault.policy", "mine", policy))
    only = declared(found, Choice(kinds=frozenset({"vault.policy"})))
    assert list(server_values(only.resources[Address("vault.policy", "mine")].spec)) == []


def test_references_that_would_form_a_circle_stay_the_values_they_are() -> None:
    client = live("vault.oidc_client", {"key": "apps"}, id="c1i2e3n4t5")
    key = live("vault.oidc_key", {"allowed_client_ids": ["c1i2e3n4t5"]})
    provider = live("vault.oidc_provider", {"allowed_client_ids": ["c1i2e3n4t5"]})
    found = declared(
        inventory(("vault.oidc_client", "app", client), ("vault.oidc_key", "apps", key), ("vault.oidc_provider", "corp", provider))
    )
    assert found.resources[Address("vault.oidc_key", "apps")].spec.allowed_client_ids == ("c1i2e3n4t5",)
    assert found.resources[Address("vault.oidc_provider", "corp")].spec.allowed_client_ids == ("${{ ref('vault.oidc_client/app').id }}",)


def test_a_hard_reference_to_nothing_is_left_alone_a_soft_one_noted_and_under_strict_references_left_alone_too() -> None:
    roles = inventory(
        ("vault.database_role", "db/r", live("vault.database_role", {"db_name": "gone"})),
        ("vault.approle_role", "approle/r", live("vault.approle_role", {"token_policies": ["gone"]})),
        ("vault.secrets_engine", "db", live("vault.secrets_engine", {"type": "database"})),
        ("vault.auth_method", "approle", live("vault.auth_method", {"type": "approle"})),
        ("vault.policy", "there", live("vault.policy", rules("x"))),
        ("vault.database_connection", "db/there", live("vault.database_connection", {"plugin_name": "p"})),
    )
    lax, strict = declared(roles), declared(roles, Choice(strict=True))
    assert [str(one.address) for one in lax.left] == ["vault.database_role/db/r"]
    assert "token_policies names vault.policy/gone, which is not there" in lax.notes[0]
    assert [str(one.address) for one in strict.left] == ["vault.approle_role/approle/r", "vault.database_role/db/r"]
    assert not strict.complete


def test_what_may_not_be_listed_is_taken_to_be_there() -> None:
    role = live("vault.approle_role", {"token_policies": ["unseen"]})
    found = inventory(("vault.approle_role", "approle/r", role))
    hidden = Inventory({**found.readings, ("vault.policy", HOME): Reading({}, (Gap("", "sys/policies/acl", "list"),))})
    seen = declared(hidden)
    assert named(seen) == ["vault.approle_role/approle/r"]
    assert seen.notes == ()
    assert [(one.kind, one.missing) for one in seen.unknown] == [("vault.policy", "list on sys/policies/acl")]


def test_fields_that_must_not_be_written_are_ignored_or_the_object_is_left_alone() -> None:
    secret = live("vault.kv_secret", {"max_versions": 3, "custom_metadata": {"a": "b"}})
    policy = live("vault.password_policy", {"policy": 'length = 20\nrule "charset" {\n  charset = "abc"\n}'})
    found = adopt(KINDS, inventory(("vault.kv_secret", "kv/x", secret), ("vault.password_policy", "p", policy)), Choice())
    cut = without(
        found, KINDS, {Address("vault.kv_secret", "kv/x"): ("custom_metadata",), Address("vault.password_policy", "p"): ("policy",)}
    )
    (kept,) = cut.resources.values()
    assert kept.spec.custom_metadata == {}
    assert kept.lifecycle.ignore == ("custom_metadata",)
    assert [str(one.address) for one in cut.left] == ["vault.password_policy/p"]


def test_a_password_that_the_server_hides_in_a_url_is_spoken_of() -> None:
    url = {"plugin_name": "postgresql-database-plugin", "connection_url": "postgresql://u:xxxxx@h/d"}
    found = declared(inventory(("vault.database_connection", "db/c", live("vault.database_connection", url))))
    assert "hides the password in its connection_url" in found.notes[0]
