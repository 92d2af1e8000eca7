"""Write-only fields: marks tell versions apart without reading them, values are read only to be written."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from reconciler.backends.aws.client import AwsClient
from reconciler.backends.vault.client import VaultClient, connect
from reconciler.core.errors import BackendError, Denied, Invalid, Missing, ReconcilerError
from reconciler.core.secret import Secret
from reconciler.secrets.source_local import MAX_FILE_BYTES, Local
from reconciler.secrets.sources import Sources, random_text
from reconciler.secrets.value import ABSENT, Value

CANARY = "canary-7f3a9"
KEY = b"k" * 32


def unused() -> Any:
    raise AssertionError("this client has nothing to do with it")


def sources(vault: VaultClient | None = None, aws: AwsClient | None = None, key: bytes | None = KEY, local: Local | None = None) -> Sources:
    return Sources(
        vault=(lambda: vault) if vault else unused,
        aws=(lambda: aws) if aws else unused,
        key=lambda: key,
        local=local or Local(),
    )


def taken(source: str) -> Secret:
    return Secret.model_validate({"from": source})


def made(source: str, length: int = 32) -> Secret:
    return Secret.model_validate({"generate": {"length": length}, "to": source})


@pytest.fixture
def kv(vault: VaultClient) -> VaultClient:
    """A namespace with a KV v2 mount that is ready."""
    vault.write("sys/mounts/genesis", {"type": "kv", "options": {"version": "2"}})
    for _ in range(50):
        try:
            vault.write("genesis/config", {"max_versions": 5})
        except BackendError:
            time.sleep(0.05)
        else:
            return vault
    raise AssertionError("the mount never became ready")


def put(client: VaultClient, path: str, **keys: object) -> None:
    client.write(f"genesis/data/{path}", {"data": keys})


class TestVault:
    def test_a_mark_is_the_newest_version_and_moves_with_it(self, kv: VaultClient) -> None:
        put(kv, "db", password=CANARY)
        secret = taken("vault:genesis/data/db#password")
        assert sources(kv).mark(secret) == "1"
        assert sources(kv).reveal(secret) == CANARY
        put(kv, "db", password="other")
        assert sources(kv).mark(secret) == "2"

    def test_marking_needs_no_right_to_read_the_value(self, kv: VaultClient) -> None:
        put(kv, "db", password=CANARY)
        kv.write("sys/policies/acl/plan", {"policy": 'path "genesis/metadata/*" { capabilities = ["read"] }'})
        token = kv.write("auth/token/create", {"policies": ["plan"]})["auth"]["client_token"]
        planning = sources(connect(kv.transport, token))
        secret = taken("vault:genesis/data/db#password")
        assert planning.mark(secret) == "1"
        with pytest.raises(Denied):
            planning.reveal(secret)

    def test_without_the_right_to_read_metadata_nothing_is_compared(self, kv: VaultClient) -> None:
        put(kv, "db", password=CANARY)
        token = kv.write("auth/token/create", {"policies": ["default"], "no_default_policy": True})["auth"]["client_token"]
        assert sources(connect(kv.transport, token)).mark(taken("vault:genesis/data/db#password")) == ""

    def test_many_marks_are_asked_for_once_a_path(self, kv: VaultClient) -> None:
        put(kv, "db", user="u", password=CANARY)
        put(kv, "web", key="k")
        wanted = [taken(f"vault:genesis/data/{rest}") for rest in ("db#user", "db#password", "web#key", "nothing#x")]
        before = kv.transport.requests
        marks = sources(kv).marks(wanted)
        assert kv.transport.requests - before == 3
        assert list(marks.values()).count("1") == 3
        assert marks["vault:genesis/data/nothing#x"] == ABSENT

    @pytest.mark.parametrize("way", ["never written", "metadata only", "deleted", "destroyed", "no such mount"])
    def test_what_is_not_there_is_absent_and_an_error_to_reveal(self, kv: VaultClient, way: str) -> None:
        location = "elsewhere/data/db" if way == "no such mount" else "genesis/data/db"
        if way == "metadata only":
            kv.write("genesis/metadata/db", {"max_versions": 3})
        elif way in ("deleted", "destroyed"):
            put(kv, "db", password=CANARY)
            kv.write("genesis/delete/db" if way == "deleted" else "genesis/destroy/db", {"versions": [1]})
        secret = taken(f"vault:{location}#password")
        assert sources(kv).mark(secret) == ABSENT
        with pytest.raises(Missing, match="has no value for 'password'"):
            sources(kv).reveal(secret)

    def test_a_value_that_will_expire_later_is_there_until_then(self, kv: VaultClient) -> None:
        kv.write("genesis/metadata/db", {"delete_version_after": "1h"})
        put(kv, "db", password=CANARY)
        assert sources(kv).mark(taken("vault:genesis/data/db#password")) == "1"

    def test_a_key_that_is_not_there_is_named_and_no_other_value_shown(self, kv: VaultClient) -> None:
        put(kv, "db", password=CANARY, empty="", deep={"a": CANARY}, port=5432)
        assert sources(kv).reveal(taken("vault:genesis/data/db#port")) == "5432"
        for key, words in (("passwort", "no value for 'passwort'"), ("empty", "is empty"), ("deep", "single value")):
            with pytest.raises(ReconcilerError, match=words) as error:
                sources(kv).reveal(taken(f"vault:genesis/data/db#{key}"))
            assert CANARY not in str(error.value)

    def test_a_value_is_generated_once_and_then_read(self, kv: VaultClient) -> None:
        secret = made("vault:genesis/data/db#password", length=40)
        first = sources(kv)
        assert first.mark(secret) == ABSENT
        value = first.reveal(secret)
        assert len(value) == 40
        assert sources(kv).reveal(secret) == value
        assert first.used_mark(secret) == sources(kv).mark(secret) == "1"

    def test_generating_keeps_the_other_keys(self, kv: VaultClient) -> None:
        put(kv, "db", user="orders")
        value = sources(kv).reveal(made("vault:genesis/data/db#password"))
        assert (kv.read("genesis/data/db") or {})["data"] == {"user": "orders", "password": value}

    @pytest.mark.parametrize("way", ["deleted", "metadata only"])
    def test_a_value_is_generated_anew_where_the_old_one_was_deleted(self, kv: VaultClient, way: str) -> None:
        if way == "deleted":
            put(kv, "db", password=CANARY)
            kv.delete("genesis/data/db")
        else:
            kv.write("genesis/metadata/db", {"max_versions": 3})
        secret = made("vault:genesis/data/db#password")
        working = sources(kv)
        assert working.reveal(secret) != CANARY
        assert working.used_mark(secret) == working.mark(secret) != ABSENT

    def test_several_who_generate_at_once_agree_and_lose_no_key(self, kv: VaultClient) -> None:
        secrets = [made(f"vault:genesis/data/db#{key}") for key in ("a", "b")] * 3
        working = sources(kv)
        with ThreadPoolExecutor(6) as pool:
            values = list(pool.map(working.reveal, secrets))
        assert (kv.read("genesis/data/db") or {})["data"] == {"a": values[0], "b": values[1]}
        assert values == values[:2] * 3
        # The second key moved the version that the first was read from: neither may look changed afterwards.
        assert {working.used_mark(secret) for secret in secrets} == {working.mark(secrets[0])} == {"2"}


class TestAws:
    def test_a_mark_is_the_version_in_use_and_moves_with_it(self, aws: AwsClient) -> None:
        version = aws.change("secretsmanager", "create_secret", Name="genesis/claude", SecretString=CANARY)["VersionId"]
        secret, working = taken("aws:genesis/claude"), sources(aws=aws)
        assert working.mark(secret) == version
        assert working.reveal(secret) == CANARY
        assert working.used_mark(secret) == version
        aws.change("secretsmanager", "put_secret_value", SecretId="genesis/claude", SecretString="other")
        assert working.mark(secret) != version

    def test_keys_of_a_json_map_are_values(self, aws: AwsClient) -> None:
        content = json.dumps({"user": "orders", "password": CANARY})
        arn = aws.change("secretsmanager", "create_secret", Name="db", SecretString=content)["ARN"]
        assert sources(aws=aws).reveal(taken("aws:db#password")) == CANARY
        assert sources(aws=aws).reveal(taken(f"aws:{arn}#user")) == "orders"
        with pytest.raises(Missing, match="aws:db#passwort has no value") as error:
            sources(aws=aws).reveal(taken("aws:db#passwort"))
        assert CANARY not in str(error.value)

    def test_what_is_no_json_map_has_no_keys(self, aws: AwsClient) -> None:
        aws.change("secretsmanager", "create_secret", Name="db", SecretString=CANARY)
        with pytest.raises(Invalid, match="not a JSON map") as error:
            sources(aws=aws).reveal(taken("aws:db#password"))
        assert CANARY not in str(error.value)

    def test_what_is_not_there_is_absent_and_an_error_to_reveal(self, aws: AwsClient) -> None:
        aws.change("secretsmanager", "create_secret", Name="empty")
        for name in ("nothing", "empty"):
            assert sources(aws=aws).mark(taken(f"aws:{name}")) == ABSENT
            with pytest.raises(Missing, match=f"aws:{name} has no value"):
                sources(aws=aws).reveal(taken(f"aws:{name}"))

    @pytest.mark.parametrize("declared", [False, True], ids=["no secret yet", "a secret without a value"])
    @pytest.mark.parametrize("key", ["", "#password"], ids=["whole", "key"])
    def test_a_value_is_generated_once_and_then_read(self, aws: AwsClient, declared: bool, key: str) -> None:
        if declared:
            aws.change("secretsmanager", "create_secret", Name="genesis/db")
        secret, working = made(f"aws:genesis/db{key}"), sources(aws=aws)
        assert working.mark(secret) == ABSENT
        value = working.reveal(secret)
        assert sources(aws=aws).reveal(secret) == value
        assert working.used_mark(secret) == working.mark(secret) != ABSENT

    def test_generating_keeps_the_other_keys(self, aws: AwsClient) -> None:
        aws.change("secretsmanager", "create_secret", Name="db", SecretString=json.dumps({"user": "orders"}))
        working = sources(aws=aws)
        value = working.reveal(made("aws:db#password"))
        held = json.loads(aws.call("secretsmanager", "get_secret_value", SecretId="db")["SecretString"])
        assert held == {"user": "orders", "password": value}
        assert working.used_mark(made("aws:db#password")) == working.mark(made("aws:db#password"))


class TestLocal:
    LOCAL = Local(
        {"STRIPE_KEY": CANARY, "EMPTY": "", "OTHER": CANARY, "VAULT_TOKEN": CANARY}, frozenset({"STRIPE_KEY", "EMPTY", "VAULT_TOKEN"})
    )

    def test_a_mark_moves_with_value_source_and_key_and_holds_no_value(self, tmp_path: Path) -> None:
        (tmp_path / "stripe").write_text(CANARY)
        local = Local({"A": CANARY, "B": CANARY}, frozenset({"A", "B"}), tmp_path)
        changed = Local({"A": "other"}, frozenset({"A"}))
        marks = [
            sources(local=local).mark(taken("env:A")),
            sources(local=local).mark(taken("env:B")),
            sources(local=local).mark(taken("file:stripe")),
            sources(local=changed).mark(taken("env:A")),
            sources(local=local, key=b"x" * 32).mark(taken("env:A")),
        ]
        assert len(set(marks)) == 5
        assert sources(local=local).mark(taken("env:A")) == marks[0]
        assert not any(CANARY in mark for mark in marks)

    def test_without_the_key_nothing_is_compared(self) -> None:
        working = sources(local=self.LOCAL, key=None)
        assert working.mark(taken("env:STRIPE_KEY")) == ""
        assert working.reveal(taken("env:STRIPE_KEY")) == CANARY
        assert working.used_mark(taken("env:STRIPE_KEY")) == ""

    def test_the_mark_of_what_was_used_is_what_the_next_plan_sees(self) -> None:
        working = sources(local=self.LOCAL)
        assert working.used_mark(taken("env:STRIPE_KEY")) == ""
        working.reveal(taken("env:STRIPE_KEY"))
        assert working.used_mark(taken("env:STRIPE_KEY")) == working.mark(taken("env:STRIPE_KEY")) != ""

    @pytest.mark.parametrize("name", ["EMPTY", "NEVER_SET"])
    def test_a_variable_without_a_value_is_not_compared_and_an_error_to_reveal(self, name: str) -> None:
        working = sources(local=Local(self.LOCAL.environment, frozenset({name})))
        assert working.mark(taken(f"env:{name}")) == ""
        with pytest.raises(Missing, match="not set here, or empty"):
            working.reveal(taken(f"env:{name}"))

    def test_a_value_of_which_only_the_server_knew_cannot_be_put_back(self) -> None:
        with pytest.raises(Missing, match="not known here"):
            sources(local=self.LOCAL).reveal(Secret.remembered("", ""))

    def test_only_variables_that_the_environment_allows_are_read(self) -> None:
        working = sources(local=self.LOCAL)
        for ask in (working.mark, working.reveal):
            with pytest.raises(Invalid, match="add OTHER to `secret_env`"):
                ask(taken("env:OTHER"))

    def test_the_runs_own_credentials_are_not_read_even_if_they_are_allowed(self) -> None:
        # Not through the YAML, which refuses them already: what a ledger or a program hands over is refused as well.
        secret = Secret.model_construct(source="env:VAULT_TOKEN", generate=None, mark="")
        for ask in (sources(local=self.LOCAL).mark, sources(local=self.LOCAL).reveal):
            with pytest.raises(Invalid, match="never readable"):
                ask(secret)

    def test_a_file_is_read_without_its_last_newline(self, tmp_path: Path) -> None:
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "pem").write_text(f"{CANARY}\nsecond\n")
        assert sources(local=Local(folder=tmp_path)).reveal(taken("file:deep/pem")) == f"{CANARY}\nsecond"

    def test_a_link_within_the_folder_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "..data").mkdir()
        (tmp_path / "..data" / "token").write_text(CANARY)
        (tmp_path / "token").symlink_to("..data/token")
        assert sources(local=Local(folder=tmp_path)).reveal(taken("file:token")) == CANARY

    @pytest.mark.parametrize("way", ["a link", "a folder's link", "dots"])
    def test_nothing_outside_the_folder_is_read(self, tmp_path: Path, way: str) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        (tmp_path / "outside").write_text(CANARY)
        (folder / "a").symlink_to(tmp_path / "outside" if way == "a link" else tmp_path)
        source = {"a link": "file:a", "a folder's link": "file:a/outside", "dots": "file:../outside"}[way]
        working = sources(local=Local(folder=folder))
        for ask in (working.mark, working.reveal):
            with pytest.raises(Invalid, match="leads out of"):
                ask(Secret.model_construct(source=source, generate=None, mark=""))

    def test_what_is_no_readable_text_file_is_refused_in_words(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "binary").write_bytes(b"\xff\xfe")
        (tmp_path / "huge").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
        os.mkfifo(tmp_path / "pipe")
        working = sources(local=Local(folder=tmp_path))
        cases = {"folder": "cannot be read|not a file", "binary": "not text", "huge": "larger than", "pipe": "not a file"}
        for name, words in cases.items():
            with pytest.raises(Invalid, match=words):
                working.reveal(taken(f"file:{name}"))
        assert working.mark(taken("file:nothing")) == ""

    def test_without_a_folder_no_file_is_read(self) -> None:
        with pytest.raises(Invalid, match="set `secret_files`"):
            sources().mark(taken("file:stripe"))


def test_no_value_shows_in_a_repr(kv: VaultClient) -> None:
    working = sources(kv, local=Local({"A": CANARY}, frozenset({"A"})))
    working.reveal(taken("env:A"))
    shown: list[Callable[[], object]] = [lambda: working, lambda: working.__dict__, lambda: Value(CANARY, "1")]
    assert not any(CANARY in repr(one()) for one in shown)


def test_random_texts_differ_and_need_no_quoting() -> None:
    assert random_text(32) != random_text(32)
    assert random_text(64).isalnum()
