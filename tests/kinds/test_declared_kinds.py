"""Kinds without a remote system: live is what was last applied, and everything wrong with them is said offline."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.backends.vault.client import VaultClient
from reconciler.core.resource import dump
from reconciler.edge.network_spec import NetworkSpec, together
from reconciler.kinds import KINDS
from tests.cli.conftest import ENVIRONMENT, site
from tests.cli.site import Site
from tests.kinds.samples_declared import SAMPLES

__all__ = ["site"]

CASES = [pytest.param(name, sample, id=f"{name} {sample.name}") for name, samples in sorted(SAMPLES.items()) for sample in samples]


def declare(one: Site, *, changed: bool) -> None:
    documents = [
        {"kind": name, "name": sample.name, "spec": sample.changed if changed else sample.spec}
        for name, samples in SAMPLES.items()
        for sample in samples
    ]
    one.write("desired-state/declared.yaml", "\n---\n".join(map(json.dumps, documents)))


def planned(one: Site) -> set[tuple[str, str]]:
    plan = one.plan()
    assert plan["refusals"] == plan["unknown"] == []
    return {(change["address"], change["action"]) for change in plan["changes"]}


def every(action: str) -> set[tuple[str, str]]:
    return {(f"{name}/{sample.name}", action) for name, samples in SAMPLES.items() for sample in samples}


def test_every_declared_kind_has_a_sample() -> None:
    assert {name for name, kind in KINDS.items() if kind.declared} == set(SAMPLES)


def test_what_is_declared_is_applied_changed_and_taken_back(site: Site, vault: VaultClient) -> None:
    vault.write("sys/mounts/genesis", {"type": "kv-v2"})
    site.write("desired-state/environments/dev.yaml", f"{ENVIRONMENT}stores: {{vault: {{mount: genesis}}}}\n")
    declare(site, changed=False)
    site.commit()
    assert planned(site) == every("create")
    site.apply()
    assert planned(site) == set()

    declare(site, changed=True)
    site.commit()
    assert planned(site) == every("update")
    site.apply()
    assert planned(site) == set()

    assert site.run("rollback", "--yes").code == 0
    declare(site, changed=False)
    assert planned(site) == set(), "live is what it was"

    site.remove("desired-state/declared.yaml")
    assert {(change["address"], change["action"]) for change in site.plan()["changes"]} == {
        (address, "forget" if address.startswith("secret/") else action) for address, action in every("delete")
    }


@pytest.mark.parametrize(("name", "sample"), CASES)
def test_specs_survive_the_ledger(name: str, sample: Any) -> None:
    for given_spec in (sample.spec, sample.changed):
        spec = KINDS[name].spec.model_validate(given_spec)
        assert not list(KINDS[name].check(sample.name, spec))
        assert KINDS[name].spec.model_validate(json.loads(json.dumps(dump(spec)))) == spec


WEBHOOK = {"route": "/hooks/x", "scheme": "github", "secret": "webhooks/x"}
LIMIT = {"routes": ["/v1/*"], "limit": 10}

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("webhook", {"scheme": "github", "secret": "webhooks/x"}, "route"),
    ("webhook", WEBHOOK | {"algorithms": ["sha512"]}, "github has no algorithm 'sha512'"),
    ("webhook", WEBHOOK | {"algorithms": ["none"]}, "no algorithm 'none'"),
    ("webhook", WEBHOOK | {"algorithms": []}, "nothing would be checked"),
    ("webhook", WEBHOOK | {"scheme": "standard", "algorithms": ["sha1"]}, "standard has no algorithm 'sha1'"),
    ("webhook", WEBHOOK | {"scheme": "gitlab", "algorithms": ["token", "sha256"]}, "token stands alone"),
    ("webhook", WEBHOOK | {"scheme": "generic"}, "needs the header"),
    ("webhook", WEBHOOK | {"header": "X-Signature"}, "header belongs to scheme generic"),
    ("webhook", WEBHOOK | {"tolerance": "2h"}, "tolerance"),
    ("webhook", WEBHOOK | {"tolerance": "soon"}, "not a duration"),
    ("webhook", WEBHOOK | {"secret": "/webhooks/x"}, "a path in the stores"),
    ("webhook", WEBHOOK | {"secret": "_rotation/x"}, "a path in the stores"),
    ("webhook", WEBHOOK | {"secret": "webhooks/../x"}, "a path in the stores"),
    ("webhook", WEBHOOK | {"route": "webhooks/x"}, "no plain path"),
    ("webhook", WEBHOOK | {"route": "/webhooks/%2e"}, "no plain path"),
    ("webhook", WEBHOOK | {"route": "/webhooks/../x"}, "no plain path"),
    ("webhook", WEBHOOK | {"route": "/webhooks/x/"}, "no plain path"),
    ("webhook", WEBHOOK | {"route": "/health/x"}, "the server's own"),
    ("webhook", WEBHOOK | {"networks": ["192.30.252.1/22"]}, "has host bits set"),
    ("webhook", WEBHOOK | {"networks": ["github"]}, "no network"),
    ("webhook", WEBHOOK | {"user_agent": "("}, "no regular expression"),
    ("webhook", WEBHOOK | {"user_agent": "(a+)+$"}, "made slow"),
    ("webhook", WEBHOOK | {"repositories": ["genesis"]}, "OWNER/NAME"),
    ("webhook", WEBHOOK | {"scheme": "slack", "repositories": ["a/b"]}, "known to github and gitlab alone"),
    ("rate_limit", LIMIT | {"limit": 0}, "greater than or equal to 1"),
    ("rate_limit", LIMIT | {"per": "0s"}, "up to a day"),
    ("rate_limit", LIMIT | {"per": "30d"}, "up to a day"),
    ("rate_limit", LIMIT | {"limit": 2_000_000}, "less than or equal to 1000000"),
    ("rate_limit", {"routes": ["/*"], "limit": 1, "per": "1d", "burst": 1000}, "more than 30 days to refill"),
    ("rate_limit", LIMIT | {"routes": []}, "names no route"),
    ("rate_limit", LIMIT | {"routes": ["v1/*"]}, "no pattern"),
    ("rate_limit", LIMIT | {"algorithm": "gcra"}, "token_bucket"),
    ("rate_limit", LIMIT | {"key": "header:"}, "none of ip"),
    ("rate_limit", LIMIT | {"key": "user"}, "none of ip"),
    ("route", {"path": "/health"}, "access"),
    ("route", {"path": "/a//b", "access": "public"}, "no path of a route"),
    ("route", {"path": "/health", "access": "open"}, "public"),
    ("route", {"path": "/health", "access": "public", "principals": ["vault:*"]}, "nobody is asked"),
    ("route", {"path": "/x", "access": "protected", "principals": ["alice"]}, "PROOF:NAME"),
    ("route", {"path": "/x", "access": "protected", "principals": ["anonymous:*"]}, "PROOF:NAME"),
    ("network_rule", {"trusted_proxies": ["0.0.0.0/0"]}, "may say that it is anybody"),
    ("network_rule", {"trusted_proxies": ["::/0"]}, "may say that it is anybody"),
    ("network_rule", {"trusted_proxies": ["::ffff:0:0/96"]}, "may say that it is anybody"),
    ("network_rule", {"allow": ["010.0.0.1"]}, "no network"),
    ("network_rule", {"allow": ["fe80::1%eth0"]}, "zone"),
    ("network_rule", {"allow": ["10.0.0.0/8"], "deny": ["10.0.0.0/8"]}, "both allowed and denied"),
    ("network_rule", {"deny_countries": ["UK"]}, "no country of ISO 3166"),
    ("network_rule", {"deny_countries": ["DE"], "allow_countries": ["DE"]}, "both allowed and denied"),
    ("network_rule", {"hosts": ["https://example.com"]}, "no host"),
    ("network_rule", {"hosts": ["example.com:8443"]}, "no host"),
    ("network_rule", {"hosts": ["*.example.com"]}, "no host"),
    ("network_rule", {"ban": {"base": "2h", "max": "1h"}}, "base must be"),
    ("network_rule", {"ban": {"base": "0s"}}, "base must be"),
    ("network_rule", {"revoked": ["CN=old"]}, "sha256:HEX"),
]


@pytest.mark.parametrize(("name", "spec", "words"), REFUSED, ids=[f"{name} {words}: {spec}"[:90] for name, spec, words in REFUSED])
def test_what_cannot_hold_is_refused_offline(name: str, spec: dict[str, Any], words: str) -> None:
    said = ""
    try:
        said = "\n".join(KINDS[name].check("x", KINDS[name].spec.model_validate(spec)))
    except ValueError as error:
        said = str(error)
    assert words in said


def test_two_webhooks_at_one_route_and_two_classes_of_one_path_are_refused_offline(site: Site) -> None:
    documents = [
        {"kind": "webhook", "name": "one", "spec": WEBHOOK},
        {"kind": "webhook", "name": "two", "spec": WEBHOOK | {"scheme": "stripe"}},
        {"kind": "route", "name": "open", "spec": {"path": "/health", "access": "public"}},
        {"kind": "route", "name": "hook", "spec": {"path": WEBHOOK["route"], "access": "public"}},
        {"kind": "route", "name": "closed", "spec": {"path": "/health", "access": "protected"}},
    ]
    site.write("desired-state/edge.yaml", "\n---\n".join(map(json.dumps, documents)))
    ran = site.run("validate")
    assert ran.code == 1
    assert "webhook/two: route /hooks/x is webhook/one's already" in ran.err
    assert "route/hook: route /hooks/x is webhook/one's already" in ran.err
    assert "route/closed: the class of /health is route/open's already" in ran.err


NETWORKS = st.one_of(st.ip_addresses(), st.ip_addresses(v=4).map(lambda ip: f"::ffff:{ip}")).map(str)


@given(st.lists(NETWORKS), st.lists(NETWORKS))
def test_rules_together_deny_what_any_of_them_denies(one: list[str], other: list[str]) -> None:
    rules = [NetworkSpec(deny=tuple(one), private="deny"), NetworkSpec(deny=tuple(other))]
    whole = together(rules)
    assert whole == together(reversed(rules))
    assert set(whole.deny) == set(rules[0].deny) | set(rules[1].deny)
    assert whole.private == "deny"
    assert together([whole]) == whole, "one spelling each"
