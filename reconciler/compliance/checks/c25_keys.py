"""C25: encryption keys are rotated, do not leave their server, and what is old cannot be decrypted for ever."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from reconciler.core.values import show_duration

from ..evidence import Evidence
from ..judging import flaw, judged, of_kind
from ..result import Assessment, Check, Finding, Severity

_TRANSIT, _KMS = "vault.transit_key", "aws.kms_key"
_DAY = 86400
_ANOTHER = "make another one: this cannot be taken back"


def _assess(evidence: Evidence) -> Assessment:
    declared = [(str(one.address), *_says(one.spec)) for one in of_kind(evidence, _TRANSIT)]
    managed = [(str(one.address), one.spec.rotation, one.spec.rotation_period_days) for one in of_kind(evidence, _KMS)]
    return judged(
        [*declared, *managed, *evidence.keys.found],
        [*_declared(evidence), *_managed(evidence), *_live(evidence)],
        evidence.keys,
        nothing="there is no encryption key",
    )


def _says(spec: Any) -> tuple[object, ...]:
    return (spec.exportable, spec.allow_plaintext_backup, spec.deletion_allowed, spec.auto_rotate_period)


def _declared(evidence: Evidence) -> Iterator[Finding]:
    most = evidence.thresholds.max_age.transit_key
    ours = {one.rotates for one in evidence.secrets if one.interval is not None}
    for key in of_kind(evidence, _TRANSIT):
        spec, name = key.spec, str(key.address)
        if spec.exportable or spec.allow_plaintext_backup:
            field = "exportable" if spec.exportable else "allow_plaintext_backup"
            yield flaw(name, f"may leave the server (`{field}`)", key.origin, _ANOTHER)
        if spec.deletion_allowed:
            yield flaw(name, "may be deleted at any time (`deletion_allowed`)", key.origin, "set deletion_allowed: false")
        if not spec.auto_rotate_period and name not in ours:
            yield flaw(name, "is never rotated", key.origin, f"set auto_rotate_period to {show_duration(most)} at most")
        if spec.auto_rotate_period > most:
            words = f"is rotated every {show_duration(spec.auto_rotate_period)}, and {show_duration(most)} is allowed"
            yield flaw(name, words, key.origin, "lower auto_rotate_period")


def _managed(evidence: Evidence) -> Iterator[Finding]:
    most = evidence.thresholds.max_age.kms_key
    ours = {one.rotates for one in evidence.secrets if one.interval is not None}
    for key in of_kind(evidence, _KMS):
        if str(key.address) in ours:
            continue
        if not key.spec.rotation:
            yield flaw(str(key.address), "is never rotated", key.origin, "set rotation: true")
        elif (key.spec.rotation_period_days or 0) * _DAY > most:
            yield flaw(str(key.address), f"is rotated every {key.spec.rotation_period_days} days", key.origin, "lower rotation_period_days")


def _live(evidence: Evidence) -> Iterator[Finding]:
    declared = {str(one.address): one.origin for one in of_kind(evidence, _TRANSIT)}
    most = datetime.timedelta(seconds=evidence.thresholds.max_age.transit_key)
    for one in evidence.keys.found:
        origin = declared.get(one.address)
        newest = max(one.made.values(), default=evidence.at)
        if evidence.at - newest > most:
            yield flaw(one.address, f"its newest version is of {newest:%Y-%m-%d}", origin)
        # One period for use, and one to encrypt anew what the version before encrypted.
        elif evidence.at - one.made.get(one.oldest, newest) > 2 * most:
            remedy = "encrypt anew (rewrap), then raise min_decryption_version"
            yield flaw(one.address, f"still decrypts with version {one.oldest}, of {one.made[one.oldest]:%Y-%m-%d}", origin, remedy)
        if one.exportable or one.plain_backup:
            field = "exportable" if one.exportable else "allow_plaintext_backup"
            yield flaw(one.address, f"may leave the server (`{field}`)", origin, _ANOTHER)
        if one.deletable:
            yield flaw(one.address, "may be deleted at any time (`deletion_allowed`)", origin, "set deletion_allowed: false")


C25 = Check(
    "C25",
    "Encryption keys: age, versions, not exportable",
    Severity.HIGH,
    "rotate it: bao write -f MOUNT/keys/NAME/rotate",
    offline=True,
    assess=_assess,
)
