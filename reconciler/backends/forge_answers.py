"""What a forge's refusal means, in words: GitHub and GitLab use the same statuses for the same."""

from __future__ import annotations

from ..core.errors import BackendError, Denied, Missing, Unavailable


def refusal(forge: str, what: str, status: int) -> BackendError:
    """The error for a status that is no success. `forge` is its name, `what` the path that was asked for."""
    if status == 403:
        return Denied(f"{forge}: {what}: the token may not do this", path=what, capability="scope of the token")
    if status == 404:
        return Missing(f"{forge}: {what}: is not there, or not for this token", path=what, status=status)
    if status >= 500 or status == 429:
        return Unavailable(f"{forge}: {what}: answered {status}", path=what, status=status)
    return BackendError(f"{forge}: {what}: answered {status}", path=what, status=status)
