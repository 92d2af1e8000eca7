"""A look at what nobody announced: drift, and how the secrets stand. Kept as notes, for metrics and pages."""

from __future__ import annotations

from .events import Claim
from .ports import Ports

NAMED = 200  # objects; more than that nobody reads


class DriftLook:
    """Looks at the subject `drift`."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def __call__(self, _claim: Claim) -> str:
        ports = self._ports
        done = ports.commands.drift()
        secrets = ports.commands.standings()
        if secrets.answer is not None:
            ports.notes.write("secrets", {"at": ports.clock(), **secrets.answer})
        if done.answer is None:
            ports.notes.write("drift", {"at": ports.clock(), "known": False, "why": done.log.strip()[:1000]})
            return f"drift cannot be told: {done.log.strip()[:200]}"
        addresses = [change["address"] for change in done.answer["changes"]]
        note = {
            "commit": done.answer["commit"],
            "complete": done.answer["complete"],
            "count": len(addresses),
            "addresses": addresses[:NAMED],
        }
        ports.notes.write("drift", {"at": ports.clock(), "known": True, **note})
        return f"{len(addresses):,} objects differ from what was applied" if addresses else "nothing drifted"
