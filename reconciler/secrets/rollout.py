"""Which value a consumer gets while a secret's new value is rolled out in stages.

The state of a rotation lies beside the secret, at `_rotation/PATH`. While it is in its canary, a share of the consumers
gets the pending value: those whose bucket is below the percentage. A bucket is made of the rotation, the path and the
consumer's name, so each consumer keeps its own, and as the percentage grows none goes back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ..core.errors import Conflict
from .store import Held, SecretStore

FOLDER = "_rotation/"
"""Where documents lie: derived, never read from metadata, which others may write."""
KEY = "state"
REPORTS = f"{FOLDER}_reports/"
"""Where consumers say how a new value does: documents of their own, so that reports never meet those of rotations."""
ATTEMPTS = 20  # fifty consumers may report in the same second
_ROLLING = ("CANARY", "PROMOTING")  # in the second, the secret itself is about to become the pending value


def bucket(rid: str, path: str, consumer: str) -> int:
    """0 to 99, always the same for one consumer in one rotation of one secret."""
    return int.from_bytes(hashlib.sha256("\0".join((rid, path, consumer)).encode()).digest()) % 100


def pending_for(document: Mapping[str, str], path: str, consumer: str) -> dict[str, str] | None:
    """The pending value, where this consumer is to get it; None: the secret itself counts."""
    try:
        state: dict[str, Any] = json.loads(document[KEY])
        if state["phase"] not in _ROLLING or bucket(state["rid"], path, consumer) >= state["stage"]["percent"]:
            return None
        return {str(key): str(text) for key, text in state["pending"]["value"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        return None  # no rotation, or not one in stages: what everybody gets is never wrong


def report(store: SecretStore, path: str, consumer: str, *, good: bool) -> None:
    """Say how the value of the rotation that is under way does at one consumer. What it said last counts.

    Where none is under way there is nothing to say. Raises Conflict where all write at once.
    """
    rid = _rid(store.get(FOLDER + path))
    for left in range(ATTEMPTS, 0, -1) if rid else ():
        held = store.get(REPORTS + path)
        said = {**reports_of(held, rid), consumer: f"{rid} {'good' if good else 'bad'}"}
        try:
            store.put(REPORTS + path, said, held.version if held else "")
        except Conflict:
            if left == 1:
                raise
        else:
            return


def reports_of(held: Held | None, rid: str) -> dict[str, str]:
    """What consumers said of one rotation; those before it are over."""
    return {consumer: said for consumer, said in (held.value if held else {}).items() if said.startswith(f"{rid} ")}


def _rid(document: Held | None) -> str:
    try:
        return str(json.loads(document.value[KEY])["rid"]) if document else ""
    except (KeyError, TypeError, ValueError):
        return ""
