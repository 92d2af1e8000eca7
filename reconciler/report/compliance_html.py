"""A compliance report as one page: no script, nothing loaded from anywhere, and laid out for A4 where it is printed."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reconciler.core.findings import Report
from reconciler.core.values import visible

from .compliance import (
    ORDER,
    TITLES,
    WORDS,
    Backing,
    Frameworks,
    backed,
    backing_sentence,
    exception_sentence,
    failing,
    framework_name,
    lifted,
    lifted_words,
    moment,
    ordered,
    title,
)

FOLDER = Path(__file__).parent / "templates"
_STATES = {Backing.AGAINST: "fail", Backing.INCOMPLETE: "not-assessed", Backing.FOR: "pass"}


def compliance_html(report: Report, frameworks: Frameworks) -> str:
    """The page. Its policy allows one style sheet, by its hash: whatever a name may hold, no script or style of it counts."""
    style = (FOLDER / "compliance.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    sections = [(status, [one for one in ordered(report.results) if one.status is status]) for status in ORDER]
    controls = [(name, backed(rows, report)) for name, rows in frameworks.items()]
    shown: dict[str, Any] = {
        "style": Markup(style),  # noqa: S704  # a file of ours, and its hash is what the page's policy allows
        "style_hash": f"sha256-{digest}",
        "title": title(report, frameworks),
        "report": report,
        "moment": moment(report),
        "order": ORDER,
        "words": WORDS,
        "titles": TITLES,
        "counts": report.counts,
        "sections": [(status, results) for status, results in sections if results],
        "frameworks": [(name, framework_name(name), backing_sentence(name, rows), rows) for name, rows in controls],
        "states": _STATES,
        "failing": failing,
        "lifted": lifted,
        "lifted_words": lifted_words,
        "excepted": exception_sentence,
    }
    return _environment().get_template("compliance.html").render(shown)


def _environment() -> Environment:
    return Environment(
        autoescape=True, undefined=StrictUndefined, loader=FileSystemLoader(FOLDER), finalize=_printed, trim_blocks=True, lstrip_blocks=True
    )


def _printed(shown: Any) -> Any:
    """Nothing that is printed can hide or reorder what stands beside it."""
    return visible(shown) if isinstance(shown, str) and not isinstance(shown, Markup) else shown
