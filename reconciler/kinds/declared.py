"""Kinds without a remote system: what is declared is what counts, and live is what was last applied, in the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from reconciler.core.change import Change
from reconciler.core.kind import AnyKind, Beside, Find, Kind, Names, Reading, Ref
from reconciler.core.resource import S
from reconciler.core.secret import Reveal


def declared(
    name: str,
    spec: type[S],
    *,
    refs: Callable[[str, S], Iterable[Ref]] = lambda _name, _spec: (),
    check: Callable[[str, S], Iterable[str]] = lambda _name, _spec: (),
    fits: Callable[[str, S, Find], Iterable[str]] = lambda _name, _spec, _find: (),
    suits: Callable[[str, S, Beside], Iterable[str]] = lambda _name, _spec, _beside: (),
    claims: Callable[[str, S], Iterable[str]] = lambda _name, _spec: (),
    stays: Callable[[str, S], str] = lambda _name, _spec: "",
) -> AnyKind:
    """A kind of documents that others read. `stays`: what is left in the world when one is removed from git."""
    return Kind(
        name,
        "ledger",
        spec,
        _read,
        _write,
        refs=refs,
        check=check,
        fits=fits,
        suits=suits,
        claims=claims,
        stays=stays,
        declared=True,
    )


def _read(_client: Any, _names: Names) -> Reading[Any]:
    raise AssertionError("the survey takes declared kinds from the ledger")


def _write(_client: Any, _change: Change[Any], _reveal: Reveal) -> None:
    raise AssertionError("declared kinds are written with the ledger")
