"""What adopting found, for people: the files, what is to be filled in, what was left alone and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reconciler.core.plan import Unknown
from reconciler.core.values import visible

from .text import first_few, unknown_sentence


def files_text(files: Mapping[str, int]) -> str:
    """The files that were written, and how many objects each declares."""
    if not files:
        return "Nothing to adopt."
    width = max(map(len, files))
    lines = [f"  {visible(path):<{width}}  {count:,}" if count else f"  {visible(path)}" for path, count in files.items()]
    total = sum(files.values())
    objects = "1 object" if total == 1 else f"{total:,} objects"
    return "\n".join([*lines, f"{objects} declared. Commit them: the next plan will only adopt, and change nothing."])


def remarks_text(
    fill_in: Sequence[tuple[str, str, str]], left: Sequence[tuple[str, str]], unknown: Sequence[Unknown], notes: Sequence[str]
) -> str:
    """Everything that a person has to know beside the files. `fill_in`: address, field and source that stands for it."""
    return "\n".join(map(visible, [*_fill_in(fill_in), *_left(left), *_unknown(unknown), *(f"note: {note}" for note in notes)]))


def _fill_in(fill_in: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    if fill_in:
        yield "To fill in: values that no server returns. They stay as they are on the server until you say where they come from."
        width = max(len(address) for address, _, _ in fill_in)
        yield from (f"  {address:<{width}}  {field}: {{from: {source}}}" for address, field, source in fill_in)


def _left(left: Sequence[tuple[str, str]]) -> Iterator[str]:
    if left:
        yield "Left alone:"
        yield from (f"  {address}: {why}" for address, why in left)


def _unknown(unknown: Sequence[Unknown]) -> Iterator[str]:
    if not unknown:
        return
    yield "Could not be read, so nothing of it is adopted:"
    yield from (f"  {line}" for line in first_few(map(unknown_sentence, unknown)))
    policies = sorted({one.policy for one in unknown if one.policy})
    if policies:
        yield "  This grants what is missing:"
        yield from (f"    {line}" for policy in policies for line in policy.split("\n"))
