"""Stores before which something can be put, and a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.core.errors import ReconcilerError, Unavailable
from reconciler.secrets.store import Held, SecretStore, Version

DOWN = Unavailable("connection refused")


class Flaky:
    """A store before which something can be put: an error, or a function that is called first."""

    def __init__(self, store: SecretStore, name: str) -> None:
        self.store = store
        self.name = name
        self.before: Callable[[], object] | ReconcilerError | None = None
        self.reading: ReconcilerError | None = None
        self.refusal: ReconcilerError | None = None
        self.asked = 0

    def _meet(self) -> SecretStore:
        self.asked += 1
        if isinstance(self.before, Exception):
            raise self.before
        if self.before is not None:
            self.before()
        return self.store

    def check(self, path: str, value: Mapping[str, str]) -> None:
        if self.refusal:
            raise self.refusal
        self.store.check(path, value)

    def get(self, path: str, version: str = "") -> Held | None:
        if self.reading:
            raise self.reading
        return self._meet().get(path, version)

    def put(self, path: str, value: Mapping[str, str], expected: str | None = None) -> str:
        return self._meet().put(path, value, expected)

    def list(self, prefix: str = "") -> tuple[str, ...]:
        return self._meet().list(prefix)

    def versions(self, path: str) -> tuple[Version, ...]:
        return self._meet().versions(path)

    def metadata(self, path: str) -> Mapping[str, str]:
        return self._meet().metadata(path)

    def annotate(self, path: str, metadata: Mapping[str, str]) -> None:
        self._meet().annotate(path, metadata)

    def delete(self, path: str) -> None:
        self._meet().delete(path)

    def destroy(self, path: str, version: str) -> None:
        self._meet().destroy(path, version)

    def probe(self) -> str:
        return self._meet().probe()


class Hours:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
