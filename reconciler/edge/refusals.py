"""A request that goes no further."""

from __future__ import annotations


class Refusal(Exception):
    """Ends a request with `status`. `reason` is for the operator, and quotes nothing that was sent."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def malformed(reason: str) -> Refusal:
    return Refusal(400, reason)


def unproven(reason: str) -> Refusal:
    """One answer, whatever was wrong with a proof: nothing can be learned by trying."""
    return Refusal(401, reason)
