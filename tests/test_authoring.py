"""Policies from Python: a script's policy is a document like any other, and wrong ones are said to be at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reconciler import Policy, Rule
from reconciler.core.errors import Invalid, ReconcilerError
from reconciler.desired.load import load
from reconciler.desired.tree import Tree
from reconciler.kinds import KINDS

ENVIRONMENT = {"desired-state/environments/dev.yaml": b"project: genesis\nvault: {primary: {}, eu: {}}\n"}


def loaded(file: Path) -> Any:
    """The one resource that a file declares."""
    (resource,) = load(Tree({**ENVIRONMENT, "desired-state/it.yaml": file.read_bytes()}), "dev", KINDS).resources.values()
    return resource


def test_a_script_writes_a_policy_for_every_team(tmp_path: Path) -> None:
    teams = ["billing", "mail"]
    policy = Policy(
        "team-reports",
        [
            *(Rule(f"genesis/data/{team}/reports/*", ["read", "list"]) for team in teams),
            Rule("genesis/data/{{identity.entity.name}}/*", "create", required_parameters=["ttl"], max_wrapping_ttl=3600),
        ],
        instance="eu",
        namespace="team-a",
        labels={"team": "reports"},
    )
    file = policy.write(tmp_path / "policies" / "reports.yaml")
    resource = loaded(file)
    assert str(resource.address) == "vault.policy/team-reports@eu/team-a"
    assert [rule["path"] for rule in resource.spec.rules] == [
        "genesis/data/billing/reports/*",
        "genesis/data/mail/reports/*",
        "genesis/data/{{identity.entity.name}}/*",
    ]
    assert resource.spec.rules[0]["capabilities"] == ("list", "read")
    assert resource.spec.rules[2]["max_wrapping_ttl"] == 3600
    assert "max_wrapping_ttl: 1h" in file.read_text()
    assert resource.labels == {"team": "reports"}


def test_every_attribute_of_a_rule_and_a_policy_can_be_said(tmp_path: Path) -> None:
    said = Rule(
        "auth/token/create",
        ["update"],
        allowed_parameters={"ttl": ["1h", 3600], "*": []},
        denied_parameters={"period": []},
        min_wrapping_ttl="1m",
        pagination_limit=10,
        mfa_methods=["m"],
        subscribe_event_types=["*"],
        control_group={"factor": {"ops": {"identity": {"group_names": ["ops"]}}}},
        expiration="2099-01-01T00:00:00Z",
        comment="for the nightly job",
    )
    policy = Policy("all", [said], cas_required=True, expiration="2099-01-01T00:00:00Z", lifecycle={"protect": True}, environments=["dev"])
    resource = loaded(policy.write(tmp_path / "all.yaml"))
    assert set(resource.spec.rules[0]) == {*Rule.__dataclass_fields__} - {
        "required_parameters",
        "max_wrapping_ttl",
        "list_scan_response_keys_filter_path",
    }
    assert resource.spec.cas_required
    assert resource.lifecycle.protect


def test_the_same_policy_gives_the_same_text_and_is_written_over(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    Policy("p", [Rule("old", "read")]).write(file)
    first = Policy("p", [Rule("x", ("read",))]).write(file).read_text()
    assert Policy("p", iter([Rule("x", "read")])).to_yaml() != first  # one word stays a word
    assert Policy("p", iter([Rule("x", iter(["read"]))])).write(file).read_text() == first


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Policy("Upper", [Rule("x", "read")]), "stores the name `Upper` as `upper`"),
        (lambda: Policy("p", [Rule("x", "raed")]), "capability 'raed' does not exist (did you mean 'read'?)"),
        (lambda: Policy("p", [Rule("x+*", "read")]), "'+*' is forbidden"),
        (lambda: Policy("p", []), "has no rules"),
        (lambda: Policy("default", [Rule("x", "read")]), "is made by the server itself"),
        (lambda: Policy("p", [Rule("x", "read", min_wrapping_ttl="1day")]), "is not a duration"),
        (lambda: Policy("p", [Rule("x", "read", allowed_parameters={"token": ["hvs." + "A" * 24]})]), "a Vault token in plain text"),
    ],
)
def test_what_is_wrong_is_said_as_soon_as_the_policy_is_made(made: Any, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        made()
    assert said in str(caught.value)
    assert "vault.policy/" in str(caught.value)


def test_a_file_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReconcilerError, match="could not be written"):
        Policy("p", [Rule("x", "read")]).write(tmp_path / "file" / "p.yaml")


def test_importing_the_package_imports_nothing_of_it() -> None:
    script = "import sys, reconciler; print([name for name in sys.modules if name.startswith(('reconciler.', 'pydantic', 'yaml'))])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="has no attribute 'Polciy'"):
        __import__("reconciler").Polciy  # noqa: B018  # asked for what is not there
