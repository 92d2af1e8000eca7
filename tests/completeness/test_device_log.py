"""What a real OpenBao writes to its audit device, read as evidence."""

from __future__ import annotations

import gzip
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.dev.process import ask
from reconciler.dev.servers import Server
from reconciler.devicelog.reading import LONGEST, Read, device_files, responses
from tests.cli.conftest import ENVIRONMENT
from tests.cli.site import Site, another_second

ROLES = """
kind: vault.auth_method
name: people/here
spec: {type: userpass}
---
kind: vault.userpass_user
name: people/here/ada
spec: {token_policies: [reader], password: {from: env:OPENS}}
---
kind: vault.userpass_user
name: people/here/never
spec: {token_policies: [reader], password: {from: env:OPENS}}
---
kind: vault.secrets_engine
name: genesis
spec: {type: kv-v2}
---
kind: vault.policy
name: reader
spec: {rules: [{path: genesis/data/a/*, capabilities: [read]}, {path: genesis/data/b, capabilities: [read, update]}]}
"""


@pytest.fixture
def device(bao_raft: Server) -> Path:
    """The file of the audit device that the server's configuration declares."""
    return bao_raft.log.parent / "audit.log"


@pytest.fixture
def watched(tmp_path: Path, bao_raft: Server) -> Site:
    """A site in a namespace of a server that keeps an audit log."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    assert ask(bao_raft.address, "POST", f"/v1/sys/namespaces/{name}", token=bao_raft.token, body={})[0] == 200
    environ = {**os.environ, "VAULT_ADDR": bao_raft.address, "VAULT_TOKEN": bao_raft.token, "VAULT_NAMESPACE": name, "OPENS": "open sesame"}
    site = Site(tmp_path / "repo", environ, name)
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT + "secret_env: [OPENS]\n")
    site.git("init", "--quiet", "--initial-branch=main", ".")
    site.write("desired-state/roles.yaml", ROLES)
    site.commit()
    return site


def asked(site: Site, method: str, path: str, token: str = "", **body: str) -> tuple[int, Any]:
    """One request in the site's namespace, and no other."""
    given: dict[str, Any] = {"body": dict(body)} if method == "POST" else {}
    return ask(site.environ["VAULT_ADDR"], method, f"/v1/{site.namespace}/{path}", token=token, **given)


def log_in(site: Site, password: str = "open sesame") -> tuple[int, str]:
    """Log in as ada: the status, and her token."""
    status, answer = asked(site, "POST", "auth/people/here/login/ada", password=password)
    return status, answer["auth"]["client_token"] if status == 200 else ""


def report(site: Site, device: Path, *arguments: str) -> Any:
    ran = site.run("report", "access", "--device", str(device), "-o", "json", *arguments)
    assert ran.code == 0, ran.err
    return ran.json


def subject(found: Any, name: str) -> Any:
    return next((one for one in found["subjects"] if one["subject"] == name), None)


def test_who_came_who_was_denied_who_never_came_and_who_could_have_done_more(watched: Site, device: Path) -> None:
    watched.apply()
    token = watched.environ["VAULT_TOKEN"]
    body = {"data": {"value": "hunter2-and-more"}}
    written = ask(watched.environ["VAULT_ADDR"], "POST", f"/v1/{watched.namespace}/genesis/data/b", token=token, body=body)
    assert written[0] == 200
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    _, ada = log_in(watched)
    assert asked(watched, "GET", "genesis/data/b", ada)[0] == 200
    assert asked(watched, "GET", "genesis/data/c", ada)[0] == 403
    found = report(watched, device, "--since", since)
    me = subject(found, "vault.userpass_user/people/here/ada")
    assert me["denied"] == 1
    assert next((one["path"], one["operation"], one["count"], one["denied"]) for one in me["paths"]) == ("genesis/data/c", "read", 1, 1)
    assert ("genesis/data/b", "read", 1) in [(one["path"], one["operation"], one["count"]) for one in me["paths"]]
    assert me["addresses"] == ["127.0.0.1"]
    assert found["absent"] == ["vault.userpass_user/people/here/never"]
    left = {(one["subject"].rpartition("/")[2], one["path"]): one["unused"] for one in found["unused"]}
    assert left["ada", "genesis/data/b"] == ["update"]
    assert left["ada", "genesis/data/a/*"] == ["read"]
    assert left["never", "genesis/data/b"] == ["read", "update"]
    for output in ("text", "markdown"):
        text = watched.run("report", "access", "--device", str(device), "--since", since, "-o", output).out
        assert "never came" in text
        assert "genesis/data/c" in text.replace("&#95;", "_")
        assert "hunter2" not in text


def test_failed_logins_are_told_by_address_with_the_login_that_followed(watched: Site, device: Path) -> None:
    watched.apply()
    assert asked(watched, "POST", "sys/auth/jwt", watched.environ["VAULT_TOKEN"], type="jwt")[0] == 204
    another_second()
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    assert [log_in(watched, password)[0] for password in ("guess one", "guess two")] == [400, 400]
    # An error of the method's own stands elsewhere in the line.
    assert asked(watched, "POST", "auth/jwt/login", role="x", jwt="a.b.c")[0] == 400
    assert asked(watched, "GET", "genesis/data/b", "s.nobodys")[0] == 403
    assert log_in(watched)[0] == 200
    ran = watched.run("audit", "search", "--failed-logins", "--device", str(device), "--since", since, "-o", "json")
    (one,) = ran.json
    assert (one["address"], one["count"]) == ("127.0.0.1", 3)
    assert one["paths"] == {f"{watched.namespace}/auth/people/here/login/ada": 2, f"{watched.namespace}/auth/jwt/login": 1}
    assert one["login_after"]
    assert [one["count"] for one in report(watched, device, "--since", since)["unknown_tokens"]] == [1]
    assert "guess" not in watched.run("audit", "search", "--failed-logins", "--device", str(device)).out
    assert watched.run("audit", "search", "--failed-logins").code == 2


def test_who_wrote_what_is_out_of_band_is_named(watched: Site, device: Path) -> None:
    watched.write("desired-state/environments/dev.yaml", f"{ENVIRONMENT}secret_env: [OPENS]\nstores: {{vault: {{mount: genesis}}}}\n")
    watched.commit()
    watched.apply()
    assert watched.run("secret", "put", "b", "value=ours").code == 0
    _, ada = log_in(watched)
    body = {"data": {"value": "hers-and-secret"}}
    assert ask(watched.environ["VAULT_ADDR"], "POST", f"/v1/{watched.namespace}/genesis/data/b", token=ada, body=body)[0] == 200
    ran = watched.run("audit", "complete", "--device", str(device), "-o", "json")
    assert ran.code == 1, ran.err
    (one,) = ran.json["findings"]
    assert (one["path"], one["version"]) == ("b", "2")
    assert one["written_by"] == ["vault.userpass_user/people/here/ada from 127.0.0.1"]
    text = watched.run("audit", "complete", "--device", str(device)).out
    assert "written by vault.userpass_user/people/here/ada from 127.0.0.1" in text
    assert "hers" not in text


def test_our_own_requests_are_matched_to_our_runs_by_what_they_wrote_or_by_the_header(watched: Site, device: Path) -> None:
    first = watched.apply()["run"]
    by_time = {one["run"]: one for one in report(watched, device)["runs"]}
    assert by_time[first]["known_by"] == "time"
    assert by_time[first]["requests"] >= 6, "what the run only read is its own, too"
    # Only the root namespace of a server says which headers it keeps.
    token, address = watched.environ["VAULT_TOKEN"], watched.environ["VAULT_ADDR"]
    status, _ = ask(address, "POST", "/v1/sys/config/auditing/request-headers/X-Correlation-Id", token=token, body={"hmac": False})
    assert status == 204
    watched.write("desired-state/roles.yaml", ROLES.replace("[read, update]", "[read]"))
    watched.commit()
    second = watched.apply()["run"]
    runs = {one["run"]: one for one in report(watched, device)["runs"]}
    assert runs[second]["known_by"] == "header"
    assert runs[first]["known_by"] == "time"
    assert ask(address, "DELETE", "/v1/sys/config/auditing/request-headers/X-Correlation-Id", token=token)[0] == 204


def line(number: int, sort: str = "response") -> bytes:
    request = {"id": str(number), "path": "kv/data/x", "operation": "read"}
    return json.dumps({"time": "2027-01-15T08:00:00Z", "type": sort, "auth": {}, "request": request}).encode()


def ids(paths: list[Path]) -> tuple[list[str], Read]:
    read = Read()
    return [entry["request"]["id"] for entry in responses(paths, read)], read


def test_rotated_and_compressed_files_are_read_oldest_first(tmp_path: Path) -> None:
    (tmp_path / "audit.log.2.gz").write_bytes(gzip.compress(line(1) + b"\n" + line(2) + b"\n"))
    (tmp_path / "audit.log.1").write_bytes(line(3, "request") + b"\n" + line(3) + b"\n")
    (tmp_path / "audit.log").write_bytes(line(4))
    for age, name in enumerate(("audit.log", "audit.log.1", "audit.log.2.gz")):
        os.utime(tmp_path / name, (1_800_000_000 - age, 1_800_000_000 - age))
    found, read = ids(device_files([str(tmp_path / "audit.log*")]))
    assert found == ["1", "2", "3", "4"]
    assert read == Read(files=3, lines=5, broken=0)


@given(st.integers(0, 400), st.binary(max_size=20))
def test_what_is_torn_or_strange_is_counted_and_the_rest_is_read(tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes) -> None:
    file = tmp_path_factory.mktemp("log") / "audit.log"
    whole = line(2)
    torn = whole[: min(cut, len(whole) - 1)]
    strange = junk.replace(b"\n", b"") + b'"response"'
    file.write_bytes(line(1) + b"\n" + strange + b"\n" + line(3) + b"\n" + torn)
    found, read = ids([file])
    assert found == ["1", "3"]
    assert read.broken == 1 + bool(torn)


def test_a_compressed_file_that_was_cut_off_gives_what_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "audit.log.gz"
    file.write_bytes(gzip.compress(b"".join(line(number) + b"\n" for number in range(3000)))[:-20])
    found, read = ids([file])
    assert found[0] == "0"
    assert read.broken == 1


def test_a_line_without_end_is_passed_over_without_being_kept(tmp_path: Path) -> None:
    file = tmp_path / "audit.log"
    with file.open("wb") as stream:
        stream.write(line(1) + b"\n")
        stream.write(b'{"response"' + b"x" * (LONGEST + 1000) + b"\n")
        stream.write(line(2) + b"\n")
    found, read = ids([file])
    assert found == ["1", "2"]
    assert read.broken == 1
