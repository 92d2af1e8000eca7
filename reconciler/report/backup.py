"""Backups in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.values import visible


def made_text(found: Mapping[str, Any]) -> str:
    """What a backup holds, and how far it was checked."""
    lines = [f"{found['id']}  {found['environment']} of {found['project']}, {found['made']}, {found['bytes']:,} bytes"]
    lines += [f"  {line}" for line in _held(found)]
    lines.append(f"  signed by {found['signed_by']}")
    lines.append(f"  for {', '.join(found['recipients'])}")
    lines.append(f"ok: {_checked(found['decrypted'])}")
    # What a file says of itself is the writer's: no line of it may look like one of ours.
    return "\n".join(map(visible, lines))


def _checked(decrypted: bool) -> str:
    if decrypted:
        return "signature, sizes and digests are right; everything in it was decrypted and compared"
    return "signature, sizes and digests are right; it was not decrypted, since no identity is at hand (--identity FILE)"


def _held(found: Mapping[str, Any]) -> Iterable[str]:
    counts = found["counts"]
    ledger = found["ledger"]
    yield f"ledger: state {ledger['serial']}, {counts.get('ledger entry', 0):,} entries" if ledger else "ledger: there was none"
    entries = found["audit_entries"]
    yield "audit log: there was none" if entries is None else f"audit log: {entries:,} entries"
    for part in sorted({name.partition(" ")[0] for name in counts} - {"ledger", "audit", "snapshot"}):
        yield f"store {part}: {counts.get(f'{part} version', 0):,} versions"
    if "snapshot snapshot" in counts:
        yield "raft snapshot: yes"
    for name, seal in found["seals"].items():
        yield f"vault {name} is sealed by: {seal}"
