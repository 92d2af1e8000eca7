"""An administrator's bootstrap on a real server, and what the two logins that it makes may do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.backends.vault.connection import Connection
from reconciler.backends.vault.transport import Transport
from reconciler.core.address import Address, Place
from reconciler.core.auth import Auth
from reconciler.core.change import Action, Change
from reconciler.core.errors import BackendError, Denied, Usage
from reconciler.core.kind import Names
from reconciler.core.resource import Origin, Resource, dump
from reconciler.dev.servers import Server
from reconciler.engine.bootstrap import Preparation, Setup, carry_out, prepare
from reconciler.engine.logins import CLAIM_MAPPINGS, GitHub, Instance
from reconciler.kinds import KINDS
from reconciler.ledger.kv import KvShelf
from tests.audit.desk import Desk

from ..backends.vault_jwt import ISSUER, Issuer

APPROLE = Auth(method="approle")


class Admin:
    """Hands out an administrator's clients, from the server's root."""

    def __init__(self, root: VaultClient) -> None:
        self.root = root

    def client(self, _backend: str, place: Place) -> VaultClient:
        return self.root.at(place.namespace)

    def has(self, backend: str, _instance: str) -> bool:
        return backend == "vault"


@pytest.fixture
def admin(bao: Server) -> Iterator[Admin]:
    client = connect(Transport(Connection(bao.address)), bao.token)
    yield Admin(client)
    client.close()


def setup(namespace: str, plan: Auth = APPROLE, apply: Auth = APPROLE, *declared: tuple[str, str, dict[str, Any]], **more: Any) -> Setup:
    """An environment of one instance in `namespace`."""
    resources = {}
    for kind, name, spec in declared:
        address = Address(kind, name)
        resources[address] = Resource(address, KINDS[kind].spec.model_validate(spec), Origin("x.yaml", 1))
    given = {"resources": resources, "ledger": ("primary", "reconciler"), **more}
    return Setup((Instance("primary", namespace, plan, apply),), **given)


def bootstrap(admin: Admin, wanted: Setup) -> Preparation:
    """Prepare and carry out, as an administrator would; then check that nothing is left to do."""
    found = prepare(KINDS, admin, wanted)
    home = wanted.instances[0].home
    shelf = KvShelf(admin.client("vault", home), wanted.ledger[1], "genesis/dev", lambda _: None)
    admin.root.forget_mounts()
    with tempfile.TemporaryDirectory() as folder, Desk(Path(folder) / "audit").scribe() as recorder:
        carry_out(KINDS, admin, found.steps, shelf.prepare, recorder)
    admin.root.forget_mounts()
    assert prepare(KINDS, admin, wanted).steps == ()
    return found


def log_in(admin: Admin, namespace: str, purpose: str, mount: str = "approle") -> VaultClient:
    """A client with the token that an AppRole login gives."""
    home = admin.root.at(namespace)
    role = home.read(f"auth/{mount}/role/reconciler-{purpose}/role-id")
    secret = home.write(f"auth/{mount}/role/reconciler-{purpose}/secret-id", {})
    assert role is not None
    answer = home.write(f"auth/{mount}/login", {"role_id": role["role_id"], "secret_id": secret["secret_id"]})
    return connect(admin.root.transport, answer["auth"]["client_token"]).at(namespace)


DECLARED: list[tuple[str, str, dict[str, Any]]] = [
    ("vault.policy", "genesis", {"rules": [{"path": "kv/data/*", "capabilities": ["read"]}]}),
    ("vault.secrets_engine", "kv", {"type": "kv-v2"}),
    ("vault.kv_secret", "kv/db", {"max_versions": 5}),
    ("vault.auth_method", "team/approle", {"type": "approle"}),
    ("vault.approle_role", "team/approle/ci", {"token_ttl": "1h"}),
]


def test_an_empty_server_gets_all_that_an_environment_needs(admin: Admin, namespace: str) -> None:
    found = bootstrap(admin, setup(f"{namespace}/genesis/dev", APPROLE, APPROLE, *DECLARED))
    assert {step.action for step in found.steps} == {Action.CREATE}
    assert [str(step.address).replace(namespace, "NS") for step in found.steps] == [
        "vault.namespace/NS/genesis",
        "vault.namespace/NS/genesis/dev",
        "vault.auth_method/approle@primary/NS/genesis/dev",
        "vault.policy/reconciler-apply@primary/NS/genesis/dev",
        "vault.approle_role/approle/reconciler-apply@primary/NS/genesis/dev",
        "vault.policy/reconciler-plan@primary/NS/genesis/dev",
        "vault.approle_role/approle/reconciler-plan@primary/NS/genesis/dev",
        "vault.secrets_engine/reconciler@primary/NS/genesis/dev",
    ]
    assert [note.partition(" needs ")[0] for note in found.notes] == [
        "vault instance primary: the plan login",
        "vault instance primary: the apply login",
    ]


def test_comparing_writes_nothing(admin: Admin, namespace: str) -> None:
    before = admin.root.requests
    assert prepare(KINDS, admin, setup(f"{namespace}/genesis")).steps
    assert admin.root.requests > before
    assert admin.root.at(namespace).list("sys/namespaces") is None


def test_the_plan_login_reads_what_is_declared_and_no_secret(admin: Admin, namespace: str) -> None:
    wanted = setup(namespace, APPROLE, APPROLE, *DECLARED)
    bootstrap(admin, wanted)
    home = admin.root.at(namespace)
    for address, resource in wanted.resources.items():
        write(home, address, resource.spec)
    home.write("kv/data/db", {"data": {"password": "canary"}})
    home.write("reconciler/data/genesis/dev/hmac", {"data": {"v": "canary"}})
    home.write("reconciler/data/genesis/dev/head", {"data": {"v": "{}"}})
    plan = log_in(admin, namespace, "plan")
    for address in wanted.resources:
        reading = KINDS[address.kind].read(plan, Names(frozenset({address.name}), mounts=("kv", "team/approle")))
        assert not reading.gaps, address
        assert address.name in reading.live
    assert plan.read("reconciler/data/genesis/dev/head") is not None
    for secret in ("kv/data/db", "reconciler/data/genesis/dev/hmac"):
        with pytest.raises(Denied):
            plan.read(secret)
    for path in ("sys/policies/acl/genesis", "auth/team/approle/role/ci", "kv/metadata/db", "reconciler/data/genesis/dev/head"):
        with pytest.raises(Denied):
            plan.write(path, {"policy": ""})


def write(client: VaultClient, address: Address, spec: Any) -> None:
    KINDS[address.kind].write(client, Change(address, Action.CREATE, None, spec), lambda _: "value")


def test_the_apply_login_makes_what_is_declared_and_keeps_the_ledger(admin: Admin, namespace: str) -> None:
    wanted = setup(namespace, APPROLE, APPROLE, *DECLARED)
    bootstrap(admin, wanted)
    apply = log_in(admin, namespace, "apply")
    for address, resource in wanted.resources.items():
        write(apply, address, resource.spec)
        assert address.name in KINDS[address.kind].read(apply, Names(frozenset({address.name}), mounts=("kv", "team/approle"))).live
    shelf = KvShelf(apply, "reconciler", "genesis/dev", lambda _: None)
    shelf.prepare()
    shelf.put("head", b"{}", "")
    assert shelf.keys("") == ("head",)
    shelf.delete("head")
    child = apply.write("auth/token/create", {"meta": {"reconciler_commit": "4f2c1ab"}})
    assert child["auth"]["metadata"]["reconciler_commit"] == "4f2c1ab"
    with pytest.raises(Denied):  # a kind that nobody declared
        apply.write("identity/entity/name/ann", {})
    with pytest.raises(Denied):  # values are no part of any kind
        apply.read("kv/data/db")


def test_sources_of_secrets_are_readable_by_the_apply_alone(admin: Admin, namespace: str) -> None:
    password = {"from": "vault:kv/data/db#password"}
    made = {"generate": {"length": 20}, "to": "vault:kv/data/made#password"}
    wanted = setup(
        namespace,
        APPROLE,
        APPROLE,
        *DECLARED,
        ("vault.userpass_user", "users/ann", {"password": password}),
        ("vault.userpass_user", "users/ben", {"password": made}),
    )
    bootstrap(admin, wanted)
    home = admin.root.at(namespace)
    write(home, Address("vault.secrets_engine", "kv"), wanted.resources[Address("vault.secrets_engine", "kv")].spec)
    home.write("kv/data/db", {"data": {"password": "canary"}})
    home.write("kv/data/other", {"data": {"password": "canary"}})
    plan, apply = log_in(admin, namespace, "plan"), log_in(admin, namespace, "apply")
    assert apply.read("kv/data/db") is not None
    assert apply.write("kv/data/made", {"options": {"cas": 0}, "data": {"password": "x"}})["version"] == 1
    assert plan.read("kv/metadata/db") is not None
    for client, path in ((plan, "kv/data/db"), (plan, "kv/data/made"), (apply, "kv/data/other")):
        with pytest.raises(Denied):
            client.read(path)
    with pytest.raises(Denied):
        apply.write("kv/data/db", {"data": {}})


def test_secrets_of_kv_version_1_are_denied_at_any_path(admin: Admin, namespace: str) -> None:
    home = admin.root.at(namespace)
    home.write("sys/mounts/old", {"type": "kv"})
    home.write("old/roles/a", {"password": "canary"})
    bootstrap(admin, setup(namespace, APPROLE, APPROLE, ("vault.pki_role", "pki/web", {"allow_any_name": True})))
    plan = log_in(admin, namespace, "plan")
    with pytest.raises(Denied):
        plan.read("old/roles/a")


def test_what_is_there_is_extended_and_never_reset(admin: Admin, namespace: str) -> None:
    home = admin.root.at(namespace)
    home.write("sys/auth/approle", {"type": "approle", "description": "ours since 2020"})
    home.write("auth/approle/role/reconciler-plan", {"token_policies": ["theirs"], "secret_id_bound_cidrs": ["10.0.0.0/8"]})
    home.write("sys/mounts/reconciler", {"type": "kv", "options": {"version": "2"}, "description": "kept"})
    found = bootstrap(admin, setup(namespace))
    assert {(step.address.kind, step.action) for step in found.steps} == {
        ("vault.policy", Action.CREATE),
        ("vault.approle_role", Action.CREATE),
        ("vault.approle_role", Action.UPDATE),
    }
    role = home.read("auth/approle/role/reconciler-plan") or {}
    assert role["token_policies"] == ["reconciler-plan", "theirs"]
    assert role["secret_id_bound_cidrs"] == ["10.0.0.0/8"]
    assert (home.auth_mounts() or {})["approle"]["description"] == "ours since 2020"


def test_what_the_commit_declares_is_made_as_it_says_and_left_to_the_apply(admin: Admin, namespace: str) -> None:
    """Otherwise the first apply would have to take over what bootstrap had just made."""
    described = {"type": "approle", "description": "machines"}
    mine = {"rules": [{"path": "genesis/*", "capabilities": ["read"]}]}
    wanted = setup(namespace, APPROLE, APPROLE, ("vault.auth_method", "approle", described), ("vault.policy", "reconciler-plan", mine))
    bootstrap(admin, wanted)
    home = admin.root.at(namespace)
    assert (home.auth_mounts() or {})["approle"]["description"] == "machines"
    assert "genesis/*" in (home.read("sys/policies/acl/reconciler-plan") or {})["policy"]
    home.write("sys/auth/approle/tune", {"description": "changed by hand"})
    admin.root.forget_mounts()
    assert prepare(KINDS, admin, wanted).steps == ()


def test_a_kind_that_is_declared_later_changes_only_the_policies(admin: Admin, namespace: str) -> None:
    bootstrap(admin, setup(namespace))
    found = bootstrap(admin, setup(namespace, APPROLE, APPROLE, ("vault.transit_key", "transit/orders", {})))
    assert [(step.address.name, step.action) for step in found.steps] == [
        ("reconciler-apply", Action.UPDATE),
        ("reconciler-plan", Action.UPDATE),
    ]


def test_logins_may_live_in_a_namespace_around_the_instances_own(admin: Admin, namespace: str) -> None:
    around = Auth(method="approle", namespace=namespace)
    bootstrap(admin, setup(f"{namespace}/dev", around, around, *DECLARED))
    inside = log_in(admin, namespace, "apply").at(f"{namespace}/dev")
    write(inside, Address("vault.policy", "genesis"), KINDS["vault.policy"].spec.model_validate(DECLARED[0][2]))
    with pytest.raises(Denied):
        inside.at(namespace).write("sys/policies/acl/genesis", {"policy": "# none"})


def test_objects_in_namespaces_below_are_reached_there_alone(admin: Admin, namespace: str) -> None:
    place = Place("primary", "team")
    address = Address("vault.policy", "genesis", place)
    spec = KINDS["vault.policy"].spec.model_validate(DECLARED[0][2])
    resources = {address: Resource(address, spec, Origin("x.yaml", 1))}
    admin.root.at(namespace).write("sys/namespaces/team", {})
    bootstrap(admin, setup(namespace, resources=resources))
    apply = log_in(admin, namespace, "apply")
    write(apply.at(f"{namespace}/team"), address, spec)
    with pytest.raises(Denied):
        write(apply, address, spec)
    admin.root.at(namespace).delete("sys/namespaces/team")


def test_a_login_that_cannot_reach_its_instance_is_refused(admin: Admin, namespace: str) -> None:
    beside = Auth(method="approle", namespace=f"{namespace}/other")
    with pytest.raises(Usage, match=r"the apply login is in another namespace, and .*/dev cannot be reached from .*/other"):
        prepare(KINDS, admin, setup(f"{namespace}/dev", APPROLE, beside))


def test_without_an_administrators_token_it_says_what_is_missing(admin: Admin, namespace: str) -> None:
    token = admin.root.at(namespace).write("auth/token/create", {"policies": ["default"], "no_parent": True})["auth"]["client_token"]
    powerless = Admin(connect(admin.root.transport, token))
    with pytest.raises(BackendError, match="may not"):
        prepare(KINDS, powerless, setup(namespace))


@pytest.mark.parametrize(
    "auth", [Auth(), Auth(method="cert"), Auth(method="kubernetes", role="ci"), Auth(method="jwt", role="ci", jwt="env:CI_JWT")]
)
def test_who_may_log_in_otherwise_is_for_a_person_to_say(admin: Admin, namespace: str, auth: Auth) -> None:
    found = bootstrap(admin, setup(namespace, auth, auth, github=GitHub("genesis/infra")))
    assert {step.address.name for step in found.steps} == {"reconciler-plan", "reconciler-apply", "reconciler"}
    assert [note.rpartition("; ")[2] for note in found.notes] == [
        "give it the policy reconciler-plan",
        "give it the policy reconciler-apply",
    ]


def test_a_ledger_elsewhere_needs_no_mount(admin: Admin, namespace: str) -> None:
    found = bootstrap(admin, setup(namespace, ledger=("", "")))
    assert "vault.secrets_engine" not in {step.address.kind for step in found.steps}


def test_every_vault_kind_says_which_paths_it_needs() -> None:
    assert [kind.name for kind in KINDS.values() if kind.backend == "vault" and not kind.paths] == []


def github(namespace: str, purpose: str = "") -> Auth:
    return Auth(method="jwt", role=f"reconciler-{purpose}", audience="vault", namespace=namespace)


def by_github(namespace: str, **more: Any) -> Setup:
    """Both logins by GitHub's tokens."""
    given = {"github": GitHub("genesis/infra"), **more}
    return setup(namespace, github(namespace, "plan"), github(namespace, "apply"), **given)


def trusting(admin: Admin, namespace: str) -> Issuer:
    """A JWT method that an administrator has already told whom to trust: the server would ask GitHub itself otherwise."""
    issuer = Issuer()
    home = admin.root.at(namespace)
    home.write("sys/auth/jwt", {"type": "jwt"})
    home.write("auth/jwt/config", {"jwt_validation_pubkeys": [issuer.public], "bound_issuer": ISSUER})
    return issuer


CLAIMS = {"repository": "genesis/infra", "aud": "vault", "sha": "4f2c1ab", "workflow": "apply", "actor": "ann"}
MAIN, PULL = "refs/heads/main", "refs/pull/7/merge"


def test_the_commit_rides_in_a_login_by_github(admin: Admin, namespace: str) -> None:
    issuer = trusting(admin, namespace)
    found = bootstrap(admin, by_github(namespace))
    assert found.notes == ()
    token = issuer.issue(**CLAIMS, ref=MAIN)
    answer = admin.root.at(namespace).write("auth/jwt/login", {"role": "reconciler-apply", "jwt": token})["auth"]
    assert answer["token_policies"] == ["default", "reconciler-apply"]
    expected = {"role": "reconciler-apply", "commit": "4f2c1ab", "ref": MAIN, "workflow": "apply", "actor": "ann"}
    assert answer["metadata"] == expected


@pytest.mark.parametrize(
    ("role", "claims", "let_in"),
    [
        pytest.param("apply", {"ref": MAIN}, True, id="the branch that is applied from"),
        pytest.param("apply", {"ref": PULL}, False, id="a pull request that would apply"),
        pytest.param("plan", {"ref": PULL}, True, id="a pull request that plans"),
        pytest.param("plan", {"ref": MAIN, "repository": "mallory/infra"}, False, id="another repository"),
        pytest.param("plan", {"ref": MAIN, "aud": "https://github.com/genesis"}, False, id="a token for somebody else"),
    ],
)
def test_only_the_repositorys_own_workflows_log_in(admin: Admin, namespace: str, role: str, claims: dict[str, str], let_in: bool) -> None:
    issuer = trusting(admin, namespace)
    bootstrap(admin, by_github(namespace))
    body = {"role": f"reconciler-{role}", "jwt": issuer.issue(**{**CLAIMS, **claims})}
    home = admin.root.at(namespace)
    if let_in:
        assert home.write("auth/jwt/login", body)["auth"]["client_token"]
    else:
        with pytest.raises(BackendError):
            home.write("auth/jwt/login", body)


def test_a_new_jwt_method_trusts_github(admin: Admin, namespace: str) -> None:
    made = {step.address.kind: dump(step.after) for step in prepare(KINDS, admin, by_github(namespace)).steps if step.after is not None}
    assert made["vault.auth_method"]["type"] == "jwt"
    issuer = "https://token.actions.githubusercontent.com"
    assert {made["vault.auth_config"][name] for name in ("oidc_discovery_url", "bound_issuer")} == {issuer}


def test_one_role_for_both_logins_has_both_policies_and_is_open_to_pull_requests(admin: Admin, namespace: str) -> None:
    trusting(admin, namespace)
    both = Auth(method="jwt", role="CI")
    bootstrap(admin, setup(namespace, both, both, github=GitHub("genesis/infra")))
    role = admin.root.at(namespace).read("auth/jwt/role/ci") or {}
    assert role["token_policies"] == ["reconciler-apply", "reconciler-plan"]
    assert role["bound_claims"] == {"repository": ["genesis/infra"]}
    assert role["bound_audiences"] == ["https://github.com/genesis"]


def test_a_repository_that_is_not_known_gets_no_role(admin: Admin, namespace: str) -> None:
    trusting(admin, namespace)
    found = bootstrap(admin, by_github(namespace, github=None))
    assert "vault.jwt_role" not in {step.address.kind for step in found.steps}
    assert len(found.notes) == 2


def test_a_role_that_somebody_bound_keeps_its_bounds(admin: Admin, namespace: str) -> None:
    trusting(admin, namespace)
    home = admin.root.at(namespace)
    bound = {"role_type": "jwt", "user_claim": "sub", "bound_claims": {"environment": ["prod"]}, "claim_mappings": {"job": "job"}}
    home.write("auth/jwt/role/reconciler-apply", bound)
    bootstrap(admin, by_github(namespace))
    role = home.read("auth/jwt/role/reconciler-apply") or {}
    assert (role["user_claim"], role["bound_claims"]) == ("sub", {"environment": ["prod"]})
    assert role["claim_mappings"] == {"job": "job", **CLAIM_MAPPINGS}
