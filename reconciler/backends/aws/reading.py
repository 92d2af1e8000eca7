"""Reading many objects one by one, so that one that cannot be read does not hide the others."""

from __future__ import annotations

from collections.abc import Callable, Collection

from pydantic import ValidationError

from reconciler.core.errors import Denied, Missing
from reconciler.core.kind import Gap, Live
from reconciler.core.resource import S

from .client import AwsClient


def read_each(
    client: AwsClient, names: Collection[str], read: Callable[[str], Live[S] | None]
) -> tuple[dict[str, Live[S]], tuple[Gap, ...]]:
    """Read names in parallel: (what is there, what could not be read). None or Missing from `read` is an absence."""

    def attempt(name: str) -> Live[S] | Gap | None:
        try:
            return read(name)
        except Missing:
            return None  # deleted between the listing and now
        except Denied as denied:
            return Gap(name, denied.path, denied.capability)
        except ValidationError as wrong:
            fields = ", ".join(sorted({str(error["loc"][0]) for error in wrong.errors() if error["loc"]}))
            return Gap(name, name, "", f"AWS's answer has values that are not understood in: {fields}")

    ordered = sorted(names)
    answers = dict(zip(ordered, client.map(attempt, ordered), strict=True))
    live = {name: answer for name, answer in answers.items() if isinstance(answer, Live)}
    return live, _joined([answer for answer in answers.values() if isinstance(answer, Gap)], len(ordered))


def _joined(gaps: list[Gap], asked: int) -> tuple[Gap, ...]:
    """One gap for all, where every name lacks the same permission: a list of a thousand names says less."""
    lacking = {gap.capability for gap in gaps if not gap.reason}
    if len(gaps) == asked > 1 and len(lacking) == 1 and not any(gap.reason for gap in gaps):
        return (Gap("", "*", lacking.pop()),)
    return tuple(gaps)
