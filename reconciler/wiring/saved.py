"""Saved plans: an expectation, never an instruction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.core.errors import Usage
from reconciler.core.plan import FORMAT_VERSION


class SavedPlan(NamedTuple):
    """What a plan file expects to happen."""

    commit: str
    environment: str
    changes: tuple[Mapping[str, Any], ...]


def saved_plan(path: Path) -> SavedPlan:
    """Read a plan file. Raises Usage for a file that is none."""
    try:
        body = json.loads(path.read_bytes())
        if body["format_version"] != FORMAT_VERSION:
            raise Usage(f"{path}: plan format {body['format_version']} is not known here (this version reads {FORMAT_VERSION}; plan again)")
        if body["dirty"] or not body["commit"]:
            raise Usage(f"{path}: was planned from uncommitted changes; commit them and plan again")
        return SavedPlan(body["commit"], body["environment"], tuple(body["changes"]))
    except (ValueError, KeyError, TypeError):
        raise Usage(f"{path}: is not a saved plan (make one with `reconcile plan --out {path}`)") from None
