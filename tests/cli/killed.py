"""`python -m tests.cli.killed COUNT before|after ARGUMENTS`: the command line, which dies at its COUNT-th writing request."""

from __future__ import annotations

import os
import signal
import sys
import threading

from reconciler.backends.vault import transport
from reconciler.backends.vault.pool import Gate, Request, always_open
from reconciler.backends.vault.wire import Answer
from reconciler.cli.main import main


def die_at(last: int, when: str) -> None:
    """Let the process be killed before or after that request is sent, and let no later one out."""
    send, counting = transport.Transport.send, threading.Lock()
    count = 0

    def counted(self: transport.Transport, request: Request, gate: Gate = always_open, *, patient: bool = True) -> Answer:
        nonlocal count
        if not request.mutating:
            return send(self, request, gate, patient=patient)
        with counting:
            count += 1
            answer = send(self, request, gate, patient=patient) if count < last or when == "after" else None
            if count == last or answer is None:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.pause()
                raise AssertionError("nobody survives that")
            return answer

    transport.Transport.send = counted  # type: ignore[method-assign]  # the process is made to be killed


if __name__ == "__main__":
    die_at(int(sys.argv[1]), sys.argv[2])
    main(sys.argv[3:])
