"""A compliance report in each of its forms. Only the form that is asked for is imported."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reconciler.core.findings import Report

from .compliance import Frameworks
from .text import Paint, plain


def compliance_in(form: str, report: Report, frameworks: Frameworks, paint: Paint = plain) -> str:
    """The report as text, json, markdown, html, oscal or sarif."""
    if form == "text":
        from .compliance_text import compliance_text

        return compliance_text(report, frameworks, paint)
    if form == "markdown":
        from .compliance_markdown import compliance_markdown

        return compliance_markdown(report, frameworks)
    if form == "html":
        from .compliance_html import compliance_html

        return compliance_html(report, frameworks)
    return json.dumps(_written(form, report, frameworks), indent=2, ensure_ascii=False)


def _written(form: str, report: Report, frameworks: Frameworks) -> Mapping[str, Any]:
    if form == "oscal":
        from .oscal import compliance_oscal

        return compliance_oscal(report, frameworks)
    if form == "sarif":
        from .sarif import compliance_sarif

        return compliance_sarif([report])
    from .compliance_json import compliance_json

    return compliance_json(report, frameworks)
