"""What a run of rotations did, and what the next pass would do."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from reconciler.core.rotated import Outlook, Rotated
from reconciler.core.standing import as_text
from reconciler.core.values import visible

from .rotation import rough
from .runs import table


def rotated_text(done: Sequence[Rotated], now: float | None = None) -> str:
    """A line for each secret that something happened to, or that something stands in the way of; then the sum."""
    moment = int(time.time() if now is None else now)
    told = [one for one in done if _is_told(one) or len(done) == 1]
    lines = [f"{visible(one.path)}: {_outcome(one, moment)}" for one in told]
    quiet = Counter(_quiet(one) for one in done if not (_is_told(one) or len(done) == 1))
    lines.extend(f"{count:,} secret{'s' if count != 1 else ''} {words}." for words, count in sorted(quiet.items()))
    return "\n".join(lines) or "No secret is declared."


def _is_told(one: Rotated) -> bool:
    return bool(one.moves or one.error or one.failed)


def _quiet(one: Rotated) -> str:
    if one.queued:
        return "due, and waiting for a turn: the caps allow no more at once"
    return "not due" if one.phase == "IDLE" else "held" if one.phase == "HELD" else f"in {one.phase}, which has to last"


def _outcome(one: Rotated, now: int) -> str:
    alarm = [_refusal(one)] if one.alarm else []
    if one.error:
        return "; ".join([f"error: {visible(one.error)}", *alarm])
    parts = []
    if one.trouble:
        parts.append(
            f"{'given up' if one.phase == 'ORPHANED' else one.phase if one.phase == 'CONFLICT' else 'taken back'}: {visible(one.trouble)}"
        )
    elif one.rotated:
        parts.append(f"rotated in {one.seconds:.1f} s")
    elif one.promoted:
        parts.append("readers get the new value")
    parts.extend(alarm)
    if not one.rotated and one.waits:
        left = f" for another {rough(one.until - now)}" if one.until else ""
        parts.append(f"{one.phase if one.moves or one.phase != 'IDLE' else 'nothing to do'}: {visible(one.waits)}{left}")
    return "; ".join(parts) or one.phase


def _refusal(one: Rotated) -> str:
    if one.exposed:
        return "what leaked is still good, or not known to be refused"
    if one.refused is None:
        return "the leaked value is no longer given out; whether it is still accepted is for its consumers to say"
    return f"the leaked value is refused after {one.took:.1f} s"


def rotated_json(done: Sequence[Rotated]) -> list[dict[str, Any]]:
    return [
        {
            "path": one.path,
            "phase": one.phase,
            "outcome": "error"
            if one.error
            else "failed"
            if one.failed
            else "rotated"
            if one.rotated
            else "waiting"
            if one.moves
            else "unchanged",
            "waits": one.waits or None,
            "until": as_text(one.until),
            "error": one.error or one.trouble or (one.waits if one.exposed else "") or None,
            "seconds": round(one.seconds, 3),
            "leaked": one.alarm,
            "refused": one.refused,
        }
        for one in done
    ]


def outlook_text(rows: Sequence[Outlook]) -> str:
    """What the next pass would do."""
    if not rows:
        return "No secret is declared."
    cells = [("secret", "phase", "next", "because")]
    cells.extend((visible(one.path), one.phase, one.next, visible(one.reason)) for one in rows)
    return table(cells)
