"""What VaultClient says and understands, on a real OpenBao."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.backends.vault.client import UNSUPPORTED, VaultClient, connect
from reconciler.backends.vault.connection import Connection
from reconciler.backends.vault.faults import server_words
from reconciler.backends.vault.transport import WRITE_SECONDS, Transport
from reconciler.core.errors import BackendError, Conflict, Denied, LeaseLost, Missing
from reconciler.dev.servers import Server

RULES = 'path "sys/policies/acl/open" { capabilities = ["read"] }\npath "kv/metadata/*" { capabilities = ["list"] }'


@pytest.fixture
def limited(vault: VaultClient) -> VaultClient:
    """A client of the same namespace with a token that may read one policy, and list."""
    vault.write("sys/policies/acl/open", {"policy": RULES})
    vault.write("sys/policies/acl/closed", {"policy": RULES})
    made = vault.write("auth/token/create", {"policies": ["open"], "ttl": "5m"})
    return connect(vault.transport, made["auth"]["client_token"])


def test_a_namespace_that_is_not_there_is_known_to_be_empty(vault: VaultClient) -> None:
    absent = vault.at("nowhere")
    assert absent.mounts() == {}
    assert absent.list("sys/policies/acl") is None
    assert absent.read("sys/policies/acl/x") is None
    assert dict(absent.read_many(["a/b", "c/d"])) == {"a/b": None, "c/d": None}


def test_a_write_to_a_namespace_that_is_not_there_says_so(vault: VaultClient) -> None:
    with pytest.raises(Missing, match=r"namespace not found \(create the namespace first"):
        vault.at("nowhere").write("sys/policies/acl/x", {"policy": RULES})


def test_namespaces_are_relative_to_the_instances_own(vault: VaultClient) -> None:
    vault.write("sys/namespaces/team", {})
    vault.at("team").write("sys/namespaces/inner", {})
    vault.at("team/inner").write("sys/policies/acl/deep", {"policy": RULES})
    listing = vault.at("/team/inner/").list("sys/policies/acl")
    assert listing is not None
    assert "deep" in listing.keys
    assert "deep" not in (vault.list("sys/policies/acl") or listing).keys


def test_what_is_written_is_read_back(vault: VaultClient) -> None:
    vault.write("sys/policies/acl/open", {"policy": RULES})
    assert (vault.read("sys/policies/acl/open") or {})["policy"] == RULES
    detailed = vault.list("sys/policies/detailed/acl")
    assert detailed is not None
    assert detailed.key_info["open"]["policy"] == RULES
    vault.delete("sys/policies/acl/open")
    assert vault.read("sys/policies/acl/open") is None
    vault.delete("sys/policies/acl/open")


@pytest.mark.parametrize("name", ["a b", "a#b", "a?b=c", "a%2Fb", "a+b", "ü", "me@example.com", "a&b", "a;b", "'", "sub/a"])
def test_any_name_reaches_the_server_as_it_is_written(vault: VaultClient, name: str) -> None:
    vault.write("sys/mounts/kv", {"type": "kv"})
    vault.write(f"kv/{name}", {"key": name})
    assert vault.read(f"kv/{name}") == {"key": name}
    scanned = vault.scan("kv")
    assert scanned is not UNSUPPORTED
    assert scanned is not None
    assert scanned.keys == (name,)


def test_an_answer_larger_than_a_packet_is_read_whole(vault: VaultClient) -> None:
    vault.write("sys/mounts/kv", {"type": "kv"})
    text = "ß" * 300_000
    vault.write("kv/large", {"text": text})
    assert vault.read("kv/large") == {"text": text}
    assert vault.read("kv/large") == {"text": text}  # and nothing of it is left on the connection


def test_scan_says_where_the_server_does_not_know_it(vault: VaultClient) -> None:
    assert vault.scan("sys/policies/acl") is UNSUPPORTED
    vault.write("sys/mounts/kv", {"type": "kv"})
    assert vault.scan("kv") is None


def test_check_and_set_that_finds_another_version_is_a_conflict(vault: VaultClient) -> None:
    vault.write("sys/policies/acl/p", {"policy": RULES, "cas": -1})
    with pytest.raises(Conflict):
        vault.write("sys/policies/acl/p", {"policy": RULES, "cas": -1})
    vault.write("sys/mounts/kv", {"type": "kv-v2"})
    vault.write("kv/data/lock", {"data": {"a": "1"}, "options": {"cas": 0}})
    with pytest.raises(Conflict):
        vault.write("kv/data/lock", {"data": {"a": "1"}, "options": {"cas": 0}})


def test_a_missing_cas_parameter_is_not_a_conflict(vault: VaultClient) -> None:
    vault.write("sys/mounts/kv", {"type": "kv-v2"})
    vault.write("kv/config", {"cas_required": True})
    with pytest.raises(BackendError, match="check-and-set parameter required") as caught:
        vault.write("kv/data/x", {"data": {"a": "1"}})
    assert not isinstance(caught.value, Conflict)


def test_a_write_where_nothing_is_mounted_is_missing(vault: VaultClient) -> None:
    with pytest.raises(Missing, match="auth/nope/role/x"):
        vault.write("auth/nope/role/x", {"token_ttl": "1h"})


def test_a_denial_names_path_and_capability(limited: VaultClient) -> None:
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: limited.read("sys/policies/acl/closed"), "read"),
        (lambda: limited.list("sys/policies/acl"), "list"),
        (lambda: limited.write("sys/policies/acl/closed", {"policy": RULES}), "update"),
        (lambda: limited.delete("sys/policies/acl/closed"), "delete"),
    ]
    for call, capability in calls:
        with pytest.raises(Denied) as caught:
            call()
        assert caught.value.capability == capability
        assert caught.value.path.startswith("sys/policies/acl")


def test_one_denied_path_does_not_stop_the_others(limited: VaultClient) -> None:
    found = dict(limited.read_many(["sys/policies/acl/closed", "sys/policies/acl/open"]))
    assert isinstance(found["sys/policies/acl/closed"], Denied)
    assert isinstance(found["sys/policies/acl/open"], dict)


def test_paths_that_may_not_be_read_are_told_without_reading_them(vault: VaultClient, limited: VaultClient) -> None:
    many = [f"sys/policies/acl/p{number}" for number in range(1_100)]
    asked = limited.requests
    assert limited.unreadable(["sys/policies/acl/open", "sys/policies/acl/closed"]) == {"sys/policies/acl/closed"}
    assert limited.unreadable(["kv/metadata/x"], "list") == set()
    assert limited.unreadable(many) == set(many)
    assert limited.requests - asked == 5
    assert vault.unreadable(many) == set()


def test_a_login_that_may_not_even_ask_is_told_nothing(vault: VaultClient) -> None:
    made = vault.write("auth/token/create", {"policies": ["open"], "no_default_policy": True, "ttl": "5m"})
    blind = connect(vault.transport, made["auth"]["client_token"])
    assert blind.unreadable(["sys/policies/acl/open"]) == frozenset()
    assert blind.mounts() is None
    assert blind.auth_mounts() is None


def test_a_wrong_token_is_an_error_and_never_a_denial(vault: VaultClient) -> None:
    wrong = connect(vault.transport, "hvs.wrong")
    with pytest.raises(BackendError, match=r"token is not valid .*set VAULT_TOKEN") as caught:
        list(wrong.read_many(["sys/policies/acl/a", "sys/policies/acl/b"]))
    assert not isinstance(caught.value, Denied)
    assert "hvs.wrong" not in str(caught.value)


def test_mounts_are_read_once_until_one_is_written(vault: VaultClient) -> None:
    assert "kv" not in (vault.mounts() or {"kv": {}})
    asked = vault.requests
    vault.mounts()
    vault.at("").mounts()
    assert vault.requests == asked
    vault.write("sys/mounts/kv/deep", {"type": "kv"})
    vault.forget_mounts()
    assert (vault.mounts() or {})["kv/deep"]["type"] == "kv"
    assert (vault.auth_mounts() or {})["token"]["type"] in ("token", "ns_token")


def test_the_server_is_known_by_name_and_version(vault: VaultClient) -> None:
    assert vault.dialect == "openbao"
    assert vault.version.startswith("2.")
    asked = vault.requests
    assert vault.at("anywhere").version == vault.version
    assert vault.requests == asked


def test_only_what_changes_the_server_passes_the_gate(vault: VaultClient) -> None:
    passed: list[float] = []
    gated = vault.gated(passed.append)
    gated.read("sys/policies/acl/x")
    gated.list("sys/policies/acl")
    gated.unreadable(["a"])
    assert passed == []
    gated.write("sys/policies/acl/x", {"policy": RULES})
    gated.at("").delete("sys/policies/acl/x")
    assert passed == [WRITE_SECONDS, WRITE_SECONDS]


def test_nothing_is_sent_through_a_closed_gate(vault: VaultClient) -> None:
    def closed(_seconds: float) -> None:
        raise LeaseLost("the lease is over")

    with pytest.raises(LeaseLost):
        vault.gated(closed).write("sys/policies/acl/x", {"policy": RULES})
    assert vault.read("sys/policies/acl/x") is None


def test_values_that_were_sent_do_not_come_back_in_errors(vault: VaultClient) -> None:
    with pytest.raises(BackendError) as caught:
        vault.write("sys/mounts/kv", {"type": "canary-7f3a91"})
    assert "canary" not in str(caught.value)
    assert "(left out)" in str(caught.value)


@given(secret=st.text(min_size=6), form=st.sampled_from([str, json.dumps, lambda text: quote(text, safe="")]))
def test_no_spelling_of_a_sent_value_stays_in_an_error(secret: str, form: Callable[[str], str]) -> None:
    body = json.dumps({"errors": [f"cannot connect with {form(secret)} to database"]}).encode()
    words = server_words(body, {"connection": {"passwords": ["x", secret]}})
    assert words.replace('"', "") == "cannot connect with (left out) to database"


def test_a_patch_is_taken_as_one(vault: VaultClient) -> None:
    vault.write("sys/mounts/kv", {"type": "kv-v2"})
    vault.write("kv/metadata/a", {"max_versions": 3, "custom_metadata": {"a": "1"}})
    vault.write("kv/metadata/a", {"custom_metadata": {"b": "2"}}, method="PATCH")
    assert (vault.read("kv/metadata/a") or {})["custom_metadata"] == {"a": "1", "b": "2"}


def test_leaving_a_bulk_read_early_stops_it(vault: VaultClient) -> None:
    asked = vault.requests
    for _ in vault.read_many([f"sys/policies/acl/p{number}" for number in range(5_000)]):
        break
    threading.Event().wait(0.2)
    assert vault.requests - asked < 2_500


def test_ctrl_c_in_a_bulk_read_ends_it_and_the_client_still_works(vault: VaultClient) -> None:
    reading = vault.read_many([f"sys/policies/acl/p{number}" for number in range(5_000)])
    next(reading)
    with pytest.raises(KeyboardInterrupt):
        reading.throw(KeyboardInterrupt)  # type: ignore[attr-defined]  # it is a generator
    paths = [f"sys/policies/acl/p{number}" for number in range(100)]
    assert dict(vault.read_many(paths)) == dict.fromkeys(paths)


def test_a_token_with_a_line_break_is_refused_before_it_is_sent(bao: Server) -> None:
    client = connect(Transport(Connection(bao.address)), "root\r\nX-Evil: 1")
    with pytest.raises(BackendError, match="X-Vault-Token holds a character that cannot be sent"):
        client.read("sys/mounts")
    assert client.requests == 0
