"""How results, logs and progress reach a person or a pipe."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from typing import Any

import click

from reconciler.settings import Settings

_STYLES: dict[str, dict[str, Any]] = {
    "create": {"fg": "green"},
    "update": {"fg": "yellow"},
    "delete": {"fg": "red"},
    "danger": {"fg": "red", "bold": True},
    "quiet": {"dim": True},
    "strong": {"bold": True},
}


class Painter:
    """Colours text where colour is wanted."""

    def __init__(self, settings: Settings) -> None:
        self._on = settings.color

    def __call__(self, text: str, style: str) -> str:
        return click.style(text, **_STYLES[style]) if self._on else text


def say(text: str, settings: Settings) -> None:
    """Print a result."""
    _print(text, settings.color)


def say_json(value: Any) -> None:
    """Print a result as JSON."""
    _print(json.dumps(value, indent=2, ensure_ascii=False))


def _print(text: str, color: bool | None = None) -> None:
    """A reader (`head`, a pager) that has seen enough changes neither what is done nor how that ends."""
    try:
        click.echo(text, color=color)
    except BrokenPipeError:
        # Else the rest, which is flushed at the end, would fail once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class ProgressBar:
    """A bar on standard error, drawn only on a terminal and only for work of over a second."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        self._label = ""
        self._shown = sys.stderr.isatty()

    def __call__(self, label: str, done: int, total: int) -> None:
        if not self._shown or time.monotonic() - self._began < 1:
            return
        if self._bar is None:
            from rich.console import Console  # slow to import; most runs are over before
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
        if label != self._label:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task, self._label = self._bar.add_task(label, total=total), label
        self._bar.update(self._task, completed=done, total=total)
        if done >= total:
            self.close()  # a question or a result may follow

    def close(self) -> None:
        """Take the bar off the screen. The next work draws another."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None
            self._label = ""


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"ts": self.formatTime(record), "level": record.levelname.lower(), "message": record.getMessage()})


def set_up_logging(log_format: str) -> None:
    """Our own log lines go to standard error; libraries speak up only to warn."""
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(_JsonLines() if log_format == "json" else logging.Formatter("%(message)s"))
    logging.basicConfig(handlers=[stream], level=logging.WARNING, force=True)
    logging.getLogger("reconciler").setLevel(logging.INFO)
    # What a library warns its own users of is nothing to ours; which of them warns depends on what threads import first.
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
    # `requests` silences this while it is imported, but another thread that restores the filters in between lets it out.
    warnings.filterwarnings("ignore", message="SOCKS support in urllib3")
