"""What is declared of a route."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..core.resource import Spec
from ..core.values import StringSet
from .paths import TemplatePath

_PRINCIPALS = re.compile(r"(certificate|vault|jwt|webhook):[\x21-\x7e]+")


class RouteSpec(Spec):
    """Whether a route takes anybody, or only who proved who they are."""

    sparse: ClassVar[bool] = True

    path: TemplatePath
    access: Literal["public", "protected"]
    principals: Annotated[
        StringSet,
        Field(description="who may, as PROOF:NAME with `*`, such as certificate:spiffe://genesis/*; default: whoever is proven"),
    ] = ()


def route_problems(_name: str, spec: RouteSpec) -> Iterator[str]:
    """What is wrong with one declared route."""
    if spec.access == "public" and spec.principals:
        yield "principals are of protected routes: nobody is asked who they are on a public one"
    for pattern in spec.principals:
        if not _PRINCIPALS.fullmatch(pattern):
            yield f"principals: {pattern!r} is not written PROOF:NAME, with certificate, vault, jwt or webhook as proof"
