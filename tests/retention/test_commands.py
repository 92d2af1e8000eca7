"""`reconcile retention` on a site with a long past: what it shows, what it does, and that it can be killed anywhere."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler.audit.redaction import Masks
from reconciler.audit.scribe import About, Scribe
from reconciler.backends.aws.client import AwsClient
from reconciler.core.errors import Refused
from reconciler.ledger.s3 import S3Shelf
from reconciler.rotation.state import State, kept, sibling, write_state
from reconciler.secrets.file_slots import KDFS, PassphraseSlot
from reconciler.secrets.file_store import FileStore
from reconciler.settings import Settings
from reconciler.wiring.auditing import book_of
from reconciler.wiring.clients import ClientPool
from reconciler.wiring.retaining import opened_retention
from reconciler.wiring.stores import environment_on_disk
from tests.audit.desk import rewrite
from tests.cli.conftest import site
from tests.cli.site import Ran, Site
from tests.rotation.kv import request, write

__all__ = ["site"]

PHRASE = "canary-passphrase-5Rt6Yz0w"
YEAR = 365 * 86400
ENVIRONMENT = """\
project: genesis
vault: {primary: {}}
aws: {primary: {region: us-east-1}}
ledger: {file: .reconcile/ledger}
stores:
  files: {path: .secrets, slots: [{passphrase: {from: env:STORE_PASSPHRASE}, kdf: pbkdf2}]}
"""


def declare(site: Site, spec: str) -> None:
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT)
    site.write("desired-state/retention.yaml", f"kind: retention\nname: default\nspec: {spec}\n")
    site.commit()


def record(site: Site, years: float, *resources: str) -> None:
    """A run so many years ago, in the audit log."""
    settings = Settings(site.repo, "dev", False, "text", site.environ)
    environment = environment_on_disk(settings)
    clients = ClientPool(environment, "apply", site.environ, {}, lambda _seconds: None)
    book, moment = book_of(settings, environment, clients, writing=True), time.time() - years * YEAR
    with Scribe(book, About("ada", "machine", "", "apply", "genesis/dev"), Masks(), now=lambda: moment) as scribe:
        for one in resources:
            scribe.outcome(scribe.intent("apply.update", one), "applied")
    clients.close()


def secret(site: Site, path: str, *days_ago: int) -> None:
    """A secret whose versions were made so many days ago."""
    for days in days_ago:
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86400))
        slot = PassphraseSlot("passphrase", lambda: PHRASE, KDFS["pbkdf2"])
        FileStore("files", site.repo / ".secrets", [slot], lambda made=made: made).put(path, {"value": f"canary-{days}"})  # type: ignore[misc]  # mypy cannot infer a lambda with a default


@pytest.fixture
def old(site: Site) -> Site:
    """A site that has run for ten years."""
    site.environ["STORE_PASSPHRASE"] = PHRASE
    declare(site, "{archive: {file: ../archive}}")
    for years in (10, 9, 1):
        record(site, years, f"vault.policy/of-{years}-years-ago")
    secret(site, "db/orders", 800, 400, 30, 1)
    return site


def retention(site: Site, *arguments: str) -> Any:
    ran = site.run("retention", "-o", "json", *arguments)
    assert ran.code == 0, ran
    return ran.json


def going(found: Any) -> list[tuple[str, str, str]]:
    return [(one["sort"], one["name"] if one["sort"] != "audit_log" else "", one["version"]) for one in found["going"]]


def verified(site: Site) -> Ran:
    ran = site.run("audit", "verify")
    assert ran.code == 0, ran.out
    return ran


EXPECTED = [("audit_log", "", "entries 0 to 2"), ("audit_log", "", "entries 3 to 5"), ("secret_versions", "db/orders", "1")]


def test_it_is_shown_before_it_is_done_and_showing_changes_nothing(old: Site) -> None:
    before = sorted(file.read_bytes() for file in old.repo.rglob("*.jsonl"))
    assert going(retention(old)) == EXPECTED
    shown = old.run("retention")
    assert "2 segments, 1 version would go. Nothing was changed: --yes does it." in shown.out
    assert "goes to file:../archive/genesis/dev:" in shown.out
    assert "db/orders version 1 in files, replaced 20" in shown.out
    assert old.run("retention", "--exit-code").code == 3
    assert sorted(file.read_bytes() for file in old.repo.rglob("*.jsonl")) == before
    assert not (old.repo.parent / "archive").exists()
    assert "keeps audit log 7y, secret versions 90d, metrics 1y, backups 5y (desired-state/retention.yaml:1)" in shown.out
    (old.repo / ".reconcile/audit.key").unlink()
    retention(old)
    assert not (old.repo / ".reconcile/audit.key").exists(), "not even a key is made"


def test_what_is_due_goes_and_the_log_says_so_and_verifies(old: Site) -> None:
    found = retention(old, "--yes")
    assert [one["error"] for one in found["done"]] == [None] * 3
    assert "entries 0 to 5 are in file:../archive/genesis/dev since 20" in verified(old).out
    copies = b"".join(file.read_bytes() for file in sorted((old.repo.parent / "archive/genesis/dev").glob("*.jsonl")))
    assert b"of-10-years-ago" in copies
    assert b"of-9-years-ago" in copies
    rows = old.run("audit", "search", "-o", "json", "--action", "*").json
    told = [(row["action"], row["resource"], row["outcome"], row.get("ver_from")) for row in rows]
    assert ("secret.destroy", "db/orders", "applied", "1") in told
    assert ("audit.prune", "reconciler/genesis/dev", "", None) in told
    assert "of-1-years-ago" in old.run("audit", "export").out
    assert old.run("secret", "get", "db/orders", "--version", "1").code == 1
    assert old.run("secret", "get", "db/orders", "--version", "2").code == 0
    again = retention(old, "--yes", "--exit-code")
    assert (again["going"], again["done"]) == ([], [])
    assert "Nothing is due." in old.run("retention").out
    everything = old.run("retention").out + old.run("audit", "export").out
    assert "canary" not in everything


def test_without_a_document_the_defaults_count_and_the_log_stays_whole(old: Site) -> None:
    old.remove("desired-state/retention.yaml")
    old.commit()
    found = retention(old)
    assert going(found) == EXPECTED[2:]
    assert {one["reason"] for one in found["staying"]} == {"no archive is declared for it"}
    assert (found["document"], found["archive"]) == (None, None)
    retention(old, "--yes")
    assert "are in" not in verified(old).out


def test_a_log_of_all_machines_is_not_archived_on_one_that_is_thrown_away(old: Site) -> None:
    text = (old.repo / "desired-state/environments/dev.yaml").read_text()
    old.write("desired-state/environments/dev.yaml", f"{text}audit: {{ship: ledger}}\n")
    old.commit()
    record(old, 8, "vault.policy/shipped")
    found = retention(old, "--yes")
    assert going(found) == EXPECTED[2:]
    assert ["go with this machine" in one["reason"] for one in found["staying"]] == [True]
    assert "vault.policy/shipped" in old.run("audit", "export").out


def test_a_legal_hold_keeps_everything_and_is_named(old: Site) -> None:
    declare(old, "{archive: {file: ../archive}, legal_hold: [case-42]}")
    found = retention(old, "--yes")
    assert (found["going"], found["done"]) == ([], [])
    assert {one["reason"] for one in found["staying"]} == {"legal hold case-42"}
    assert len(found["staying"]) == 3
    assert "db/orders version 1 in files: legal hold case-42" in old.run("retention").out
    by_hand = old.run("audit", "archive", "--older-than", "7y", "--to", "../by-hand", "--yes")
    assert by_hand.code == 0, by_hand.err
    assert "0 entries of 0 segments" in by_hand.out
    assert "of-10-years-ago" in old.run("audit", "export").out


def test_segments_between_which_one_is_held_are_told_apart(old: Site) -> None:
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 10 * YEAR))
    declare(old, f"{{archive: {{file: ../archive}}, legal_hold: [{{name: x, keeps: [audit_log], until: {day}}}]}}")
    assert going(retention(old, "--yes")) == EXPECTED[1:]
    assert "entries 3 to 5 are in" in verified(old).out
    declare(old, "{archive: {file: ../archive}}")
    assert going(retention(old, "--yes")) == EXPECTED[:1]
    assert "entries 0 to 5 are in" in verified(old).out


def test_what_a_rotation_needs_stays(old: Site) -> None:
    state = State(old_version="3", previous=kept({"value": "canary-800"}, "1"))
    slot = PassphraseSlot("passphrase", lambda: PHRASE, KDFS["pbkdf2"])
    FileStore("files", old.repo / ".secrets", [slot]).put(sibling("db/orders"), write_state(state), "")
    found = retention(old)
    assert going(found) == EXPECTED[:2]
    assert [one["reason"] for one in found["staying"]] == ["its rotation needs it"]


def test_the_archive_may_be_a_bucket(old: Site, moto: str, aws: AwsClient) -> None:
    old.environ["AWS_ENDPOINT_URL"] = moto
    aws.change("s3", "create_bucket", Bucket="archive")
    declare(old, "{archive: {s3: archive/audit}}")
    retention(old, "--yes")
    assert "entries 0 to 5 are in s3:archive/audit/genesis/dev since" in verified(old).out
    assert len([key for key in S3Shelf(aws, "archive", "audit/genesis/dev").keys("") if key.endswith(".jsonl")]) == 2


def test_an_archive_that_cannot_be_reached_keeps_the_log_and_stops_nothing_else(old: Site, moto: str) -> None:
    old.environ["AWS_ENDPOINT_URL"] = moto
    declare(old, "{archive: {s3: no-such-bucket/audit}}")
    ran = old.run("retention", "--yes", "-o", "json")
    assert ran.code == 5
    assert [bool(one["error"]) for one in ran.json["done"]] == [True, True, False]
    assert "are in" not in verified(old).out
    assert "stays: " in old.run("retention", "--yes").out


@pytest.mark.parametrize("what", ["lines", "lines and hashes"])
def test_a_log_that_was_tampered_with_is_not_archived(old: Site, what: str) -> None:
    first = sorted((old.repo / ".reconcile/audit/dev/segments").glob("*.jsonl"))[0]
    rewrite(first, lambda lines: lines[:-1])
    if what == "lines and hashes":
        hashes = first.with_suffix(".leaves")
        hashes.chmod(0o600)
        hashes.write_bytes(hashes.read_bytes()[:-32])
    ran = old.run("retention", "--yes")
    assert ran.code == 5
    assert "does not verify" in ran.out
    assert first.exists()
    assert not (old.repo.parent / "archive").exists()


SIGNS = ("archive/genesis/dev/*.jsonl", "repo/.reconcile/audit/dev/open/*.note", "repo/.reconcile/audit/dev/archived/*")


def test_a_clock_that_is_ahead_of_the_server_lets_nothing_go(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.write("desired-state/environments/dev.yaml", "project: genesis\nstores: {vault: {mount: kv}}\n")
    site.commit()
    assert request(site, "POST", "sys/mounts/kv", {"type": "kv-v2"})[0] == 204
    for value in ("one", "two"):
        write(site, "db/orders", {"value": value})
    now = time.time()
    monkeypatch.setattr("reconciler.wiring.retaining.time", SimpleNamespace(time=lambda: now + YEAR))
    with opened_retention(Settings(site.repo, "dev", False, "text", site.environ), writing=True) as found:
        looked = found.look()
        assert [thing.version for thing in looked.due.going] == ["1"]
        with pytest.raises(Refused, match="clock is ahead of that of vault primary"):
            found.carry_out(looked)
    assert request(site, "GET", "kv/data/db/orders?version=1")[0] == 200


def test_killed_at_any_moment_the_next_run_finishes(old: Site, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in old.run("audit", "export").out.splitlines()]
    for attempt in range(len(SIGNS)):
        copy = tmp_path / str(attempt) / "repo"
        shutil.copytree(old.repo, copy)
        one = Site(copy, old.environ, old.namespace)
        process = one.start("retention", "--yes")
        _wait_for(copy.parent, attempt)
        process.kill()
        process.communicate()
        archived = {name: (copy.parent / "archive/genesis/dev" / name) for name in _names(one)}
        kept = {file.name for file in copy.rglob("segments/*.jsonl")}
        assert all(name in kept or file.exists() for name, file in archived.items())
        retention(one, "--yes")
        verified(one)
        assert retention(one)["going"] == []
        left = [json.loads(line)["seq"] for line in one.run("audit", "export").out.splitlines() if "of-1-years" in line]
        assert left == [entry["seq"] for entry in lines if "of-1-years" in str(entry)]


def _names(site: Site) -> list[str]:
    return [file.name.replace(".leaves", ".jsonl") for file in (site.repo / ".reconcile/audit/dev/segments").glob("*.leaves")][:2]


def _wait_for(folder: Path, attempt: int) -> None:
    """Until there is a sign of work: something is copied, recorded, dropped."""
    until = time.monotonic() + 60
    while time.monotonic() < until and not any(folder.glob(SIGNS[attempt])):
        time.sleep(0.002)  # often, to kill early in the work
