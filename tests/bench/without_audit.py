"""`python -m tests.bench.without_audit ARGUMENTS`: the command line with an audit log that keeps nothing, as a yardstick."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from reconciler.cli.main import main
from reconciler.wiring import auditing


class Silent:
    """Keeps nothing."""

    def intent(self, _action: str, _resource: str, **_fields: str) -> str:
        return "0"

    def intents(self, wanted: Iterable[tuple[str, str, str]]) -> list[str]:
        return ["0" for _ in wanted]

    def outcome_soon(self, _id: str, _outcome: str, **_fields: str) -> None: ...

    def decision(self, _action: str, _resource: str, **_fields: str) -> None: ...

    def unanswered(self) -> Sequence[Any]:
        return ()


@contextmanager
def silent(*_given: object, **_named: object) -> Iterator[Silent]:
    yield Silent()


if __name__ == "__main__":
    auditing.recording = silent  # type: ignore[assignment]  # a yardstick has no audit log
    main(sys.argv[1:])
