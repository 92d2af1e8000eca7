"""Something that is called before and after each call of the stores and the ledger of a stand."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.migration.desks import Stand

READS = {"get", "versions", "metadata", "paths", "keys", "check"}
WRITES = {"put", "annotate", "delete", "destroy"}
Hook = Callable[[str, bool], None]
"""(before or after, whether the call writes)"""


def hooked(stand: Stand, hook: Hook) -> None:
    """Have the hook called around every call. Calls that a call makes itself are a part of it."""
    inside = threading.local()
    for thing in (stand.old, stand.new, stand.shelf):
        for name in READS | WRITES:
            if hasattr(thing, name):
                setattr(thing, name, _around(getattr(thing, name), name in WRITES, hook, inside))


def _around(genuine: Callable[..., Any], writes: bool, hook: Hook, inside: threading.local) -> Callable[..., Any]:
    def called(*given: Any, **named: Any) -> Any:
        if getattr(inside, "busy", False):
            return genuine(*given, **named)
        inside.busy = True
        try:
            hook("before", writes)
            answer = genuine(*given, **named)
            hook("after", writes)
        finally:
            inside.busy = False
        return answer

    return called


def dying(folder: Path, verb: Callable[[Stand], object], at: int) -> bool:
    """Do it in a process that dies before its call number `at`, or after each that writes. False: it ended alive."""
    child = os.fork()
    if child == 0:
        count, lock = 0, threading.Lock()

        def die(when: str, writes: bool) -> None:
            nonlocal count
            with lock:
                count += when == "before" or writes
                if count == at and (when == "before" or writes):
                    os.kill(os.getpid(), signal.SIGKILL)
                    signal.pause()

        try:
            stand = Stand(folder)
            hooked(stand, die)
            verb(stand)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def each_death(pristine: Path, work: Path, verb: Callable[[Stand], object], look: Callable[[Stand], None]) -> int:
    """Let the verb die at every one of its calls, each time on a new copy, do it again, and look. Returns the number of deaths."""
    at = 0
    while True:
        at += 1
        shutil.copytree(pristine, work)
        died = dying(work, verb, at)
        stand = Stand(work)
        if died:
            verb(stand)
        look(stand)
        shutil.rmtree(work)
        if not died:
            return at - 1
