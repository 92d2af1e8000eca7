"""A text file for the node exporter's textfile collector: what is due, overdue, failed, and how long it took."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..core.errors import ReconcilerError
from ..core.rotated import Rotated
from ..core.standing import Standing


def exposition(rows: Sequence[Standing], reports: Sequence[Rotated], now: float, project: str, environment: str) -> str:
    """The file's text."""
    where = {"project": project, "environment": environment}
    lines = list(_metric("reconciler_rotation_run_timestamp_seconds", "When the last run ended.", [(where, now)]))
    totals = {
        "secrets": ("Secrets that are declared.", len(rows)),
        "due_soon": ("Secrets within their warning time.", sum(one.warn for one in rows)),
        "overdue": ("Secrets past their due time.", sum(one.overdue for one in rows)),
        "in_trouble": ("Secrets that a person has to look at.", sum(one.in_trouble for one in rows)),
        "held": ("Secrets that a person holds.", sum(one.phase == "HELD" for one in rows)),
    }
    for name, (said, count) in totals.items():
        lines += _metric(f"reconciler_rotation_{name}", said, [(where, count)])
    each = [({**where, "path": one.path, "store": one.store, "type": one.type}, one) for one in rows]
    due = [(labels, one.next_due) for labels, one in each if one.next_due is not None]
    lines += _metric("reconciler_rotation_next_due_timestamp_seconds", "When a secret is due.", due)
    last = [(labels, one.last_rotated) for labels, one in each if one.last_rotated is not None]
    lines += _metric("reconciler_rotation_last_timestamp_seconds", "When a secret was last rotated.", last)
    lines += _metric("reconciler_rotation_failures", "Definite failures in a row.", [(labels, one.failures) for labels, one in each])
    done = [one for one in reports if one.moves]
    lines += _metric(
        "reconciler_rotation_duration_seconds",
        "How long the last run worked on a secret.",
        [({**where, "path": one.path}, round(one.seconds, 3)) for one in done],
    )
    failed = sum(bool(one.error or one.trouble) for one in reports)
    lines += _metric("reconciler_rotation_failed", "Secrets whose rotation failed in the last run.", [(where, failed)])
    return "\n".join(lines) + "\n"


def _metric(name: str, said: str, samples: Iterable[tuple[dict[str, str], float]]) -> Iterator[str]:
    yield f"# HELP {name} {said}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples:
        written = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{name}{{{written}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def write_metrics(file: Path, text: str) -> None:
    """Replace the file as a whole: the collector may read at any moment. Raises ReconcilerError."""
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}.", delete=False, encoding="utf-8") as made:
            temporary = made.name
            made.write(text)
        os.chmod(temporary, 0o644)  # the exporter is another user
        os.replace(temporary, file)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise ReconcilerError(f"{file}: the metrics could not be written: {error.strerror}") from None
