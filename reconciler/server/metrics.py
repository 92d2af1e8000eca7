"""What Prometheus is told. A registry of our own: what libraries count in the global one is theirs."""

from __future__ import annotations

import calendar
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from ..core.health import Health
from .worker import Looked

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1200)
TROUBLE = ("ORPHANED", "CONFLICT", "ABORTING", "ROLLING_BACK", "UNKNOWN")


class Metrics:
    """Counts as things happen. `notes` is read when somebody scrapes: it is the same on all replicas."""

    def __init__(self, project: str, environment: str, notes: Callable[[], Mapping[str, Any]], open_events: Callable[[], int]) -> None:
        self.registry = one = CollectorRegistry()
        self._webhooks = Counter("reconciler_webhooks", "Webhooks, by what came of them.", ["webhook", "outcome"], registry=one)
        self._blocked = Counter("reconciler_blocked", "Requests that went no further than the edge.", ["by", "status"], registry=one)
        self._failures = Counter("reconciler_auth_failures", "Requests that failed to prove who sent them.", ["by"], registry=one)
        self._looks = Counter("reconciler_looks", "Looks at a branch, a pull request or drift.", ["subject", "outcome"], registry=one)
        self._look_seconds = Histogram("reconciler_look_seconds", "How long a look takes.", ["subject"], buckets=SECONDS, registry=one)
        self._commands = Counter("reconciler_commands", "Commands that were run, by exit code.", ["command", "code"], registry=one)
        self._command_seconds = Histogram(
            "reconciler_command_seconds", "How long plans, applies and rollbacks take.", ["command"], buckets=SECONDS, registry=one
        )
        self._up = Gauge("reconciler_up", "1 where an instance, a store or the ledger serves.", ["name"], registry=one)
        self._probe_seconds = Gauge("reconciler_probe_seconds", "Seconds of the last probe's first answer.", ["name"], registry=one)
        self._breaker = Gauge("reconciler_breaker_open", "1 where a store's breaker is not closed.", ["name"], registry=one)
        self._locked = Gauge("reconciler_lockdown", "1 while nothing is taken or applied.", registry=one)
        self._probed: set[str] = set()
        self.registry.register(_Noted({"project": project, "environment": environment}, notes, open_events))

    def heard(self, webhook: str, outcome: str) -> None:
        self._webhooks.labels(webhook, outcome).inc()

    def blocked(self, by: str, status: int) -> None:
        self._blocked.labels(by, str(status)).inc()
        if status == 401:
            self._failures.labels(by).inc()

    def looked(self, looked: Looked) -> None:
        sort = looked.subject.partition("/")[0]
        self._looks.labels(sort, "failed" if looked.failed else "done").inc()
        self._look_seconds.labels(sort).observe(looked.seconds)

    def ran(self, command: str, code: int, seconds: float) -> None:
        self._commands.labels(command, str(code)).inc()
        self._command_seconds.labels(command).observe(seconds)

    def probed(self, checks: Sequence[Health]) -> None:
        """What is declared no more is not told any more: an alert on it would never end."""
        names = {one.name for one in checks}
        for gone in self._probed - names:
            for gauge in (self._up, self._probe_seconds, self._breaker):
                gauge.remove(gone)
        self._probed = names
        for one in checks:
            self._up.labels(one.name).set(one.healthy)
            self._probe_seconds.labels(one.name).set(one.latency)
            self._breaker.labels(one.name).set(one.facts.get("breaker", "closed") != "closed")

    def locked_down(self, closed: bool) -> None:
        self._locked.set(closed)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)


class _Noted(Collector):
    """Gauges from what looks have noted. A number that is not known is left out: 0 would be a lie."""

    def __init__(self, where: Mapping[str, str], notes: Callable[[], Mapping[str, Any]], open_events: Callable[[], int]) -> None:
        self._where = where
        self._notes = notes
        self._open_events = open_events

    def describe(self) -> Iterable[Metric]:
        return ()  # else it would be asked for its values when it is registered

    def collect(self) -> Iterable[Metric]:
        notes = self._notes()
        yield self._gauge("events_open", "Events that wait or are worked on.", self._open_events())
        drift, tip, secrets = notes.get("drift"), notes.get("tip"), notes.get("secrets")
        if drift:
            yield self._gauge("drift_timestamp_seconds", "When drift was last looked for.", drift["at"])
            yield self._gauge("drift_known", "1 where the last look for drift could tell.", int(drift["known"]))
        if drift and drift["known"]:
            yield self._gauge("drift_objects", "Objects that differ from what was applied.", drift["count"])
        if tip:
            settled = int(tip["state"] in ("applied", "in sync"))
            yield self._gauge("tip_applied", "1 where the branch's tip is applied.", settled)
            yield self._gauge("tip_timestamp_seconds", "When the branch's tip was last dealt with.", tip["at"])
        if secrets:
            yield from self._secrets(secrets["at"], secrets["rows"])
        yield from self._evidence(notes)

    def _evidence(self, notes: Mapping[str, Any]) -> Iterable[Metric]:
        """What the last look at the evidence came to."""
        audit, backups, compliance = (notes.get(name) or {} for name in ("audit", "backups", "compliance"))
        yield from self._looked({"audit": audit, "backups": backups, "compliance": compliance})
        if audit.get("known"):
            yield self._gauge("audit_verified", "1 where the audit log is what was recorded.", int(audit["ok"]))
            yield self._gauge("audit_entries", "Entries of the audit log.", audit["entries"])
            yield self._gauge("audit_anchored_entries", "Of these, those that an anchor covers.", audit["anchored"])
            if audit["newest"]:
                yield self._gauge("audit_newest_timestamp_seconds", "When the newest entry was recorded.", audit["newest"])
        for action in ("backup", "drill"):
            if backups.get(action):
                yield self._gauge(f"{action}_last_timestamp_seconds", f"When the last {action} succeeded.", backups[action])
        if compliance.get("known"):
            yield self._gauge("compliance_excepted", "Findings that exceptions lift.", compliance["excepted"])
            yield from self._checks(compliance["checks"])

    def _looked(self, notes: Mapping[str, Mapping[str, Any]]) -> Iterable[Metric]:
        labels = [*self._where, "sort"]
        at = GaugeMetricFamily("reconciler_evidence_timestamp_seconds", "When evidence was last looked at.", labels=labels)
        known = GaugeMetricFamily("reconciler_evidence_known", "1 where the last look at it could tell.", labels=labels)
        for sort, note in notes.items():
            if note:
                at.add_metric([*self._where.values(), sort], note["at"])
                known.add_metric([*self._where.values(), sort], int(note["known"]))
        yield at
        yield known

    def _checks(self, checks: Sequence[Mapping[str, str]]) -> Iterable[Metric]:
        labels = [*self._where, "check", "severity"]
        failing = GaugeMetricFamily("reconciler_compliance_failing", "1 where a check fails.", labels=labels)
        assessed = GaugeMetricFamily("reconciler_compliance_assessed", "0 where a check could not be made.", labels=labels)
        for one in checks:
            at = [*self._where.values(), one["check"], one["severity"]]
            failing.add_metric(at, one["status"] == "fail")
            assessed.add_metric(at, one["status"] != "not-assessed")
        yield failing
        yield assessed

    def _secrets(self, at: float, rows: Sequence[Mapping[str, Any]]) -> Iterable[Metric]:
        """Under the names that `rotate --metrics` writes, too."""
        yield self._gauge("rotation_timestamp_seconds", "When the secrets were last looked at.", at)
        yield self._gauge("rotation_secrets", "Secrets that are declared.", len(rows))
        yield self._gauge("rotation_due_soon", "Secrets within their warning time.", sum(row["warn"] for row in rows))
        yield self._gauge("rotation_overdue", "Secrets past their due time.", sum(row["overdue"] for row in rows))
        yield self._gauge("rotation_in_trouble", "Secrets that a person has to look at.", sum(row["phase"] in TROUBLE for row in rows))
        labels = [*self._where, "path"]
        failures = GaugeMetricFamily("reconciler_rotation_failures", "Definite failures in a row.", labels=labels)
        last = GaugeMetricFamily("reconciler_rotation_last_timestamp_seconds", "When a secret was last rotated.", labels=labels)
        for row in rows:
            failures.add_metric([*self._where.values(), row["path"]], row["failures"])
            if row["last_rotated"]:
                last.add_metric([*self._where.values(), row["path"]], _moment(row["last_rotated"]))
        yield failures
        yield last

    def _gauge(self, name: str, said: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"reconciler_{name}", said, labels=list(self._where))
        family.add_metric(list(self._where.values()), value)
        return family


def _moment(written: str) -> float:
    return calendar.timegm(time.strptime(written, "%Y-%m-%dT%H:%M:%SZ"))
