"""Sources of secrets as a run uses them: the audit log knows their values, to mask them, and is told of each that is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from reconciler.audit.journal import Recorder
from reconciler.audit.redaction import Masks
from reconciler.core.errors import ReconcilerError, Unavailable
from reconciler.core.secret import Secret
from reconciler.core.stores import Stores
from reconciler.engine.world import Sources


class Watched(NamedTuple):
    """The sources of a run."""

    sources: Sources
    masks: Masks
    recorder: Recorder
    stores: Stores

    def marks(self, wanted: Iterable[Secret]) -> Mapping[str, str]:
        return self.sources.marks(wanted)

    def reveal(self, secret: Secret) -> str:
        value = self._told(secret) if secret.generate else self.sources.reveal(secret)
        self.masks.add(value)
        return value

    def used_mark(self, secret: Secret) -> str:
        return self.sources.used_mark(secret)

    def made(self, secret: Secret) -> str:
        return self.sources.made(secret)

    def _told(self, secret: Secret) -> str:
        """Make the value where there is none, which is a change of its own beside that of the object that needs it."""
        store, path = place_of(secret, self.stores)
        intent = self.recorder.intent("secret.generate", path, store=store)
        try:
            value = self.sources.reveal(secret)
        except Unavailable:
            self.recorder.outcome(intent, "unknown")
            raise
        except ReconcilerError:
            self.recorder.outcome(intent, "failed")
            raise
        self.masks.add(value)  # before anything else is recorded
        self.recorder.outcome(intent, "applied", ver_to=self.sources.made(secret))
        return value


def place_of(secret: Secret, stores: Stores) -> tuple[str, str]:
    """The declared store that a source lies in, and its path there; no store and the source itself where it lies elsewhere."""
    vault, aws = stores.vault, stores.aws
    # Sources are those of the instance `primary`.
    if secret.scheme == "vault" and vault is not None and vault.instance == "primary":
        inside = f"{vault.mount.strip('/')}/data/"
        if secret.location.startswith(inside):
            return "vault", secret.location.removeprefix(inside)
    if secret.scheme == "aws" and aws is not None and aws.instance == "primary" and secret.location.startswith(aws.prefix):
        return "aws", secret.location.removeprefix(aws.prefix)
    return "", f"{secret.scheme}:{secret.location}"
