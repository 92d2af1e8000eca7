"""Why a backup is refused."""

from __future__ import annotations

from ..core.errors import ReconcilerError
from ..core.values import visible


class Damaged(ReconcilerError):
    """A file that is not a whole backup of ours. `part`: where that was noticed."""

    def __init__(self, part: str, what: str) -> None:
        self.part = part
        # What a forged file says of itself is the forger's.
        super().__init__(visible(f"the backup is refused: {part}: {what}"))
