"""`reconcile secret`: real stores behind the real command line, in pipes and on a terminal."""

from __future__ import annotations

import base64
import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import boto3
import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.core.errors import Usage
from reconciler.secrets import SecretClient
from tests.cli.site import RECONCILE, Ran, Site

CANARY = "canary-7fQ2xLm9-3Vb8"
CORES_ALLOWED = ("sh", "-c", 'ulimit -S -c 8; exec "$@"', "sh")  # 8 blocks are 4,096 bytes
PHRASE = "canary-passphrase-5Rt6Yz0w"
ENVIRONMENT = """\
project: genesis
vault: {{primary: {{}}}}
aws: {{primary: {{region: us-east-1}}}}
stores:
  vault: {{mount: genesis}}
  aws: {{prefix: genesis/}}
  files: {{path: .secrets, slots: [{{passphrase: {{from: env:STORE_PASSPHRASE}}, kdf: pbkdf2}}]}}
  order: [{order}]
  write: {write}
"""


def declare(site: Site, order: str = "vault, aws, files", write: str = "primary") -> None:
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT.format(order=order, write=write))


@pytest.fixture
def shop(site: Site, vault: VaultClient, moto: str) -> Site:
    """A repository with all three stores."""
    site.environ |= {"AWS_ENDPOINT_URL": moto, "STORE_PASSPHRASE": PHRASE}
    vault.write("sys/mounts/genesis", {"type": "kv-v2"})
    declare(site)
    return site


def fed(site: Site, sent: bytes, *arguments: str) -> Ran:
    """A command with something on standard input."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(sent)))
        return site.run(*arguments)


def process(site: Site, *arguments: str, **environ: str) -> Ran:
    """A command as a process of its own, which may become another."""
    command = [*CORES_ALLOWED, *RECONCILE, "--repo", str(site.repo), *arguments]
    done = subprocess.run(command, env={**site.environ, **environ}, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def typed(site: Site, answers: str, *arguments: str) -> tuple[int, str]:
    """A command on a terminal, and what the terminal showed. A line of `answers` is typed at each question."""
    ours, theirs = pty.openpty()
    command = [*RECONCILE, "--repo", str(site.repo), *arguments]
    left = answers.splitlines()
    with subprocess.Popen(command, env=site.environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        shown, until = b"", time.monotonic() + 30
        while time.monotonic() < until:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                new = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            shown += new
            if left and new.endswith(b": "):
                os.write(ours, f"{left.pop(0)}\n".encode())
        else:
            process.kill()
    os.close(ours)
    return process.returncode, shown.decode()


@pytest.mark.parametrize("store", ["vault", "aws", "files"])
def test_secret_goes_through_its_life_in_each_store(shop: Site, store: str) -> None:
    declare(shop, store)
    first = shop.run("secret", "put", "db/orders", "username=app", "password=one", "-o", "json").json
    assert first == {"path": "db/orders", "version": first["version"], "store": store}
    assert shop.run("secret", "get", "db/orders", "-o", "json").json == {"username": "app", "password": "one"}
    assert shop.run("secret", "get", "db/orders", "--key", "password").out == "one\n"
    assert shop.run("secret", "put", "db/orders", "password=two", "--cas", "0").code == 1
    assert shop.run("secret", "put", "db/orders", "password=two", "--cas", first["version"]).code == 0
    assert shop.run("secret", "get", "db/orders").out == "two\n", "a put replaces the whole map"
    assert shop.run("secret", "get", "db/orders", "--version", first["version"], "--key", "password").out == "one\n"
    assert shop.run("secret", "list", "-o", "json").json == ["db/orders"]
    assert shop.run("secret", "list", "db/").out == "db/orders\n"
    versions = shop.run("secret", "versions", "db/orders", "-o", "json").json
    assert [set(one) for one in versions] == [{"version", "made", "readable", "labels", "store"}] * 2
    assert versions[1]["version"] == first["version"]
    assert shop.run("secret", "delete", "db/orders", "--yes").code == 0
    gone = shop.run("secret", "get", "db/orders")
    assert (gone.code, gone.out) == (1, "")
    assert gone.err == f"error: db/orders: there is no such secret in {store}\n"
    assert shop.run("secret", "list", "-o", "json").json == []


def test_values_come_from_files_and_standard_input_without_the_last_newline(shop: Site) -> None:
    shop.write("key.pem", f"-----BEGIN\n{CANARY}\n-----END\n")
    ran = fed(shop, b"from-stdin\n", "secret", "put", "a", "password=-", f"key=@{shop.repo / 'key.pem'}")
    assert ran.code == 0, ran.err
    assert shop.run("secret", "get", "a", "-o", "json").json == {"password": "from-stdin", "key": f"-----BEGIN\n{CANARY}\n-----END"}
    assert fed(shop, b"alone", "secret", "put", "b", "-").code == 0
    assert shop.run("secret", "get", "b", "-o", "json").json == {"value": "alone"}


def test_value_from_standard_input_is_what_was_sent_to_the_byte(shop: Site) -> None:
    value = "ünï\r\n\ttwo \r lines\N{GRINNING FACE}\n"
    assert fed(shop, f"{value}\n".encode(), "secret", "put", "a", "-").code == 0
    assert shop.run("secret", "get", "a", "-o", "json").json == {"value": value}


@pytest.mark.parametrize(
    ("sent", "pairs", "words"),
    [
        (b"\xff\xfe" + CANARY.encode(), ["-"], "it is not text"),
        (b"", ["password=-"], "standard input is empty"),
        (b"\n", ["password=-"], "standard input is empty"),
        (b"one", ["a=-", "b=-"], "standard input can be one value only"),
        (b"", ["password=@/dev/null"], "/dev/null is empty"),
    ],
)
def test_standard_input_that_is_no_value_writes_nothing(shop: Site, sent: bytes, pairs: list[str], words: str) -> None:
    """`make-password | reconcile secret put db -` where the first command fails must not empty the secret."""
    shop.run("secret", "put", "a", "password=one")
    ran = fed(shop, sent, "secret", "put", "a", *pairs)
    assert (ran.code, words in ran.err, CANARY in ran.err) == (2, True, False), ran.err
    assert shop.run("secret", "get", "a").out == "one\n"


def test_empty_value_can_be_put_by_saying_so(shop: Site) -> None:
    assert shop.run("secret", "put", "a", "password=").code == 0
    assert shop.run("secret", "get", "a", "-o", "json").json == {"password": ""}


@pytest.mark.parametrize("pairs", [["no-equals-" + CANARY], ["a=1", "a=2"], ["=x"], ["a=@/nowhere/at/all"], []])
def test_put_that_makes_no_sense_is_usage_and_repeats_no_value(shop: Site, pairs: list[str]) -> None:
    ran = shop.run("secret", "put", "a", *pairs)
    assert ran.code == 2
    assert CANARY not in ran.err


def test_get_of_several_keys_into_a_pipe_asks_which(shop: Site) -> None:
    shop.run("secret", "put", "a", "one=1", "two=2")
    ran = shop.run("secret", "get", "a")
    assert (ran.code, ran.out) == (2, "")
    assert "one, two" in ran.err
    assert shop.run("secret", "get", "a", "--key", "three").code == 1


def test_terminal_is_asked_before_a_value_is_shown(shop: Site) -> None:
    shop.run("secret", "put", "a", f"value={CANARY}")
    assert CANARY not in typed(shop, "n\n", "secret", "get", "a")[1]
    assert CANARY not in typed(shop, "n\n", "secret", "get", "a", "-o", "json")[1]
    code, shown = typed(shop, "y\n", "secret", "get", "a")
    assert (code, CANARY in shown) == (0, True)
    assert CANARY in typed(shop, "", "secret", "get", "a", "--show")[1]


def test_terminal_is_asked_for_a_value_and_does_not_show_it(shop: Site) -> None:
    code, shown = typed(shop, f"{CANARY}\n{CANARY}\n", "secret", "put", "a", "password=-")
    assert code == 0, shown
    assert CANARY not in shown
    assert shop.run("secret", "get", "a", "--key", "password").out == f"{CANARY}\n"


def test_value_on_the_command_line_is_warned_of_on_a_terminal(shop: Site) -> None:
    code, shown = typed(shop, "", "secret", "put", "a", f"value={CANARY}")
    assert code == 0
    assert "shell's history" in shown
    assert CANARY not in shown


def test_delete_asks_or_is_told(shop: Site) -> None:
    shop.run("secret", "put", "a", "value=x")
    assert shop.run("secret", "delete", "a").code == 2
    assert typed(shop, "n\n", "secret", "delete", "a")[0] == 0
    assert shop.run("secret", "get", "a").code == 0
    assert typed(shop, "y\n", "secret", "delete", "a")[0] == 0
    assert shop.run("secret", "get", "a").code == 1
    assert shop.run("secret", "delete", "a", "--yes").code == 1


def test_version_is_destroyed_for_good(shop: Site) -> None:
    shop.run("secret", "put", "a", "value=one")
    shop.run("secret", "put", "a", "value=two")
    assert shop.run("secret", "delete", "a", "--version", "1", "--yes").code == 0
    assert shop.run("secret", "get", "a", "--version", "1").code == 1
    assert shop.run("secret", "get", "a").out == "two\n"


def test_destroying_a_version_never_falls_to_another_store(shop: Site) -> None:
    """Versions of Vault and of the encrypted store have the same names."""
    declare(shop, "vault, files", write="dual")
    for value in ("one", "two"):
        shop.run("secret", "put", "a", f"value={value}")
    ran = shop.run("secret", "delete", "a", "--version", "1", "--yes", VAULT_ADDR="http://127.0.0.1:1")
    assert ran.code == 1
    assert shop.run("secret", "get", "a", "--version", "1", "--store", "files").out == "one\n"


def test_delete_of_what_is_only_left_in_a_copy_takes_it_there_too(shop: Site, vault: VaultClient) -> None:
    declare(shop, "vault, files", write="dual")
    shop.run("secret", "put", "a", "value=one")
    vault.delete("genesis/data/a")  # by hand
    assert shop.run("secret", "get", "a").out == "one\n"
    assert shop.run("secret", "delete", "a", "--yes").code == 0
    assert shop.run("secret", "get", "a").code == 1
    ran = shop.run("secret", "delete", "a", "--yes")
    assert (ran.code, "it is deleted already in vault, files" in ran.err) == (1, True)


def test_delete_where_the_store_that_is_written_to_is_down_says_that_it_is_down(shop: Site) -> None:
    shop.run("secret", "put", "a", "value=x")
    shop.run("secret", "put", "a", "value=x", "--store", "aws")
    ran = shop.run("secret", "delete", "a", "--yes", VAULT_ADDR="http://127.0.0.1:1")
    assert (ran.code, "the connection was refused" in ran.err) == (1, True)
    assert shop.run("secret", "get", "a", "--store", "aws").out == "x\n"


def test_delete_of_what_lies_where_nothing_is_written_says_so(shop: Site) -> None:
    shop.run("secret", "put", "a", "value=x", "--store", "aws")
    ran = shop.run("secret", "delete", "a", "--yes")
    assert (ran.code, "name it: --store aws" in ran.err) == (2, True)
    assert shop.run("secret", "delete", "a", "--yes", "--store", "aws").code == 0


def test_command_gets_secrets_in_its_environment_and_its_exit_code_counts(shop: Site) -> None:
    shop.run("secret", "put", "api_keys/claude", f"value={CANARY}")
    shop.run("secret", "put", "db/orders", "username=app", "password=p w")
    script = 'printf "%s|" "$API_KEYS_CLAUDE" "$DB_ORDERS_USERNAME" "$PGPASSWORD" "$KEY" "$@"; exit 7'
    specs = ["api_keys/claude", "db/orders#username", "PGPASSWORD=db/orders#password", "KEY=api_keys/claude"]
    ran = process(shop, "secret", "exec", *specs, "--", "sh", "-c", script, "sh", "--yes", "-x")
    assert (ran.code, ran.out) == (7, f"{CANARY}|app|p w|{CANARY}|--yes|-x|"), ran.err


def test_secrets_of_exec_are_on_no_command_line(shop: Site) -> None:
    shop.run("secret", "put", "a", f"value={CANARY}")
    seen = "cat /proc/self/cmdline /proc/$PPID/cmdline /proc/$$/cmdline 2>/dev/null; ps -eo args 2>/dev/null"
    ran = process(shop, "secret", "exec", "a", "--", "sh", "-c", seen)
    assert ran.out
    assert CANARY not in ran.out


def test_command_has_the_signals_and_limits_of_one_that_a_shell_started(shop: Site) -> None:
    shop.run("secret", "put", "a", "value=x")
    script = ["sh", "-c", "yes | head -n1; grep -E 'SigIgn|SigBlk' /proc/self/status; grep core /proc/self/limits"]
    alone = subprocess.run([*CORES_ALLOWED, *script], capture_output=True, text=True, check=True, env=shop.environ)
    under = process(shop, "secret", "exec", "a", "--", *script)
    assert (under.out, under.err) == (alone.stdout, alone.stderr)
    assert soft_core_limit(under.out) == "4096"


def test_values_reach_a_command_as_they_are_in_any_locale(shop: Site) -> None:
    shop.run("secret", "put", "a", "value=ünï\N{GRINNING FACE}")
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    ran = process(shop, "secret", "exec", "a", "--", "sh", "-c", 'printf %s "$A"', **plain)
    assert (ran.code, ran.out) == (0, "ünï\N{GRINNING FACE}"), ran.err


def test_process_that_holds_secrets_leaves_no_core_behind(shop: Site) -> None:
    """Ctrl-\\ at a question, or a fault in a library, would write the whole memory to a file."""
    command = [*CORES_ALLOWED, *RECONCILE, "--repo", str(shop.repo), "secret", "put", "a", "password=-"]
    with subprocess.Popen(command, env=shop.environ, stdin=subprocess.PIPE) as waiting:
        limits, until = Path(f"/proc/{waiting.pid}/limits"), time.monotonic() + 60
        while soft_core_limit(limits.read_text()) != "0" and time.monotonic() < until:
            time.sleep(0.05)
        soft = soft_core_limit(limits.read_text())
        waiting.kill()
    assert soft == "0"


def soft_core_limit(limits: str) -> str:
    return next(line.split()[4] for line in limits.splitlines() if line.startswith("Max core file size"))


def test_exec_that_cannot_be_runs_nothing(shop: Site) -> None:
    shop.run("secret", "put", "a", "value=x")
    shop.run("secret", "put", "two", "one=1", "two=2")
    for arguments, code, words in (
        (["a"], 2, "what shall be run"),
        (["--", "true"], 2, "Missing argument"),
        (["a", "--", "no-such-command-anywhere"], 2, "No such file"),
        (["nope", "--", "true"], 1, "there is no such secret"),
        (["a#nope", "--", "true"], 1, "it has no key 'nope'"),
        (["A=two", "--", "true"], 2, "which of its keys is A"),
        (["X=a", "X=a", "--", "true"], 2, "two secrets would be the variable X"),
    ):
        ran = process(shop, "secret", "exec", *arguments)
        assert (ran.code, words in ran.err) == (code, True), ran.err


def test_dual_writes_survive_the_loss_of_the_first_store(shop: Site) -> None:
    declare(shop, write="dual")
    assert shop.run("secret", "put", "a", "value=x").out == "a: version 1 in vault, aws, files\n"
    down = {"VAULT_ADDR": "http://127.0.0.1:1"}
    ran = shop.run("secret", "get", "a", **down)
    assert (ran.code, ran.out) == (0, "x\n")
    assert "vault could not be read, going on to the next store" in ran.err
    assert shop.run("secret", "get", "a", **down, AWS_ENDPOINT_URL="http://127.0.0.1:1").out == "x\n"
    assert shop.run("secret", "put", "a", "value=y", **down).code == 1


def test_store_without_an_address_or_a_login_here_is_left_for_the_next(shop: Site) -> None:
    declare(shop, "vault, aws", write="dual")
    shop.run("secret", "put", "a", "value=x")
    for lacking, words in (({"VAULT_ADDR": ""}, "no Vault address"), ({"VAULT_TOKEN": ""}, "no Vault token")):
        ran = shop.run("secret", "get", "a", **lacking)
        assert (ran.code, ran.out) == (0, "x\n")
        assert words in ran.err
        ran = shop.run("secret", "put", "a", "value=y", **lacking)
        assert (ran.code, words in ran.err) == (1, True)
    assert shop.run("secret", "get", "a").out == "x\n"


def test_list_with_a_store_that_is_down_says_so_and_exits_1(shop: Site) -> None:
    shop.run("secret", "put", "a", "value=x", "--store", "aws")
    ran = shop.run("secret", "list", VAULT_ADDR="http://127.0.0.1:1")
    assert (ran.code, ran.out) == (1, "a\n")
    assert "error: vault could not be listed" in ran.err


def test_wrong_passphrase_and_none_are_said_in_words(shop: Site) -> None:
    declare(shop, "files")
    shop.run("secret", "put", "a", "value=x")
    for phrase, words in (("something else", "wrong passphrase"), ("", "env:STORE_PASSPHRASE is not set here")):
        ran = shop.run("secret", "get", "a", STORE_PASSPHRASE=phrase)
        assert (ran.code, ran.out) == (1, "")
        assert words in ran.err
        assert "something" not in ran.err


def test_keyring_is_shown_synced_and_rotated(shop: Site, vault: VaultClient) -> None:
    declare(shop, "files")
    shop.run("secret", "put", "a", "value=x")
    vault.write("sys/mounts/transit", {"type": "transit"})
    vault.write("transit/keys/store", {})
    file = shop.repo / "desired-state/environments/dev.yaml"
    both = file.read_text().replace("kdf: pbkdf2}", "kdf: pbkdf2}, {transit: {key: store}}")
    file.write_text(both)
    assert "transit: is declared, but not in the keyring yet" in shop.run("secret", "keyring", "show").out
    assert shop.run("secret", "keyring", "sync").out == "Added: transit. Removed: none.\n"
    assert shop.run("secret", "get", "a", STORE_PASSPHRASE="").out == "x\n"
    assert "Encrypted 1 files anew" in shop.run("secret", "keyring", "rotate", "--yes").out
    assert shop.run("secret", "get", "a", STORE_PASSPHRASE="").out == "x\n"
    declare(shop, "files")
    assert shop.run("secret", "keyring", "sync").code == 2, "a slot is removed only after a yes"
    assert shop.run("secret", "keyring", "sync", "--yes").out == "Added: none. Removed: transit.\n"


def test_environment_without_stores_says_what_to_write(site: Site) -> None:
    ran = site.run("secret", "get", "a")
    assert (ran.code, "no store of secrets is declared" in ran.err) == (2, True)


@pytest.mark.parametrize(
    ("stores", "words"),
    [
        ("{vualt: {mount: x}}", "vault"),
        ("{vault: {mount: x}, order: [aws]}", "`order` names aws, which is not declared"),
        ("{vault: {mount: x, instance: eu}}", "names the vault instance eu, which is not declared"),
        ("{aws: {instance: eu}}", "names the aws instance eu, which is not declared"),
        ("{files: {path: x, slots: [{transit: {instance: eu, key: x}}]}}", "names the vault instance eu"),
        ("{files: {path: x, slots: [{kms: {instance: eu, key: x}}]}}", "names the aws instance eu"),
        ("{files: {path: x, slots: []}}", "slots"),
        ("{files: {path: x, slots: [{}]}}", "a slot is one of"),
        ("{files: {path: x, slots: [{passphrase: hunter2}]}}", "must be a reference"),
        ("{files: {path: x, slots: [{passphrase: {from: 'vault:a/data/b#c'}}]}}", "comes from `env:NAME` or `file:NAME`"),
        ("{files: {path: x, slots: [{passphrase: {from: env:A}}, {passphrase: {from: env:B}}]}}", "two slots are called passphrase"),
    ],
)
def test_stores_that_are_declared_wrongly_are_said_with_their_line(site: Site, stores: str, words: str) -> None:
    site.write("desired-state/environments/dev.yaml", f"project: genesis\nstores: {stores}\n")
    ran = site.run("validate")
    assert ran.code == 1
    assert "desired-state/environments/dev.yaml:2" in ran.err + ran.out
    assert words in ran.err + ran.out


def test_library_reads_what_the_command_line_wrote(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.run("secret", "put", "api_keys/claude", f"value={CANARY}")
    for name, text in shop.environ.items():
        monkeypatch.setenv(name, text)
    with SecretClient.from_environment(shop.repo, "dev") as client:
        assert client.get("api_keys/claude")["value"] == CANARY
        client.put("api_keys/other", {"value": "x"})
    assert shop.run("secret", "get", "api_keys/other").out == "x\n"


def test_library_has_loaded_what_its_stores_need_before_the_first_read(shop: Site) -> None:
    """On a machine with little to spare the first read would take as long as a store that hangs, and another one would be read."""
    ask = "import sys; from reconciler.secrets import SecretClient; SecretClient.from_environment(sys.argv[1]); print(*sys.modules)"
    for order, wanted in (("vault", "hvac"), ("aws", "boto3"), ("files", "cryptography.hazmat.primitives.ciphers.aead")):
        declare(shop, order)
        command = [sys.executable, "-c", ask, str(shop.repo)]
        done = subprocess.run(command, env=shop.environ, capture_output=True, text=True, check=True)
        loaded = set(done.stdout.split())
        assert wanted in loaded
        assert ("boto3" in loaded) == (order == "aws")


def test_library_needs_the_environments_file_and_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service has the file mounted, by way of links within its folder."""
    folder = tmp_path / "desired-state" / "environments"
    (folder / "..data").mkdir(parents=True)
    text = ENVIRONMENT.format(order="files", write="primary")
    (folder / "..data" / "prod.yaml").write_text(text)
    (folder / "prod.yaml").symlink_to("..data/prod.yaml")
    (tmp_path / "elsewhere.yaml").write_text("project: other\n")
    (folder / "staging.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("STORE_PASSPHRASE", PHRASE)
    with SecretClient.from_environment(tmp_path) as client:
        client.put("api_keys/claude", {"value": CANARY})
    monkeypatch.setenv("RECONCILE_ENV", "prod")
    with SecretClient.from_environment(tmp_path) as client:
        assert client.get("api_keys/claude")["value"] == CANARY
    monkeypatch.setenv("RECONCILE_ENV", "staging")
    with pytest.raises(Usage, match="there is no environment 'staging'"):
        SecretClient.from_environment(tmp_path)
    with pytest.raises(Usage, match="declares no environment"):
        SecretClient.from_environment(tmp_path / "nowhere")


def test_stores_are_shown_with_how_they_are(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.secrets.failover.PROBE_SECONDS", 60)  # a busy machine is no store that hangs
    declare(shop, "vault, aws", write="dual")
    ran = shop.run("secret", "stores", "-o", "json")
    assert (ran.code, ran.json) == (
        0,
        [
            {"store": "vault", "read": 1, "written": True, "problem": ""},
            {"store": "aws", "read": 2, "written": True, "problem": ""},
        ],
    )
    declare(shop)
    ran = shop.run("secret", "stores", VAULT_ADDR="http://127.0.0.1:1")
    assert ran.code == 1
    assert "the connection was refused" in ran.out
    assert ran.out.splitlines()[1:] == ["aws    read 2nd  -        well", "files  read 3rd  -        well"]
    assert ran.out.startswith("vault  read 1st  written  ")


def test_no_value_is_in_any_log_error_or_file(shop: Site, moto: str) -> None:
    declare(shop, write="dual")
    said = ""
    for arguments in (
        ("put", "a", f"value={CANARY}"),
        ("put", "a", f"value={CANARY}", "--cas", "77"),
        ("put", "bad//path", f"value={CANARY}"),
        ("put", "a b?*", f"value={CANARY}"),
        ("put", "x" * 600, f"value={CANARY}"),
        ("list",),
        ("versions", "a"),
        ("get", "a", "--key", "nope"),
        ("delete", "a", "--yes"),
    ):
        for environ in ({}, {"VAULT_TOKEN": "wrong"}, {"VAULT_ADDR": "http://127.0.0.1:1"}) if arguments[-1] != "nope" else ({},):
            ran = shop.run("secret", *arguments, **environ)
            said += ran.out + ran.err
    kept = b"".join(file.read_bytes() for file in (shop.repo / ".secrets").rglob("*") if file.is_file())
    for canary in (CANARY, PHRASE):
        for written in (canary.encode(), base64.b64encode(canary.encode()).rstrip(b"="), canary.encode().hex().encode()):
            assert written not in kept
            assert written.decode() not in said
    assert "Traceback" not in said
    assert "internal error" not in said
    tags = boto3.client("secretsmanager", endpoint_url=moto).list_secrets(IncludePlannedDeletion=True)
    assert CANARY not in json.dumps(tags, default=str)


def test_store_is_no_part_of_the_repository(shop: Site) -> None:
    declare(shop, "files")
    shop.run("secret", "put", "a", "value=x")
    assert Path(shop.repo / ".secrets" / "KEYS").exists()
    assert ".secrets" not in shop.git("status", "--porcelain")
