"""What is in effect at a server: the declarations that were applied, and whether everything is locked down. Kept up in a thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from reconciler.core.errors import BackendError, ReconcilerError
from reconciler.edge.signatures import SignatureMiddleware
from reconciler.ledger.lockdown import read_lockdown
from reconciler.ledger.shelf import Shelf
from reconciler.server.app import Declared, Means, composed, tightened
from reconciler.server.live import Live
from reconciler.server.receiving import EventMemory
from reconciler.settings import Settings

from . import opened_for_ledger
from .edge import declared_of

log = logging.getLogger(__name__)

LOCKDOWN_SECONDS = 3.0  # how late a lockdown that somebody switched is known here
JOIN_SECONDS = 5.0
RELOAD_SECONDS = 60.0  # the same of what was applied elsewhere
EMERGENCY = "emergency mode is on in the server's own settings"


class Effect:
    """Safe to use from many threads. `adjust` is what the server's own settings change of what is declared."""

    def __init__(
        self,
        settings: Settings,
        shelf: Callable[[], Shelf],
        *,
        emergency: bool,
        told: Callable[[bool], None],
        adjust: Callable[[Declared], Declared],
    ) -> None:
        self.live = Live()
        self._settings = settings
        self._shelf = shelf
        self._emergency = emergency
        self._told = told
        self._adjust = adjust
        self._closed = EMERGENCY if emergency else ""
        self._problems: Sequence[str] = ()
        self._declared = Declared()
        self._means: Means | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="effect", daemon=True)

    def closed(self) -> str:
        """Why nothing is taken at present, as it was known a moment ago."""
        return self._closed

    def problems(self) -> Sequence[str]:
        """Why what was applied last is not in effect."""
        return self._problems

    def locked_down(self) -> str:
        """The same as `closed`, asked anew: nothing is applied after somebody was told that it is locked down."""
        before, self._closed = self._closed, EMERGENCY if self._emergency else str(read_lockdown(self._shelf()))
        self._told(bool(self._closed))
        if bool(before) != bool(self._closed):
            with self._lock:
                self._put(self._declared)
        return self._closed

    def applied(self) -> Declared:
        """What the ledger says was applied last."""
        with opened_for_ledger(self._settings, "plan") as session:
            return self._adjust(declared_of(session.world.ledger.load()[0].declared))

    async def begin(self, declared: Declared, means: Means) -> None:
        """Put the first in effect. Raises Invalid where a webhook has no secret; a store that does not answer is no such reason."""
        self._means = means
        answering = {}
        for path, endpoint in declared.webhooks.items() if means.proven else ():
            try:
                await means.secrets(endpoint.secret)
            except BackendError as error:
                log.warning("webhook/%s: its secret cannot be read now: %s", endpoint.name, error)
            else:
                answering[path] = endpoint
        await SignatureMiddleware(self.live, answering, EventMemory(means.api.events), means.secrets).check()
        self._put(declared)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def join(self) -> None:
        """Wait for what is under way, for a while: a ledger that hangs must not hold up the end."""
        self._thread.join(JOIN_SECONDS)

    def reload(self) -> None:
        """Put in effect what was applied. What cannot be is said, and what was in effect stays."""
        with self._lock:
            try:
                declared = self.applied()
                if declared != self._declared:
                    self._put(declared)
                    log.info("what is declared of the server has changed, and is in effect")
                self._problems = ()
            except ReconcilerError as error:
                self._problems = (str(error),)
                log.warning("what is declared of the server is not in effect: %s", error)

    def _put(self, declared: Declared) -> None:
        """Put declarations in effect, tighter while everything is locked down."""
        if self._means is not None:
            self.live.swap(composed(tightened(declared) if self._closed else declared, self._means))
            self._declared = declared

    def _keep_up(self) -> None:
        waited = 0.0
        while not self._stopping.wait(LOCKDOWN_SECONDS):
            try:
                self.locked_down()
            except ReconcilerError as error:
                log.warning("whether everything is locked down cannot be told: %s", error)
            waited += LOCKDOWN_SECONDS
            if waited >= RELOAD_SECONDS:
                waited = 0.0
                self.reload()
