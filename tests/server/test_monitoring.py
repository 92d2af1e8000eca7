"""What Prometheus is told, and the alert rules and the dashboard that are made of it: checked by Prometheus' own tool."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from reconciler.core.health import Health, State
from reconciler.server.metrics import Metrics
from reconciler.server.worker import Looked

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "monitoring"
ALERTS = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
SECRET = {"path": "db/orders", "warn": True, "overdue": True, "phase": "CONFLICT", "failures": 2, "last_rotated": "2026-01-02T03:04:05Z"}

CHECKS = [
    {"check": "C02", "severity": "high", "status": "fail"},
    {"check": "C13", "severity": "critical", "status": "pass"},
    {"check": "C23", "severity": "high", "status": "not-assessed"},
]


def promtool(*arguments: str, cwd: Path) -> str:
    program = shutil.which("promtool")
    assert program, "promtool is in Debian's package prometheus (make system)"
    done = subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def exercised() -> Metrics:
    """Metrics to which everything has happened once."""
    notes: dict[str, Any] = {
        "drift": {"at": 100.0, "known": True, "count": 2, "complete": True},
        "tip": {"at": 100.0, "state": "refused"},
        "secrets": {"at": 100.0, "rows": [SECRET]},
        "audit": {"at": 100.0, "known": True, "full_at": 100.0, "ok": False, "entries": 7, "anchored": 5, "newest": 90.0},
        "backups": {"at": 100.0, "known": True, "backup": 60.0, "drill": 30.0},
        "compliance": {"at": 100.0, "known": True, "excepted": 1, "checks": CHECKS},
    }
    metrics = Metrics("genesis", "prod", lambda: notes, lambda: 3)
    metrics.heard("github", "accepted")
    metrics.blocked("signature", 401)
    metrics.looked(Looked("pull/7", "planned", 1.0, failed=False))
    metrics.ran("apply", 5, 2.0)
    metrics.probed([Health("vault primary", State.OK, latency=0.1), Health("store vault", State.DOWN, {"breaker": "open"})])
    metrics.locked_down(True)
    return metrics


def samples(metrics: Metrics) -> dict[str, list[tuple[dict[str, str], float]]]:
    return told(metrics.exposition().decode())


def told(text: str) -> dict[str, list[tuple[dict[str, str], float]]]:
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_what_happened_is_told() -> None:
    found = samples(exercised())
    where = {"project": "genesis", "environment": "prod"}
    assert found["reconciler_auth_failures_total"] == [({"by": "signature"}, 1.0)]
    assert found["reconciler_up"] == [({"name": "vault primary"}, 1.0), ({"name": "store vault"}, 0.0)]
    assert found["reconciler_breaker_open"] == [({"name": "vault primary"}, 0.0), ({"name": "store vault"}, 1.0)]
    assert found["reconciler_drift_objects"] == [(where, 2.0)]
    assert found["reconciler_tip_applied"] == [(where, 0.0)]
    assert found["reconciler_rotation_overdue"] == found["reconciler_rotation_in_trouble"] == [(where, 1.0)]
    assert found["reconciler_rotation_last_timestamp_seconds"] == [({**where, "path": "db/orders"}, 1767323045.0)]
    assert found["reconciler_lockdown"] == [({}, 1.0)]
    assert found["reconciler_audit_verified"] == [(where, 0.0)]
    assert found["reconciler_audit_anchored_entries"] == [(where, 5.0)]
    assert found["reconciler_backup_last_timestamp_seconds"] == [(where, 60.0)]
    assert [(labels["check"], failing) for labels, failing in found["reconciler_compliance_failing"]] == [
        ("C02", 1.0),
        ("C13", 0.0),
        ("C23", 0.0),
    ]
    assert [known for _, known in found["reconciler_compliance_assessed"]] == [1.0, 1.0, 0.0]


def test_what_is_not_known_is_not_told() -> None:
    found = samples(Metrics("genesis", "prod", dict, lambda: 0))
    assert "reconciler_drift_objects" not in found
    assert "reconciler_tip_applied" not in found
    unknown = samples(Metrics("genesis", "prod", lambda: {"drift": {"at": 1.0, "known": False}}, lambda: 0))
    assert unknown["reconciler_drift_known"][0][1] == 0.0
    assert "reconciler_drift_objects" not in unknown


def test_no_evidence_is_neither_good_nor_bad_evidence() -> None:
    unknown = {name: {"at": 1.0, "known": False} for name in ("audit", "backups", "compliance")}
    found = samples(Metrics("genesis", "prod", lambda: unknown, lambda: 0))
    assert {labels["sort"]: known for labels, known in found["reconciler_evidence_known"]} == dict.fromkeys(unknown, 0.0)
    assert [
        name for name in found if name.startswith(("reconciler_audit", "reconciler_backup", "reconciler_drill", "reconciler_compl"))
    ] == []
    never = samples(Metrics("genesis", "prod", lambda: {"backups": {"at": 1.0, "known": True, "backup": None, "drill": None}}, lambda: 0))
    assert not any(name.startswith("reconciler_backup_last") for name in never)


def test_what_is_declared_no_more_is_not_told_any_more() -> None:
    metrics = exercised()
    metrics.probed([Health("vault primary", State.OK)])
    assert samples(metrics)["reconciler_up"] == [({"name": "vault primary"}, 1.0)]


@pytest.mark.parametrize("expression", sorted({rule["expr"] for rule in ALERTS} | set(EXPRESSIONS)))
def test_every_metric_that_is_asked_for_is_told_with_the_labels_that_are_named(expression: str) -> None:
    told = samples(exercised())
    named = re.findall(r"(reconciler_\w+)(?:\{([^}]*)\})?", expression)
    assert named
    for name, labels in named:
        assert name in told, name
        for label in re.findall(r"(\w+)=~?\"", labels):
            assert label in told[name][0][0], f"{name} has no label {label}"


def test_the_rules_and_the_dashboards_queries_are_promql(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": one.replace("$environment", ".*")} for number, one in enumerate(EXPRESSIONS)]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert "SUCCESS" in promtool("check", "rules", str(FOLDER / "alerts.yaml"), "panels.yaml", cwd=tmp_path)


# For each alert: series that make it fire within two hours, one sample a minute. promtool's clock begins with 1970.
WHERE = 'project="genesis", environment="prod"'
DAY = 86400
FIRING = {
    "ReconcilerBackendDown": ('reconciler_up{name="vault primary"}', "0x120"),
    "ReconcilerServerGone": ("reconciler_lockdown", "0x120"),
    "ReconcilerBreakerOpen": ('reconciler_breaker_open{name="store vault"}', "1x120"),
    "ReconcilerTipNotApplied": (f"reconciler_tip_applied{{{WHERE}}}", "0x120"),
    "ReconcilerApplyFailed": ('reconciler_commands_total{command="apply", code="5"}', "0+1x120"),
    "ReconcilerDrift": (f"reconciler_drift_objects{{{WHERE}}}", "2x120"),
    "ReconcilerDriftUnknown": (f"reconciler_drift_known{{{WHERE}}}", "0x120"),
    "ReconcilerRotationOverdue": (f"reconciler_rotation_overdue{{{WHERE}}}", "1x120"),
    "ReconcilerRotationInTrouble": (f"reconciler_rotation_in_trouble{{{WHERE}}}", "1x120"),
    "ReconcilerRotationFails": (f'reconciler_rotation_failures{{{WHERE}, path="db/orders"}}', "3x120"),
    "ReconcilerAuthFailures": ('reconciler_auth_failures_total{by="signature"}', "0+60x120"),
    "ReconcilerWebhooksRefused": ('reconciler_webhooks_total{webhook="github", outcome="refused"}', "0+10x120"),
    "ReconcilerEventsWait": (f"reconciler_events_open{{{WHERE}}}", "600x120"),
    "ReconcilerLooksFail": ('reconciler_looks_total{subject="branch", outcome="failed"}', "0+1x120"),
    "ReconcilerLockdown": ("reconciler_lockdown", "1x120"),
    "ReconcilerAuditNotVerified": (f"reconciler_audit_verified{{{WHERE}}}", "0x120"),
    "ReconcilerEvidenceUnknown": (f'reconciler_evidence_known{{{WHERE}, sort="audit"}}', "0x120"),
    "ReconcilerAuditNotAnchored": (f"reconciler_audit_anchored_entries{{{WHERE}}}", "0x120"),
    "ReconcilerBackupOld": (f'reconciler_evidence_known{{{WHERE}, sort="backups"}}', "1x120"),
    "ReconcilerDrillOld": (f"reconciler_drill_last_timestamp_seconds{{{WHERE}}}", f"{-93 * DAY}x120"),
    "ReconcilerCheckFails": (f'reconciler_compliance_failing{{{WHERE}, check="C02", severity="high"}}', "1x120"),
    "ReconcilerCheckNotMade": (f'reconciler_compliance_assessed{{{WHERE}, check="C23", severity="high"}}', "0x120"),
}
LATER = {
    "an anchor that does not move while the log grows": (
        "ReconcilerAuditNotAnchored",
        {f"reconciler_audit_anchored_entries{{{WHERE}}}": "5x240", f"reconciler_audit_entries{{{WHERE}}}": "6+1x240"},
        True,
    ),
    "an anchor that does not move while nothing happens": (
        "ReconcilerAuditNotAnchored",
        {f"reconciler_audit_anchored_entries{{{WHERE}}}": "5x240", f"reconciler_audit_entries{{{WHERE}}}": "5x240"},
        False,
    ),
    "a backup that becomes old": ("ReconcilerBackupOld", {f"reconciler_backup_last_timestamp_seconds{{{WHERE}}}": "0x240"}, True),
    "a look at evidence that happens no more": (
        "ReconcilerEvidenceUnknown",
        {f'reconciler_evidence_timestamp_seconds{{{WHERE}, sort="audit"}}': "0x240"},
        True,
    ),
}
"""What takes over a week to fire: the alert, its series, one sample an hour, and whether it fires after nine days."""
QUIET = {
    'reconciler_up{name="vault primary"}': "1x120",
    'reconciler_breaker_open{name="store vault"}': "0x120",
    f"reconciler_tip_applied{{{WHERE}}}": "1x120",
    'reconciler_commands_total{command="apply", code="0"}': "0+1x120",
    f"reconciler_drift_objects{{{WHERE}}}": "0x120",
    f"reconciler_drift_known{{{WHERE}}}": "1x120",
    f"reconciler_drift_timestamp_seconds{{{WHERE}}}": "0+60x120",
    f"reconciler_rotation_overdue{{{WHERE}}}": "0x120",
    f"reconciler_rotation_in_trouble{{{WHERE}}}": "0x120",
    f'reconciler_rotation_failures{{{WHERE}, path="db/orders"}}': "0x120",
    'reconciler_auth_failures_total{by="signature"}': "0+1x120",
    'reconciler_webhooks_total{webhook="github", outcome="accepted"}': "0+10x120",
    f"reconciler_events_open{{{WHERE}}}": "3x120",
    'reconciler_looks_total{subject="branch", outcome="done"}': "0+1x120",
    "reconciler_lockdown": "0x120",
    f"reconciler_audit_verified{{{WHERE}}}": "1x120",
    f"reconciler_audit_entries{{{WHERE}}}": "5+1x120",
    f"reconciler_audit_anchored_entries{{{WHERE}}}": "5x120",
    f'reconciler_evidence_known{{{WHERE}, sort="backups"}}': "1x120",
    f'reconciler_evidence_timestamp_seconds{{{WHERE}, sort="backups"}}': "0+60x120",
    f"reconciler_backup_last_timestamp_seconds{{{WHERE}}}": "0x120",
    f"reconciler_drill_last_timestamp_seconds{{{WHERE}}}": "0x120",
    f'reconciler_compliance_failing{{{WHERE}, check="C02", severity="high"}}': "0x120",
    f'reconciler_compliance_failing{{{WHERE}, check="C06", severity="low"}}': "1x120",
    f'reconciler_compliance_assessed{{{WHERE}, check="C23", severity="high"}}': "1x120",
}


def trial(series: dict[str, str], expected: dict[str, bool], interval: str = "1m", after: str = "2h") -> dict[str, Any]:
    """A case for promtool. Whether an alert fires is asked by its name alone: as many as there are series of it."""
    asked = [
        {
            "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)',
            "eval_time": after,
            "exp_samples": [{"labels": "{}", "value": int(fires)}],
        }
        for name, fires in expected.items()
    ]
    return {
        "interval": interval,
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": asked,
    }


def held(cases: list[dict[str, Any]], every: str, folder: Path) -> None:
    written = {"rule_files": [str(FOLDER / "alerts.yaml")], "evaluation_interval": every, "tests": cases}
    (folder / "trials.yaml").write_text(yaml.safe_dump(written))
    assert "SUCCESS" in promtool("test", "rules", "trials.yaml", cwd=folder)


def test_each_alert_fires_when_it_should_and_none_when_all_is_well(tmp_path: Path) -> None:
    assert set(FIRING) == {rule["alert"] for rule in ALERTS}
    quiet = trial(QUIET, dict.fromkeys(FIRING, False))
    cases = [quiet, *(trial(dict([pair]), {name: True}) for name, pair in FIRING.items())]
    held(cases, "1m", tmp_path)


def test_alerts_that_take_days_fire_then_and_not_for_less(tmp_path: Path) -> None:
    held([trial(series, {name: fires}, "1h", "9d") for name, series, fires in LATER.values()], "1h", tmp_path)


def test_the_dashboard_has_every_panel_where_no_other_is() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
