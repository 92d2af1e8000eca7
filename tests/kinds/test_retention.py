"""`retention`, offline: what is declared counts, one document an environment, and no framework's minimum is undercut."""

from __future__ import annotations

import pytest

from tests.cli.conftest import ENVIRONMENT, site
from tests.cli.site import Ran, Site

__all__ = ["site"]


def validated(site: Site, spec: str, environment: str = "", more: str = "") -> Ran:
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT + environment)
    site.write("desired-state/retention.yaml", f"kind: retention\nname: default\nspec: {spec}\n{more}")
    site.commit()
    return site.run("validate")


@pytest.mark.parametrize(
    ("frameworks", "kept", "words"),
    [
        ("", "30d", ""),
        ("soc2, gdpr", "30d", ""),
        ("pci", "1y", ""),
        ("pci", "364d", "pci 10.5.1 asks for 365d, and 364d are kept"),
        ("hipaa", "6y", ""),
        ("hipaa", "5y", "hipaa 164.316(b)(2) asks for 2190d, and 1825d are kept"),
    ],
)
def test_the_audit_log_is_kept_for_as_long_as_a_declared_framework_asks(site: Site, frameworks: str, kept: str, words: str) -> None:
    ran = validated(site, f"{{audit_log: {kept}}}", f"compliance: {{frameworks: [{frameworks}]}}\n")
    assert ran.code == (1 if words else 0), ran
    assert words in ran.err
    assert "desired-state/retention.yaml:1: retention/default" in ran.err or not words


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("{audit_logs: 7y}", "audit_log"),
        ("{backups: 1h}", "backups"),
        ("{archive: {}}", "one of {s3} and {file}"),
        ("{archive: {s3: a/b, file: c}}", "one of {s3} and {file}"),
        ("{archive: {file: c, aws: eu}}", "`aws` belongs to `s3`"),
        ("{legal_hold: [case-1, case-1]}", "two holds have one name"),
        ("{legal_hold: [{name: a, keeps: [metrics]}]}", "keeps"),
        ("{legal_hold: [{name: a, keeps: [backups], secrets: [x]}]}", "narrows `secret_versions`"),
        ("{legal_hold: [{name: a, since: 2027-02-01, until: 2027-01-01}]}", "`since` is after `until`"),
    ],
)
def test_what_cannot_be_meant_is_an_error(site: Site, spec: str, words: str) -> None:
    ran = validated(site, spec)
    assert ran.code == 1, ran
    assert words in ran.err
    assert "Traceback" not in ran.err


def test_an_environment_has_one_retention(site: Site) -> None:
    ran = validated(site, "{}", more="---\nkind: retention\nname: other\nspec: {backups: 1y}\n")
    assert ran.code == 1
    assert "only one can have it" in ran.err
