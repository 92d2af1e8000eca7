"""The command line of backups, on real servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.backup.made import made, recorded, refusal
from tests.cli.site import Site
from tests.rotation.kv import write
from tests.rotation.test_commands import HOOK, declare, value

CANARY = "canary-that-must-not-show"


@pytest.fixture
def lived_in(site: Site, keys: tuple[Path, Path]) -> Site:
    """A site with an applied commit, a rotated secret, and one that was written twice by hand."""
    declare(site, HOOK)
    site.apply()
    assert site.run("rotate", "--secret-path", "webhooks/github").code == 0
    for number in (1, 2):
        write(site, "api_keys/claude", {"value": f"{CANARY}-{number}"})
    return site


def test_a_backup_holds_everything_and_says_how_far_it_was_checked(lived_in: Site, keys: tuple[Path, Path]) -> None:
    found = made(lived_in)
    assert found["decrypted"] is False
    assert found["counts"]["vault version"] == 1 + 2 + 2, "a state, two values of the hook, two of the other"
    assert found["ledger"]["serial"] > 0
    assert found["audit_entries"] > 0
    assert found["seals"] == {"primary": "shamir"}
    text = lived_in.run("backup", "verify", found["file"]).out
    assert "it was not decrypted, since no identity is at hand" in text
    for key in keys:
        checked = lived_in.run("backup", "verify", found["file"], "--identity", str(key), "-o", "json")
        assert checked.code == 0, checked.err
        assert checked.json["decrypted"] is True
    assert made(lived_in, "--identity", str(keys[0]))["decrypted"] is True


def test_no_value_is_in_the_file_the_log_or_what_is_said(lived_in: Site, keys: tuple[Path, Path], tmp_path: Path) -> None:
    said = [lived_in.run("backup", "--out", str(tmp_path / "a.backup"), "--identity", str(keys[0]))]
    said.append(lived_in.run("backup", "verify", str(tmp_path / "a.backup"), "--identity", str(keys[0]), "-o", "json"))
    assert [one.code for one in said] == [0, 0]
    files = [tmp_path / "a.backup", *(file for file in (lived_in.repo / ".reconcile").rglob("*") if file.is_file())]
    text = json.dumps([(one.out, one.err) for one in said]) + "".join(file.read_text(errors="replace") for file in files)
    assert not any(secret in text for secret in (CANARY, value(lived_in), keys[0].read_text().splitlines()[-1]))


def test_a_backup_leaves_its_trace_in_the_audit_log(lived_in: Site) -> None:
    found = made(lived_in)
    assert recorded(lived_in, "backup") == [(found["id"], "applied")]
    assert lived_in.run("audit", "verify").code == 0


def test_the_declared_identity_opens_what_it_is_declared_for(lived_in: Site, keys: tuple[Path, Path]) -> None:
    name = "desired-state/environments/dev.yaml"
    text = (lived_in.repo / name).read_text()
    lived_in.write(name, text.replace("backup: {", "backup: {identity: {from: env:BACKUP_KEY}, "))
    ran = lived_in.run("backup", "-o", "json", BACKUP_KEY=keys[1].read_text())
    assert ran.code == 0, ran.err
    assert ran.json["decrypted"] is True
    assert "it was not decrypted, since no identity is at hand" in lived_in.run("backup").out, "it is for another machine"


def test_what_is_not_a_backup_of_ours_is_refused(lived_in: Site, keys: tuple[Path, Path], tmp_path: Path) -> None:
    file = Path(made(lived_in)["file"])
    changed = tmp_path / "changed.backup"
    content = bytearray(file.read_bytes())
    content[5000] ^= 1
    changed.write_bytes(content)
    assert "payload: it is not what was signed" in refusal(lived_in.run("backup", "verify", str(changed)), 1)
    assert "there is no such file" in refusal(lived_in.run("backup", "verify", str(tmp_path / "none")), 1)
    stranger = tmp_path / "stranger.key"
    assert lived_in.run("backup", "key", str(stranger)).code == 0
    assert "it is for other recipients" in refusal(lived_in.run("backup", "verify", str(file), "--identity", str(stranger)), 1)
    (lived_in.repo / ".reconcile" / "audit.key").rename(tmp_path / "audit.key")
    assert "signature: it is signed by" in refusal(lived_in.run("backup", "verify", str(file)), 1)


def test_one_recipient_is_too_few(lived_in: Site, keys: tuple[Path, Path], tmp_path: Path) -> None:
    recipient = keys[0].read_text().splitlines()[1].split()[-1]
    assert "2 recipients at least" in refusal(lived_in.run("backup", "--recipient", recipient), 2)
    assert "is there already" in refusal(lived_in.run("backup", "key", str(keys[0])), 2)
    assert keys[0].stat().st_mode & 0o077 == 0


def test_a_drill_that_cannot_restore_a_secret_is_evidence_of_that(lived_in: Site, keys: tuple[Path, Path]) -> None:
    name = "x" * 300  # more than a file system takes
    write(lived_in, name, {"value": CANARY})
    found = made(lived_in)
    assert name in refusal(lived_in.run("restore", "--drill", found["file"], "--identity", str(keys[0])), 2)
    assert recorded(lived_in, "drill") == [(found["id"], "failed")]


def test_an_identity_that_is_typed_in_the_place_of_its_file_is_not_shown(lived_in: Site, keys: tuple[Path, Path]) -> None:
    identity = keys[0].read_text().splitlines()[-1]
    for option in ("--identity", "--recipient"):
        assert identity not in refusal(lived_in.run("backup", option, identity), 2)


def test_what_there_was_nothing_of_is_said(site: Site, keys: tuple[Path, Path]) -> None:
    name = "desired-state/environments/dev.yaml"
    files = "files: {path: .secrets, slots: [{passphrase: {from: env:PHRASE}}]}"
    site.write(name, (site.repo / name).read_text().replace("vault: {mount: kv}", files) + "ledger: {file: .reconcile/ledger}\n")
    text = site.run("backup", PHRASE="x" * 20).out
    assert "  ledger: there was none\n  audit log: there was none\n  store files: 0 versions\n" in text


def test_a_store_that_cannot_be_read_makes_no_backup(lived_in: Site, tmp_path: Path) -> None:
    name = "desired-state/environments/dev.yaml"
    lived_in.write(name, (lived_in.repo / name).read_text().replace("mount: kv", "mount: nowhere"))
    assert "nowhere" in refusal(lived_in.run("backup", "--out", str(tmp_path / "x" / "a.backup")), 1)
    assert list((tmp_path / "x").iterdir()) == []
    assert [outcome for _, outcome in recorded(lived_in, "backup")] == ["failed"]
