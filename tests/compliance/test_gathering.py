"""Evidence of a real environment: gathered, assessed, and never more sure than what was seen."""

from __future__ import annotations

import datetime
import json
import os
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.completeness.assess import Completeness
from reconciler.completeness.match import Account
from reconciler.compliance.assess import assess
from reconciler.compliance.checks import ALL, OFFLINE
from reconciler.compliance.evidence import Part
from reconciler.compliance.result import Report, Result, Status
from reconciler.compliance.seen import Tallied
from reconciler.core.resource import Origin
from reconciler.desired import commits
from reconciler.desired.environments import read_environment
from reconciler.desired.git import Repository
from reconciler.desired.load import load
from reconciler.desired.tree import Tree
from reconciler.dev.process import ask
from reconciler.dev.servers import Server
from reconciler.devicelog.runs import Ours
from reconciler.devicelog.tally import Tally
from reconciler.kinds import KINDS
from reconciler.settings import Settings
from reconciler.wiring import completeness, compliance_reads, compliance_records
from reconciler.wiring.compliance import gather, report
from reconciler.wiring.compliance_desired import offline_report
from reconciler.wiring.compliance_reach import part
from tests.backends.vault_tls import sealed_tls_server
from tests.backup.conftest import make_keys
from tests.cli.site import Site, site_in
from tests.cli.test_two_logins import TwoLogins

if TYPE_CHECKING:
    from reconciler.wiring.compliance_reach import Reach
    from reconciler.wiring.evidence import Opened

ENVIRONMENT = """
project: genesis
stores: {vault: {mount: kv}}
compliance: {frameworks: [pci]}
"""
DESIRED = """
kind: vault.secrets_engine
name: kv
spec: {type: kv-v2}
---
kind: vault.secrets_engine
name: transit
spec: {type: transit}
---
kind: vault.transit_key
name: transit/orders
spec: {auto_rotate_period: 30d}
---
kind: vault.auth_method
name: approle
spec: {type: approle}
---
kind: vault.policy
name: readers
spec: {rules: [{path: kv/data/shared/*, capabilities: [read]}]}
---
kind: vault.approle_role
name: approle/ci
spec: {token_policies: [readers], token_ttl: 1h, token_max_ttl: 2h}
---
kind: rotation_policy
name: monthly
spec: {interval_days: 30}
---
kind: secret
name: api_keys/claude
spec: {type: api_key, owner: genesis, rotation: monthly, generate: {length: 32}}
"""


AWS = """
kind: aws.iam_policy
name: everything
spec: {document: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "*", Resource: "*"}]}}
---
kind: aws.kms_key
name: alias/orders
spec: {rotation: false}
---
kind: secret
name: api_keys/claude
spec: {type: api_key, owner: genesis, generate: {length: 32}}
"""
MORE = """
kind: secret
name: unread
spec: {type: api_key, owner: genesis, generate: {length: 32}}
---
kind: vault.policy
name: claude
spec: {rules: [{path: kv/data/api_keys/claude, capabilities: [read]}]}
"""


def settings_of(site: Site, environment: str = "dev") -> Settings:
    return Settings(site.repo, environment, False, "text", {**os.environ, **site.environ})


def by_id(found: Report) -> dict[str, Result]:
    return {one.check: one for one in found.results}


@pytest.fixture
def site(tmp_path: Path, bao: Server, namespace: str) -> Site:
    made = site_in(tmp_path, bao, namespace, ENVIRONMENT)
    made.write("desired-state/all.yaml", DESIRED)
    made.commit("begin")
    return made


BROKEN = ("C09", "C12", "C17", "C20", "C23", "C26")
"""What is wrong with a development server on plain HTTP, and a repository of one person."""
UNSEEN = ("C05", "C19", "C24", "C29")
"""What nothing of it can show."""


def token(site: Site, policy: str) -> str:
    """A token of the site's namespace with one policy."""
    path, body = f"/v1/{site.namespace}/auth/token/create", {"policies": [policy], "no_default_policy": True}
    status, said = ask(site.environ["VAULT_ADDR"], "POST", path, token=site.environ["VAULT_TOKEN"], body=body)
    assert status == 200
    return str(said["auth"]["client_token"])


@pytest.fixture
def lived_in(site: Site) -> Site:
    """The site, applied and rotated once."""
    site.apply()
    assert site.run("rotate", "--all").code == 0
    return site


def test_all_thirty_are_assessed_on_a_living_environment(lived_in: Site) -> None:
    found = by_id(report(settings_of(lived_in)))
    assert list(found) == [check.id for check in ALL]
    assert tuple(name for name, one in found.items() if one.status is Status.FAIL) == BROKEN
    assert tuple(name for name, one in found.items() if one.status is Status.NOT_ASSESSED) == UNSEEN
    assert all(found[name].population and not found[name].findings for name in found.keys() - {*BROKEN, *UNSEEN})
    assert all(found[name].reason for name in UNSEEN)


def test_each_thing_that_went_wrong_is_told_by_the_check_that_is_for_it(lived_in: Site, vault: VaultClient) -> None:
    vault.write("kv/data/api_keys/claude", {"data": {"value": "by-hand-1234567890"}})
    for path in ("forgotten", "_hidden/x"):
        vault.write(f"kv/data/{path}", {"data": {"value": "by-hand-1234567890"}})
    vault.write("sys/policies/acl/readers", {"policy": 'path "*" { capabilities = ["read", "sudo"] }'})
    vault.write("transit/keys/other", {"exportable": True, "type": "ed25519"})
    vault.write("sys/mounts/pki", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
    vault.write("pki/root/generate/internal", {"common_name": "root.example.com", "ttl": "24h", "key_type": "rsa", "key_bits": 2048})
    lived_in.run("lock", "break", "--yes")
    found = by_id(report(settings_of(lived_in)))

    def said(check: str) -> list[str]:
        return [f"{one.address}: {one.message}" for one in found[check].findings]

    assert "secret/forgotten: is there, and nobody declared it" in said("C01")
    assert "secret/_hidden/x: is there, and nobody declared it" in said("C01"), "an underscore hides nothing but the state of rotations"
    assert "vault.policy/readers: grants sudo on *" in said("C10")
    assert any(one.startswith("secret/api_keys/claude: out of band") for one in said("C14"))
    assert any(one.startswith("vault.policy/readers: was changed past git: rules") for one in said("C21"))
    assert any(one.startswith("vault/primary/pki: the certificate of CN=root.example.com ends on") for one in said("C24"))
    assert "vault.transit_key/transit/other: may leave the server (`exportable`)" in said("C25")
    origins = {one.address: one.origin for one in found["C21"].findings}
    assert origins["vault.policy/readers"] == Origin(
        "desired-state/all.yaml", DESIRED[: DESIRED.index("kind: vault.policy\n")].count("\n") + 1
    )


def test_issuers_of_a_namespace_in_which_a_role_is_declared_are_looked_at(site: Site) -> None:
    def write(path: str, **body: object) -> None:
        status, said = ask(site.environ["VAULT_ADDR"], "POST", f"/v1/{site.namespace}/{path}", token=site.environ["VAULT_TOKEN"], body=body)
        assert status in (200, 204), said

    write("sys/namespaces/team")
    write("team/sys/mounts/pki", type="pki")
    write("team/pki/root/generate/internal", common_name="team.example.com", ttl="24h", key_type="ec", key_bits=256)
    site.write(
        "desired-state/pki.yaml", "kind: vault.pki_role\nname: pki/web\nnamespace: team\nspec: {key_type: ec, key_bits: 256, max_ttl: 1d}\n"
    )
    site.commit()
    (finding,) = by_id(report(settings_of(site)))["C24"].findings
    assert f"{finding.address}: {finding.message}".startswith("vault/primary/team/pki: the certificate of CN=team.example.com ends on")


def test_more_applied_commits_than_are_looked_at_are_told(lived_in: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (commits, compliance_records):
        monkeypatch.setattr(module, "MOST", 3)
    assert "were looked at" not in by_id(report(settings_of(lived_in)))["C20"].reason
    for _ in range(4):
        lived_in.commit()
    lived_in.apply()
    found = by_id(report(settings_of(lived_in)))["C20"]
    assert (found.reason, found.population) == ("of the commits that were applied, only the latest 3 were looked at", 3)


def test_versions_that_are_older_than_the_log_are_no_evidence_that_it_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    def tallied(account: Account, begin: str = "2027-01-15T12:00:00.000Z") -> Part[Tallied]:
        monkeypatch.setattr(completeness, "completeness_of", lambda *_: Completeness(begin, {"vault": account}))
        here = SimpleNamespace(settings=None, environment=None, clients=None, part=lambda _, read, what: part(read, what))
        return compliance_records.tallied_of(cast("Reach", here), ())

    assert tallied(Account(versions=3, matched=2, before=1)) == Part((Tallied(2, ()),))
    assert tallied(Account(versions=3, before=1, archived=1, undated=1)).unread
    assert tallied(Account(versions=3, before=3), begin="").unread == ("the audit log is empty",)
    assert tallied(Account()).unread == ()


def test_an_emergency_is_on_record_with_what_became_of_it(lived_in: Site) -> None:
    assert lived_in.run("rotate", "--secret-path", "api_keys/claude", "--emergency", "--leaked", "current").code == 0
    found = by_id(report(settings_of(lived_in)))
    assert "whether what leaked of api_keys/claude is refused" in found["C05"].reason
    assert found["C05"].population == 1
    assert found["C14"].status is found["C15"].status is Status.PASS


def test_a_backup_and_a_drill_are_what_the_check_of_backups_looks_for(lived_in: Site, tmp_path: Path) -> None:
    identity, _ = make_keys(lived_in, tmp_path)
    file = tmp_path / "one.backup"
    assert lived_in.run("backup", "--out", str(file)).code == 0
    found = by_id(report(settings_of(lived_in)))
    assert [one.message for one in found["C23"].findings] == ["no restore that was tried is on record"]
    assert lived_in.run("restore", "--drill", str(file), "--identity", str(identity)).code == 0
    assert by_id(report(settings_of(lived_in)))["C23"].status is Status.PASS


def test_who_reads_a_secret_is_told_by_the_servers_own_audit_log_without_ourselves(tmp_path: Path, bao_raft: Server) -> None:
    namespace = f"test-{uuid.uuid4().hex[:12]}"
    assert ask(bao_raft.address, "POST", f"/v1/sys/namespaces/{namespace}", token=bao_raft.token, body={})[0] == 200
    site = site_in(tmp_path, bao_raft, namespace, ENVIRONMENT)
    site.write("desired-state/all.yaml", DESIRED)
    site.write("desired-state/more.yaml", MORE)
    site.commit()
    site.apply()
    reader = token(site, "claude")
    assert ask(bao_raft.address, "GET", f"/v1/{namespace}/kv/data/api_keys/claude", token=reader)[0] == 200
    device = bao_raft.log.parent / "audit.log"
    (reads,) = gather(settings_of(site), [str(device)]).reads.found
    assert (reads.store, set(reads.last)) == ("vault", {"api_keys/claude"})
    found = by_id(report(settings_of(site), [str(device)]))
    assert found["C29"].reason.startswith("the server's audit log was read from")
    assert "has 1 of 2 audit devices" in found["C12"].findings[0].message
    assert by_id(report(settings_of(site), ["/nowhere/*"]))["C29"].reason.startswith("/nowhere/*: there is no such file")


def test_reads_of_which_nobody_knows_whether_they_were_ours_prove_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Tally(ours=Ours(unknown="the audit log cannot be read"))
    monkeypatch.setattr(compliance_reads, "tally_for", lambda *_: tally)
    environment = read_environment(Tree({"desired-state/environments/dev.yaml": ENVIRONMENT.encode()}), "dev")
    device = tmp_path / "audit.log"
    request = {"path": "kv/data/api_keys/claude", "operation": "read", "client_token": "t"}
    device.write_text(json.dumps({"type": "response", "time": "2027-01-15T12:00:00Z", "request": request, "auth": {"display_name": "d"}}))
    found = compliance_reads.reads_of(cast("Reach", SimpleNamespace(environment=environment)), cast("Opened", None), [str(device)])
    assert [set(one.last) for one in found.found] == [{"api_keys/claude"}]
    assert found.unread == ("which reads were our own is not known: the audit log cannot be read",)


def test_an_alert_that_somebody_saw_arrive_is_evidence_and_one_that_did_not_is_a_finding(lived_in: Site) -> None:
    assert lived_in.run("audit", "alert", "pager").code == 0
    assert by_id(report(settings_of(lived_in)))["C19"].status is Status.PASS
    assert lived_in.run("audit", "alert", "pager", "--missing").code == 0
    (finding,) = by_id(report(settings_of(lived_in)))["C19"].findings
    assert finding.address == "alert/pager"


def test_one_byte_that_was_changed_in_the_log_is_told(lived_in: Site) -> None:
    segments = (lived_in.repo / ".reconcile/audit/dev/segments").glob("*.jsonl")
    segment = next(one for one in segments if b"rotation." in one.read_bytes())
    raw = bytearray(segment.read_bytes())
    raw[raw.index(b"rotation.") + 3] ^= 1
    segment.write_bytes(raw)
    found = by_id(report(settings_of(lived_in)))
    assert found["C13"].status is Status.FAIL
    assert "audit/dev" in {one.address for one in found["C13"].findings}


def test_an_exception_in_git_lifts_a_finding_until_its_day(lived_in: Site) -> None:
    document = 'kind: exception\nname: {name}\nspec: {{check: {check}, address: "{address}", reason: lab, approver: ops@example.com, expires: {day}}}\n'
    today = datetime.datetime.now(datetime.UTC).date()
    lifts = [("one-device", "C12", "vault/*", today), ("folder", "C17", "audit/dev", today - datetime.timedelta(days=1))]
    lived_in.write("desired-state/lifts.yaml", "---\n".join(document.format(name=a, check=b, address=c, day=d) for a, b, c, d in lifts))
    lived_in.commit()
    made = report(settings_of(lived_in))
    found = by_id(made)
    assert found["C12"].status is Status.PASS
    assert [(one.check, one.excepted and one.excepted.name) for one in made.excepted] == [("C12", "one-device")]
    assert found["C17"].status is Status.FAIL
    assert "exception folder expired" in found["C17"].findings[0].message


def test_what_lives_in_aws_is_looked_at_too(tmp_path: Path, bao: Server, namespace: str, moto: str) -> None:
    site = site_in(
        tmp_path,
        bao,
        namespace,
        f"project: genesis\naws: {{primary: {{region: us-east-1, endpoint: '{moto}'}}}}\nstores: {{aws: {{prefix: genesis/}}}}\n",
    )
    site.write("desired-state/aws.yaml", AWS)
    site.commit()
    site.apply()
    found = by_id(report(settings_of(site)))
    said = {f"{one.address}: {one.message}" for result in found.values() for one in result.findings}
    assert f"aws/primary: is reached without TLS, at {moto}" in said
    assert "aws.iam_policy/everything: allows every action on every resource" in said
    assert "aws.kms_key/alias/orders: is never rotated" in said


def test_the_certificate_that_a_server_shows_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "bao").mkdir()
    with sealed_tls_server(tmp_path / "bao") as server:
        server.ask("POST", "sys/unseal", {"key": server.unseal_key})
        site = site_in(tmp_path, Server(server.address, server.token, server.process, tmp_path), "", "project: genesis\n")
        site.commit()
        site.environ["VAULT_CACERT"] = str(server.ca)
        found = by_id(report(settings_of(site)))
        assert found["C09"].status is Status.PASS
        (finding,) = found["C24"].findings
        assert finding.address == "vault/primary"
        assert finding.message.startswith("the certificate of CN=vault.test ends on")
        site.environ["VAULT_SKIP_VERIFY"] = "1"
        (finding,) = by_id(report(settings_of(site)))["C09"].findings
        assert finding.message == "its certificate is not checked"


def test_nothing_passes_on_servers_that_were_never_reached(site: Site) -> None:
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT + "vault: {primary: {address: 'https://127.0.0.1:9'}}\n")
    site.commit()
    found = by_id(report(settings_of(site)))
    offline = {"C03", "C06", "C08", "C09", "C16", "C22"}
    assert {name for name, one in found.items() if one.status is Status.PASS} <= offline
    assert all("127.0.0.1" in found[name].reason for name in ("C10", "C12", "C18", "C21", "C26"))


def test_an_environment_that_was_never_applied_is_reported_on_and_not_praised(site: Site) -> None:
    found = by_id(report(settings_of(site)))
    assert found["C21"].status is found["C07"].status is found["C15"].status is Status.NOT_ASSESSED
    assert "nothing was applied yet" in found["C21"].reason


def test_no_value_of_a_secret_is_in_evidence_or_report(lived_in: Site, vault: VaultClient) -> None:
    value = (vault.read("kv/data/api_keys/claude") or {})["data"]["value"]
    evidence = gather(settings_of(lived_in))
    assert value not in repr(evidence)
    assert value not in repr(assess(evidence))


def test_a_login_that_may_read_little_makes_no_check_pass_for_want_of_findings(lived_in: Site, vault: VaultClient) -> None:
    vault.write("sys/policies/acl/nothing", {"policy": 'path "sys/internal/*" { capabilities = ["read"] }'})
    poor = token(lived_in, "nothing")
    found = by_id(report(settings_of(Site(lived_in.repo, {**lived_in.environ, "VAULT_TOKEN": poor}, lived_in.namespace))))
    needed = ("C01", "C02", "C04", "C10", "C11", "C12", "C14", "C21", "C25", "C28")
    assert {name: found[name].status for name in needed} == dict.fromkeys(needed, Status.NOT_ASSESSED)


def test_the_login_that_plans_sees_enough_for_most_and_says_what_it_lacks(site: Site, vault: VaultClient) -> None:
    logins = "vault: {primary: {auth: {plan: {method: approle}, apply: {method: approle}}}}\n"
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT + logins)
    site.commit()
    assert site.run("bootstrap", "--yes").code == 0
    two = TwoLogins(site, vault)
    assert site.run("rotate", "--all", **two.environ("apply")).code == 0
    found = by_id(report(settings_of(Site(site.repo, {**site.environ, **two.environ("plan")}, site.namespace))))
    passed = {name for name, one in found.items() if one.status is Status.PASS}
    assert passed >= {"C01", "C02", "C04", "C07", "C13", "C14", "C15", "C18", "C21", "C25", "C27", "C28", "C30"}
    assert "lacks list on identity/group/name" in found["C11"].reason
    assert "sys/audit" in found["C12"].reason


def test_thresholds_that_a_framework_caps_are_refused_at_their_line(site: Site) -> None:
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT.replace("[pci]}", "[pci], thresholds: {audit_log: 30d}}"))
    ran = site.run("validate")
    assert ran.code == 1
    assert "pci 10.5.1 allows no less than 365d" in ran.err


def test_offline_checks_find_in_the_work_tree_what_stands_there(site: Site) -> None:
    site.write("desired-state/more.yaml", "kind: secret\nname: loose\nspec: {type: api_key, generate: {length: 16}}\n")
    tree = Repository(site.repo).read_work_tree()
    found = by_id(offline_report(tree, load(tree, "dev", KINDS)))
    assert {name for name, one in found.items() if one.status is Status.FAIL} == {"C03", "C06"}
    assert {str(one.origin) for one in found["C03"].findings} == {"desired-state/more.yaml:1"}
    assert found.keys() == {check.id for check in OFFLINE}
