"""The audit log through the real command line, on a real server: what is recorded, and what the commands make of it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.audit.note import read_vkey
from reconciler.audit.proof import check_inclusion
from reconciler.backends.aws.client import AwsClient
from reconciler.backends.hsm import Hsm
from reconciler.backends.vault.client import VaultClient
from reconciler.ledger.s3 import S3Shelf
from tests.audit.desk import rewrite
from tests.cli.site import Ran, Site, another_second

ENVIRONMENT = "project: genesis\nvault: {primary: {}}\n"


def policies(count: int, capabilities: str = "read") -> str:
    return "---\n".join(
        f"kind: vault.policy\nname: p{number}\nspec: {{rules: [{{path: kv/data/{number}, capabilities: [{capabilities}]}}]}}\n"
        for number in range(count)
    )


def declare(site: Site, count: int = 3, capabilities: str = "read", environment: str = "") -> None:
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT + environment)
    site.write("desired-state/policies.yaml", policies(count, capabilities))
    site.commit()


def audit(site: Site, *arguments: str) -> Ran:
    return site.run("audit", *arguments)


def verdict(site: Site, *arguments: str) -> Any:
    return audit(site, "verify", "-o", "json", *arguments).json


def rows(site: Site, *arguments: str) -> list[dict[str, Any]]:
    ran = audit(site, "search", "-o", "json", *arguments)
    assert ran.code == 0, ran.err
    return [row for row in ran.json if row["type"] != "segment"]


def segments(site: Site) -> list[Path]:
    return sorted((site.repo / ".reconcile/audit/dev/segments").glob("*.jsonl"))


def test_every_change_of_a_run_is_recorded_with_its_outcome(site: Site) -> None:
    declare(site)
    run = site.apply()["run"]
    commit = site.git("rev-parse", "HEAD").strip()
    found = rows(site, "--run", run)
    assert [(row["action"], row["resource"], row["outcome"]) for row in found] == [
        ("apply", "genesis/dev", "applied"),
        *(("apply.create", f"vault.policy/p{number}", "applied") for number in range(3)),
    ]
    assert {row["commit"] for row in found} == {commit}
    assert len({row["by"] for row in found}) == 1
    assert "@" in found[0]["by"]
    assert verdict(site)["ok"]
    assert site.apply()["run"]  # nothing to do
    assert len(rows(site)) == len(found)


def test_rollbacks_failures_and_what_is_undone_are_recorded(site: Site) -> None:
    declare(site)
    site.apply()
    declare(site, capabilities="list")
    site.apply("--allow", "takeover")
    assert site.run("rollback", "--yes").code == 0
    assert {(row["resource"], row["outcome"]) for row in rows(site, "--action", "rollback.update")} == {
        (f"vault.policy/p{number}", "applied") for number in range(3)
    }
    assert [row["code"] for row in rows(site, "--action", "guard.allowed")] == ["takeover"]
    broken = "---\nkind: vault.secrets_engine\nname: nonsense\nspec: {type: no-such-engine}\n"
    site.write("desired-state/policies.yaml", policies(3, "sudo") + broken)
    site.commit()
    assert site.run("apply", "--yes", "--rollback-on-failure", "--allow", "rolled_back").code == 5
    assert [row["resource"] for row in rows(site, "--outcome", "failed")] == ["vault.secrets_engine/nonsense"]
    assert len(rows(site, "--action", "undo.*", "--outcome", "applied")) == 3
    assert [row["outcome"] for row in rows(site, "--action", "apply")][-1] == "undone"
    assert verdict(site)["unanswered"] == []


def test_where_the_log_cannot_be_written_nothing_is_changed(site: Site, vault: VaultClient) -> None:
    declare(site)
    (site.repo / ".reconcile").mkdir()
    (site.repo / ".reconcile/audit").write_text("no folder")
    ran = site.run("apply", "--yes")
    assert ran.code == 1
    assert "the audit log cannot be written, so nothing is changed" in ran.err
    assert vault.read("sys/policies/acl/p0") is None
    assert site.run("lock", "status", "-o", "json").json == {"held": False}


def test_a_killed_run_is_answered_by_looking(site: Site, vault: VaultClient) -> None:
    declare(site, 400)
    process = site.start("apply", "--yes")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and vault.read("sys/policies/acl/p20") is None:
        time.sleep(0.01)  # a look at the server in between, not a core
    process.kill()
    process.communicate()
    left = verdict(site)
    assert left["ok"]
    assert left["unanswered"]
    assert left["uncommitted"] > 20
    site.apply()
    after = verdict(site)
    assert after["ok"], after
    assert (after["unanswered"], after["uncommitted"]) == ([], 0)
    looked = [row for row in rows(site, "--limit", "10000") if row.get("code") == "looked"]
    assert {row["outcome"] for row in looked} <= {"applied", "failed", "unknown"}
    # What was looked at and found not done was done then; nothing is recorded as applied that is not there.
    applied = {row["resource"] for row in rows(site, "--action", "apply.create", "--outcome", "applied", "--limit", "10000")}
    assert applied == {f"vault.policy/p{number}" for number in range(400)}


def test_an_interrupted_run_leaves_no_intent_open(site: Site, vault: VaultClient) -> None:
    declare(site, 400)
    process = site.start("apply", "--yes")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and vault.read("sys/policies/acl/p10") is None:
        time.sleep(0.01)  # a look at the server in between, not a core
    process.terminate()
    process.communicate()
    found = verdict(site)
    assert found["ok"]
    assert found["unanswered"] == []
    assert {row["outcome"] for row in rows(site, "--limit", "10000")} >= {"applied", "skipped"}


def test_one_byte_is_found_and_both_outputs_name_the_line(site: Site) -> None:
    declare(site)
    site.apply()
    good = audit(site, "verify")
    assert good.code == 0
    assert "9 entries in 1 segment are what was recorded" in good.out
    assert "This cannot see:" in good.out
    path = segments(site)[0]
    rewrite(path, lambda lines: [*lines[:4], lines[4].replace(b"vault.policy/p", b"vault.policy/q"), *lines[5:]])
    ran = audit(site, "verify")
    assert ran.code == 1
    assert f"edited: entry 4, {path.name} line 5: it was edited" in ran.out
    assert verdict(site)["findings"] == [{"sort": "edited", "entry": 4, "where": f"{path.name} line 5", "what": "it was edited"}]
    assert "Traceback" not in ran.err


def test_secrets_lockdowns_rotations_and_broken_locks_are_recorded_and_no_value_is(site: Site, vault: VaultClient) -> None:
    vault.write("sys/mounts/kv", {"type": "kv-v2"})
    hook = "kind: secret\nname: hooks/x\nspec: {type: webhook_secret, generate: {length: 40}}\n"
    declare(site, environment="stores: {vault: {mount: kv}}\n")
    site.write("desired-state/hooks.yaml", hook)
    site.commit()
    site.apply()
    canary = "canary-7Gk2Lp9Q"
    assert site.run("secret", "put", "db/orders", f"password={canary}").code == 0
    assert site.run("secret", "put", "db/orders", f"password={canary}", "--cas", "7").code != 0
    assert site.run("secret", "delete", "db/orders", "--yes").code == 0
    assert site.run("rotate", "--secret-path", "hooks/x").code == 0
    assert site.run("lockdown", "on", "--reason", f"leak of {canary} to bob@example.com").code == 0
    assert site.run("lockdown", "off").code == 0
    found = rows(site, "--limit", "1000")
    told = [(row["action"], row["resource"], row["outcome"], row.get("store"), row.get("ver_to")) for row in found]
    assert ("secret.put", "db/orders", "applied", "vault", "1") in told
    assert ("secret.put", "db/orders", "failed", "vault", None) in told
    assert ("secret.delete", "db/orders", "applied", "vault", None) in told
    assert ("lockdown.on", "genesis/dev", "applied", None, None) in told
    assert any(action == "rotation.promote" and resource == "hooks/x" for action, resource, *_ in told)
    value = vault.read("kv/data/hooks/x")
    assert value is not None
    everything = b"".join(
        file.read_bytes() for file in (site.repo / ".reconcile").rglob("*") if file.is_file() and file.suffix != ".key"
    ).decode(errors="replace")
    assert value["data"]["value"] not in everything
    assert "bob@example.com" not in everything
    assert verdict(site)["ok"]


@pytest.mark.parametrize("ship", ["", "audit: {ship: ledger}\n"], ids=["in a folder", "shipped to a ledger that is not there yet"])
def test_what_a_bootstrap_makes_is_recorded_and_what_the_first_apply_claims_too(site: Site, vault: VaultClient, ship: str) -> None:
    login = "method: approle, role_id: env:ROLE, secret_id: env:SECRET"
    declare(site, 1, environment=f"aws: {{}}\n{ship}")
    text = (site.repo / "desired-state/environments/dev.yaml").read_text()
    site.write(
        "desired-state/environments/dev.yaml",
        text.replace("{primary: {}}", f"{{primary: {{auth: {{plan: {{{login}}}, apply: {{{login}}}}}}}}}"),
    )
    site.commit()
    vault.write("sys/policies/acl/p0", {"policy": 'path "kv/data/0" {\n  capabilities = ["read"]\n}\n'})
    ran = site.run("bootstrap", "--yes")
    assert ran.code == 0, ran.out + ran.err
    role = "auth/approle/role/reconciler-apply"
    site.environ["ROLE"] = (vault.read(f"{role}/role-id") or {})["role_id"]
    site.environ["SECRET"] = vault.write(f"{role}/secret-id", {})["secret_id"]
    told = {(row["action"], row["resource"].partition("@")[0], row["outcome"]) for row in rows(site)}
    assert ("bootstrap.create", "vault.policy/reconciler-apply", "applied") in told
    assert ("bootstrap.create", "vault.secrets_engine/reconciler", "applied") in told
    assert ("apply.adopt", "vault.policy/p0", "applied") in told
    assert verdict(site)["ok"]


def test_an_entry_is_proven_to_who_has_only_the_public_key(site: Site, tmp_path: Path) -> None:
    declare(site)
    site.apply()
    key = read_vkey(audit(site, "key").out.strip())
    out = tmp_path / "entry.json"
    assert audit(site, "prove", "4", "--out", str(out)).code == 0
    assert check_inclusion(out.read_bytes(), out.with_name("entry.json.tlog-proof").read_text(), [key]).size == 9
    assert json.loads(out.read_bytes())["type"] in ("intent", "outcome")
    assert "c2sp.org/tlog-proof@v1\nindex 4\n" in audit(site, "prove", "4").out
    missing = audit(site, "prove", "9")
    assert missing.code == 1
    assert "0 to 8" in missing.err


def test_an_anchor_in_git_shows_a_log_that_was_rolled_back(site: Site, tmp_path: Path) -> None:
    declare(site, environment="audit: {anchor: git}\n")
    site.apply()
    found = verdict(site)
    assert [one["sort"] for one in found["findings"]] == ["no anchor"]
    assert found["anchored"] == 0
    folder = site.repo / ".reconcile/audit"
    shutil.copytree(folder, tmp_path / "before")
    declare(site, capabilities="list", environment="audit: {anchor: git}\n")
    site.apply()
    ran = audit(site, "anchor")
    assert ran.code == 0, ran.err
    site.commit("anchor")
    found = verdict(site)
    assert found["ok"]
    assert 0 < found["anchored"] <= found["entries"]
    assert site.plan()["dirty"] is False
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "before", folder)
    found = verdict(site)["findings"]
    assert [(one["sort"], one["where"]) for one in found] == [("rolled back", ".audit/dev.checkpoint")]
    refused = audit(site, "anchor")
    assert refused.code == 4
    assert "rolled back or replaced" in refused.err


def test_a_pull_request_cannot_make_the_anchored_tree_smaller_or_another(site: Site, tmp_path: Path) -> None:
    declare(site)
    site.apply()
    key = audit(site, "key").out.strip()
    declare(site, environment=f"audit: {{trusted: [{{public_key: {key}}}]}}\n")
    assert audit(site, "anchor", "--check", "HEAD").out == "Nothing is anchored in HEAD.\n"
    audit(site, "anchor")
    site.commit("first anchor")
    small = {path.name: path.read_text() for path in (site.repo / ".audit").iterdir()}
    declare(site, capabilities="list", environment=f"audit: {{trusted: [{{public_key: {key}}}]}}\n")
    site.apply()
    base = site.git("rev-parse", "HEAD").strip()
    audit(site, "anchor")
    grown = audit(site, "anchor", "--check", base)
    assert (grown.code, grown.out) == (0, ".audit/dev: 9 entries are the beginning of 18\n")
    base = site.commit("second anchor")
    assert audit(site, "anchor", "--check", base).out == ".audit/dev: unchanged\n"

    def proposed(change: Callable[[Path], object]) -> Ran:
        change(site.repo / ".audit")
        ran = audit(site, "anchor", "--check", base)
        site.git("checkout", "-q", "--", ".audit")
        return ran

    def shrink(folder: Path) -> None:
        for name, text in small.items():
            (folder / name).write_text(text)

    for change, words in (
        (shrink, "became smaller"),
        (lambda folder: (folder / "dev.checkpoint").unlink(), "taken away"),
        (lambda folder: (folder / "dev.checkpoint").write_text("nonsense"), "taken away"),
        (lambda folder: (folder / "dev.growth").write_text("nonsense"), "taken away|no signed note"),
    ):
        ran = proposed(change)
        if change is not None and ran.code == 0:
            assert ran.out == ".audit/dev: unchanged\n", "a proof alone says nothing"
        else:
            assert ran.code == 4, ran
            assert any(one in ran.err for one in words.split("|")), ran.err


def test_archived_segments_are_gone_here_and_the_log_still_verifies(site: Site, tmp_path: Path) -> None:
    declare(site)
    site.apply()
    another_second()
    assert audit(site, "archive", "--older-than", "1s", "--to", str(tmp_path / "archive"), "--keep").code == 0
    assert len(segments(site)) == 1
    ran = audit(site, "archive", "--older-than", "1s", "--to", str(tmp_path / "archive"), "--yes")
    assert ran.code == 0, ran.err
    assert "9 entries of 1 segments" in ran.out
    assert [path.name for path in (tmp_path / "archive").glob("*.jsonl")]
    found = verdict(site)
    assert found["ok"], found
    assert any("archived" in note for note in found["notes"])


def test_archives_may_be_in_a_bucket(site: Site, moto: str, aws: AwsClient) -> None:
    site.environ["AWS_ENDPOINT_URL"] = moto
    aws.change("s3", "create_bucket", Bucket="archive")
    declare(site, environment="aws: {primary: {region: us-east-1}}\n")
    site.apply()
    another_second()
    ran = audit(site, "archive", "--older-than", "1s", "--to", "s3:archive/genesis", "--yes")
    assert ran.code == 0, ran.err
    assert "9 entries of 1 segments are in s3:archive/genesis" in ran.out
    assert [b"audit.prune" in path.read_bytes() for path in segments(site)] == [True], "what is left is the event about it"
    there = [key for key in S3Shelf(aws, "archive", "genesis").keys("") if key.endswith(".jsonl")]
    assert len(there) == 1
    said = audit(site, "verify")
    assert said.code == 0
    assert "entries 0 to 8 are in s3:archive/genesis since 20" in said.out
    assert audit(site, "archive", "--older-than", "1s", "--to", "s3:Archive", "--yes").code == 2


def test_a_log_that_does_not_verify_is_not_archived(site: Site, tmp_path: Path) -> None:
    declare(site)
    site.apply()
    another_second()
    path = segments(site)[0]
    rewrite(path, lambda lines: [*lines[:4], lines[4].replace(b"vault.policy/p", b"vault.policy/q"), *lines[5:]])
    ran = audit(site, "archive", "--older-than", "1s", "--to", str(tmp_path / "archive"), "--yes")
    assert ran.code == 4
    assert "entry 4" in ran.err
    assert path.exists()
    assert not (tmp_path / "archive").exists()


def test_a_person_is_forgotten_and_the_log_stays_as_it_is(site: Site) -> None:
    declare(site)
    site.apply()
    who = rows(site)[0]["by"]
    assert len(rows(site, "--by", who)) == 4
    assert audit(site, "erase", who, "--yes").code == 0
    assert rows(site, "--by", who) == []
    (pseudonym,) = {row["by"] for row in rows(site)}
    assert "@" not in pseudonym
    assert len(rows(site, "--by", pseudonym)) == 4
    assert verdict(site)["ok"]


def test_a_search_by_time_and_an_export_are_of_that_time(site: Site) -> None:
    declare(site)
    site.apply()
    assert rows(site, "--since", "1h") == rows(site)
    assert rows(site, "--until", "1h") == []
    assert audit(site, "export", "--until", "2020-01-01").out == ""
    exported = audit(site, "export", "--since", "1h").out.splitlines()
    assert [json.loads(line)["type"] for line in exported][:2] == ["segment", "intent"]
    assert audit(site, "search", "--since", "yesterday").code == 2
    assert "Nothing fits." in audit(site, "search", "--by", "nobody").out
    assert "vault.policy/p0" in audit(site, "search").out


def test_nothing_recorded_for_long_is_a_finding_when_that_is_asked(site: Site) -> None:
    assert verdict_of_empty(site)
    declare(site)
    site.apply()
    assert verdict(site, "--max-age", "1h")["ok"]
    another_second()
    assert [one["sort"] for one in verdict(site, "--max-age", "1s")["findings"]] == ["empty"]
    assert verdict(site, "--incremental")["checked"] == 0


def verdict_of_empty(site: Site) -> bool:
    declare(site)
    return [one["sort"] for one in verdict(site)["findings"]] == ["no checkpoint"]


# Shipped, with keys that are not on the machine.


def other_machine(site: Site, folder: Path) -> Site:
    shutil.copytree(site.repo, folder, ignore=shutil.ignore_patterns(".reconcile"))
    return Site(folder, site.environ, site.namespace)


@pytest.mark.parametrize("ledger", ["", "ledger: {file: ../ledger}\n"], ids=["vault", "folder"])
def test_machines_that_are_thrown_away_have_one_log_signed_by_transit(site: Site, vault: VaultClient, tmp_path: Path, ledger: str) -> None:
    vault.write("sys/mounts/transit", {"type": "transit"})
    vault.write("transit/keys/audit", {"type": "ed25519"})
    declare(site, environment=f"audit: {{ship: ledger, key: {{transit: {{key: audit}}}}}}\n{ledger}")
    site.apply()
    other = other_machine(site, tmp_path / "other")
    other.write("desired-state/policies.yaml", policies(3, "list"))
    other.commit()
    other.apply()
    for machine in (site, other, other_machine(other, tmp_path / "auditor")):
        found = verdict(machine)
        assert found["ok"], found
        assert (found["entries"], found["segments"]) == (18, 2)
    assert len(rows(site, "--action", "apply.update")) == 3
    shutil.rmtree(other.repo / ".reconcile")
    declare(other, capabilities="sudo", environment=f"audit: {{ship: ledger, key: {{transit: {{key: audit}}}}}}\n{ledger}")
    vault.write("transit/keys/audit/rotate", {})
    other.apply()
    assert verdict(site)["entries"] == 27
    assert verdict(site)["ok"]


def test_the_signing_key_may_be_in_an_hsm(site: Site, hsm: Hsm, tmp_path: Path) -> None:
    token = hsm._replace(key=f"log-{tmp_path.name}")
    token.make_signing_key()
    site.environ["HSM_PIN"] = token.pin
    key = f"{{pkcs11: {{module: {token.module}, token: {token.token}, key: {token.key}, pin: {{from: env:HSM_PIN}}}}}}"
    declare(site, environment=f"audit: {{key: {key}}}\n")
    site.apply()
    assert verdict(site)["ok"]
    assert token.public_key() == read_vkey(audit(site, "key").out.strip()).public


def test_a_key_that_somebody_put_in_the_place_of_ours_counts_for_nothing(site: Site) -> None:
    declare(site)
    site.apply()
    key = audit(site, "key").out.strip()
    declare(site, 4, environment=f"audit: {{trusted: [{{public_key: {key}}}]}}\n")
    (site.repo / ".reconcile/audit.key").unlink()
    ran = site.run("apply", "--yes")
    assert ran.code == 0, ran.err
    assert "not among those that are trusted" in ran.err
    found = verdict(site)
    assert found["entries"] == 9, "what another key signs never becomes part of the log"
    assert found["uncommitted"] > 0


def test_an_auditor_without_the_key_is_told_so(site: Site) -> None:
    declare(site)
    site.apply()
    (site.repo / ".reconcile/audit.key").unlink()
    found = verdict(site)
    assert {one["sort"] for one in found["findings"]} == {"foreign"}
    assert not (site.repo / ".reconcile/audit.key").exists(), "who only reads makes no key"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("{key: {}}", "one of {file}, {transit} and {pkcs11}"),
        ("{key: {file: a, transit: {key: b}}}", "one of {file}, {transit} and {pkcs11}"),
        ("{trusted: [{public_key: nonsense}]}", "public_key"),
        ("{trusted: [{public_key: a+00000000+AAAA}]}", "public key"),
        ("{ship: mars}", "ledger"),
        ("{pth: x}", "path"),
    ],
)
def test_settings_that_cannot_be_are_said_to_be_wrong(site: Site, given: str, words: str) -> None:
    declare(site, environment=f"audit: {given}\n")
    ran = audit(site, "verify")
    assert ran.code in (1, 2)
    assert words in ran.err
    assert "Traceback" not in ran.err
