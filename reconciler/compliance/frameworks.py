"""Which checks give evidence for which control: a table, so that an auditor can read it. Titles are ours, in short."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from reconciler.core.findings import Control


def _table(*rows: tuple[str, str, str]) -> tuple[Control, ...]:
    return tuple(Control(name, title, tuple(checks.split())) for name, title, checks in rows)


_SOC2 = _table(
    ("CC6.1", "Logical access to protected information", "C01 C03 C08 C10 C11 C24"),
    ("CC6.2", "Credentials are issued to authorised users", "C10 C11 C29"),
    ("CC6.3", "Access follows roles and least privilege", "C10 C11 C29"),
    ("CC6.6", "Protection against access from outside", "C09 C11"),
    ("CC6.7", "Information in transit and on the move", "C09 C23"),
    ("CC6.8", "Unauthorised changes are prevented or detected", "C20 C21 C22"),
    ("CC7.1", "Changes of configuration and weaknesses are detected", "C21 C06 C22"),
    ("CC7.2", "Anomalies are monitored", "C13 C14 C19 C04"),
    ("CC7.3", "Security events are evaluated", "C05 C30"),
    ("CC7.4", "Security incidents are answered", "C05 C30"),
    ("CC7.5", "Recovery from security incidents", "C23"),
    ("CC8.1", "Changes are authorised, tested and approved", "C20 C21"),
    ("A1.2", "Backup and recovery infrastructure", "C23"),
    ("A1.3", "Recovery is tested", "C23"),
    ("C1.2", "Confidential information is disposed of", "C28"),
)
_PCI = _table(
    ("3.6.1.2", "Storage of secret and private keys", "C08 C25 C26"),
    ("3.7.1", "Generation of strong keys", "C06 C24"),
    ("3.7.2", "Secure distribution of keys", "C09"),
    ("3.7.4", "Keys change at the end of their cryptoperiod", "C02 C25"),
    ("3.7.5", "Keys are retired, replaced or destroyed", "C05 C25 C28"),
    ("3.7.6", "Split knowledge and dual control", "C26"),
    ("3.7.7", "Keys cannot be substituted without authority", "C14 C20 C21"),
    ("8.2.2", "Shared accounts only by exception", "C11"),
    ("8.3.2", "Authentication factors are unreadable in storage and transit", "C08 C09"),
    ("8.3.6", "Complexity of passwords", "C06"),
    ("8.3.7", "No reuse of passwords", "C07"),
    ("8.3.9", "Change of passwords", "C02"),
    ("8.6.1", "Interactive use of system accounts", "C10 C30"),
    ("8.6.2", "No passwords in scripts and files", "C22"),
    ("8.6.3", "Passwords of applications and systems", "C02 C05 C06"),
    ("10.2.1", "Audit logs are active", "C12 C15 C17"),
    ("10.2.2", "Audit logs hold the required details", "C15"),
    ("10.3.1", "Read access to audit logs is limited", "C10"),
    ("10.3.2", "Audit logs cannot be modified", "C13"),
    ("10.3.4", "Change detection on audit logs", "C13"),
    ("10.4.1.1", "Automated reviews of audit logs", "C14 C19"),
    ("10.5.1", "Audit history for 12 months, 3 at hand", "C16"),
    ("10.6", "Time synchronisation", "C18"),
    ("10.7", "Failures of security controls are detected", "C19"),
)
_HIPAA = _table(
    ("164.312(a)(1)", "Access control", "C10"),
    ("164.312(a)(2)(i)", "Unique user identification", "C11"),
    ("164.312(a)(2)(ii)", "Emergency access procedure", "C30"),
    ("164.312(a)(2)(iii)", "Automatic logoff", "C11"),
    ("164.312(a)(2)(iv)", "Encryption and decryption", "C08"),
    ("164.312(b)", "Audit controls", "C12 C13 C15"),
    ("164.312(c)", "Integrity", "C13 C14"),
    ("164.312(d)", "Person or entity authentication", "C11 C02"),
    ("164.312(e)", "Transmission security", "C09"),
    ("164.308(a)(7)", "Contingency plan", "C23"),
    ("164.316(b)(2)", "Retention of documentation for six years", "C16"),
)
_GDPR = _table(
    ("5(1)(c,e)", "Data minimisation and storage limitation", "C16 C27 C28"),
    ("5(1)(f)", "Integrity and confidentiality", "C08 C10"),
    ("5(2)", "Accountability", "C13"),
    ("25", "Data protection by design and by default", "C03 C10 C20 C27"),
    ("30", "Records of processing", "C01"),
    ("32(1)(a)", "Encryption", "C08 C09"),
    ("32(1)(b)", "Ongoing integrity and resilience", "C12 C21"),
    ("32(1)(c)", "Restoring availability", "C23"),
    ("32(1)(d)", "Regular testing of measures", "C04 C05 C23"),
    ("33", "Notification of breaches", "C05"),
)
FRAMEWORKS: Mapping[str, tuple[Control, ...]] = MappingProxyType({"soc2": _SOC2, "pci": _PCI, "hipaa": _HIPAA, "gdpr": _GDPR})
