"""The checks: one file each, and `ALL`, a literal tuple: no check registers itself."""

from __future__ import annotations

from ..result import Check
from .c01_inventory import C01
from .c02_age import C02
from .c03_ownership import C03
from .c04_rotation import C04
from .c05_emergency import C05
from .c06_strength import C06
from .c07_reuse import C07
from .c08_at_rest import C08
from .c09_transport import C09
from .c10_access import C10
from .c11_identities import C11
from .c12_sinks import C12
from .c13_verified import C13
from .c14_completeness import C14
from .c15_fields import C15
from .c16_retention import C16
from .c17_log_access import C17
from .c18_clock import C18
from .c19_alerts import C19
from .c20_approval import C20
from .c21_drift import C21
from .c22_plaintext import C22
from .c23_backup import C23
from .c24_certificates import C24
from .c25_keys import C25
from .c26_unsealing import C26
from .c27_personal import C27
from .c28_old_versions import C28
from .c29_unused import C29
from .c30_break_glass import C30

ALL: tuple[Check, ...] = (
    C01,
    C02,
    C03,
    C04,
    C05,
    C06,
    C07,
    C08,
    C09,
    C10,
    C11,
    C12,
    C13,
    C14,
    C15,
    C16,
    C17,
    C18,
    C19,
    C20,
    C21,
    C22,
    C23,
    C24,
    C25,
    C26,
    C27,
    C28,
    C29,
    C30,
)
OFFLINE: tuple[Check, ...] = tuple(check for check in ALL if check.offline)
