"""Roles, engines and identities such as the documentation of Vault and OpenBao shows: each loads, applies and is silent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.dev.servers import start_bao_dev
from tests.cli.site import Site
from tests.kinds.postgres import PASSWORD, PORT
from tests.kinds.samples_roles import CLIENT_PEM

FILES = sorted(Path(__file__).with_name("documented").glob("*.yaml"))
ENVIRONMENT = f"""\
project: documented
vault: {{primary: {{}}}}
secret_env: [DOCUMENTED, DATABASE]
variables:
  port: {PORT}
  certificate: |
    {CLIENT_PEM.replace(chr(10), chr(10) + "    ")}
"""


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A repository for one file: in a namespace, but for quotas, which exist in the root alone."""
    name = request.node.callspec.params["file"].stem
    if name == "databases":
        request.getfixturevalue("postgres")
    if name == "quotas":
        with start_bao_dev(tmp_path / "server") as server:
            site = Site(tmp_path / "repo", {**os.environ, "VAULT_ADDR": server.address, "VAULT_TOKEN": server.token})
            site.write("desired-state/environments/dev.yaml", ENVIRONMENT)
            site.git("init", "--quiet", "--initial-branch=main", ".")
            yield site
        return
    site = request.getfixturevalue("site")
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT)
    yield site


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_the_documentation_shows_loads_applies_and_is_silent(file: Path, place: Site) -> None:
    text = file.read_text()
    place.environ |= {"DOCUMENTED": "not-shown-anywhere", "DATABASE": PASSWORD}
    place.write("desired-state/documented.yaml", text)
    place.commit()
    checked = place.run("validate")
    assert checked.code == 0, checked.out + checked.err
    plan = place.plan()
    assert {change["action"] for change in plan["changes"]} == {"create"}
    assert len(plan["changes"]) == text.count("\nkind: ")
    applied = place.run("apply", "--yes", "-o", "json")
    assert applied.code == 0, [one for one in applied.json["outcomes"] if one["error"]]
    assert place.plan()["changes"] == []
    for secret in ("not-shown-anywhere", PASSWORD):
        assert secret not in applied.out + applied.err
