"""What repeats becomes a template that declares the very same; what is alike by chance stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.address import Address, Place
from reconciler.core.resource import Resource
from reconciler.desired.adopted import arrange, documents
from reconciler.desired.fold import Fold, fold
from reconciler.desired.load import load
from reconciler.desired.output import write_yaml
from reconciler.desired.tree import Tree
from reconciler.kinds import KINDS

ENVIRONMENT = {"desired-state/environments/dev.yaml": b"project: p\n"}
Documents = dict[Address, dict[str, Any]]


def document(kind: str, name: str, spec: Mapping[str, Any], namespace: str = "") -> tuple[Address, dict[str, Any]]:
    place = {"namespace": namespace} if namespace else {}
    return Address(kind, name, Place("primary", namespace)), {"kind": kind, "name": name, **place, "spec": dict(spec)}


def policy(name: str, path: str, namespace: str = "") -> tuple[Address, dict[str, Any]]:
    return document("vault.policy", name, {"rules": [{"path": path, "capabilities": ["read"]}]}, namespace)


def service(name: str, ttl: str = "1h") -> list[tuple[Address, dict[str, Any]]]:
    return [
        policy(f"svc-{name}", f"kv/data/{name}/*"),
        document("vault.approle_role", f"approle/{name}", {"token_policies": ["common", f"svc-{name}"], "token_ttl": ttl}),
        document("vault.kv_secret", f"kv/{name}/key", {}),
    ]


def declared(files: Mapping[str, str]) -> Mapping[Address, Resource[Any]]:
    return load(Tree({**ENVIRONMENT, **{path: text.encode() for path, text in files.items()}}), "dev", KINDS).resources


def says(one: Fold) -> Mapping[Address, Resource[Any]]:
    return declared({f"templates/{one.name}.yaml.j2": one.template, "desired-state/use.yaml": write_yaml([one.use])})


def plain(found: Mapping[Address, Resource[Any]]) -> dict[Address, tuple[Any, ...]]:
    return {address: (one.spec, one.lifecycle, one.labels) for address, one in found.items()}


def assert_same(folds: list[Fold], given_documents: Documents) -> None:
    whole = declared({"desired-state/all.yaml": write_yaml(given_documents.values())})
    seen: set[Address] = set()
    for one in folds:
        assert plain(says(one)) == plain({address: whole[address] for address in one.addresses})
        assert not seen & set(one.addresses)
        seen |= set(one.addresses)
        assert len(one.use["with"]) >= 3


def test_what_stands_for_each_service_is_one_template() -> None:
    found = dict([*service("billing"), *service("web-shop"), *service("mail", "2h"), policy("admin", "*")])
    (one,) = fold(found)
    assert one.name == "svc"
    assert one.use["with"] == [{"name": "billing"}, {"name": "mail", "token_ttl": "2h"}, {"name": "web-shop"}]
    assert len(one.addresses) == 9
    assert_same([one], found)


def test_what_stands_in_each_namespace_is_one_template() -> None:
    found: Documents = {}
    for team in ("red", "green", "blue"):
        found |= dict([document("vault.namespace", team, {}), policy("readers", "kv/*", team), policy("writers", f"{team}/*", team)])
    (one,) = fold(found, ["namespace-policy"])
    assert one.name == "namespace-policy-2"
    assert one.template.count("namespace: ${{ name }}") == 2
    assert_same([one], found)


def test_a_service_that_lacks_a_part_is_a_template_of_its_own_or_stays_as_it_is() -> None:
    found = dict([*service("a1"), *service("b1"), *service("c1"), *service("d1")[:2], *service("e1")[:2]])
    folds = list(fold(found))
    assert_same(folds, found)
    assert [len(one.use["with"]) for one in folds] == [5, 3]


def test_what_is_alike_by_chance_stays_as_it_is() -> None:
    alike = dict([policy("admin", "*"), policy("backup", "sys/storage/*"), policy("audit", "sys/audit"), policy("ops", "sys/*")])
    assert list(fold(alike)) == []
    assert list(fold(dict([*service("billing"), *service("mail")]))) == [], "two are no pattern"
    methods = dict(document("vault.auth_method", name, {"type": name}) for name in ("approle", "jwt", "userpass"))
    assert list(fold(methods)) == [], "a type is a word of the server's"


def test_text_that_a_template_would_read_is_left_alone() -> None:
    odd: Documents = {}
    for name in ("aa", "bb", "cc"):
        odd |= dict([document("vault.secrets_engine", name, {"type": "kv", "description": f"{{% of {name} %}} {{# x #}}"})])
    assert list(fold(odd)) == []
    vaults: Documents = {}
    for name in ("aa", "bb", "cc"):
        vaults |= dict(
            [document("vault.database_role", f"db/{name}", {"db_name": "m", "creation_statements": [f'CREATE "{{{{name}}}}" IN {name}']})]
        )
    folds = list(fold(vaults))
    assert len(folds) == 1
    assert_same(folds, vaults)


NAMES = st.from_regex(r"[a-z0-9]{1,6}([-_.][a-z0-9]{1,6}){0,2}", fullmatch=True)
TEXT = st.text(alphabet=" abc:#{}[]'\"\\%&*!|>-_.,?@`\n0", max_size=12)


@st.composite
def states(draw: st.DrawFn) -> Documents:
    """Services in a few shapes, and documents that are nobody's."""
    found: Documents = {}
    prefix = draw(NAMES)
    for name in draw(st.lists(NAMES, min_size=2, max_size=5, unique=True)):
        texts = draw(st.sampled_from(["same", f"of {name}", draw(TEXT)]))
        kind, spec = "vault.secrets_engine", {"type": "transit", "description": texts}
        made = [policy(f"{prefix}-{name}", f"{name}/{draw(st.sampled_from(['data', 'x']))}/*"), document(kind, f"t/{name}", spec)]
        found |= dict(made[: draw(st.integers(1, 2))])
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        found |= dict([policy(name, draw(st.sampled_from(["*", f"{name}/*"])))])
    # `whole` is how documents are made from what was read: without what is at its default.
    whole = declared({"desired-state/all.yaml": write_yaml(found.values())})
    return documents(KINDS, {address: whole[address] for address in sorted(whole)})


@settings(max_examples=120)
@given(states())
def test_templates_of_any_documents_declare_the_same(found: Documents) -> None:
    assert_same(list(fold(found)), found)


def test_a_long_list_goes_on_in_another_file() -> None:
    many = dict(policy(f"p{number:04}", "x/" + "y" * 2000) for number in range(700))
    files = list(arrange(dict.fromkeys(many, "vault/policy.yaml"), many))
    assert [file.path for file in files] == ["vault/policy.yaml", "vault/policy-2.yaml", "vault/policy-3.yaml"]
    assert [address for file in files for address in file.addresses] == sorted(many)
    last = files[-1]
    line = last.text.split("\n").index(f"name: {last.addresses[-1].name}") + 1
    assert last.at(line) == last.addresses[-1]
