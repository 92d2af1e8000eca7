"""A real Chromium: Debian's, which the Makefile installs. It is never downloaded by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}
PATIENCE = 60_000.0  # milliseconds


@contextmanager
def chromium() -> Iterator[Browser]:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("there is no chromium here (make system installs Debian's, as root)")
    # Root has no sandbox of its own to give; these pages are ours.
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else ["--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments, timeout=PATIENCE)
        try:
            yield browser
        finally:
            browser.close()


CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
"""What colours alone decide: all else is the same in both schemes."""


def violations(page: Page, rules: dict[str, Any] = RULES) -> list[str]:
    """What axe-core finds, each with the element."""
    found = Axe().run(page, options=rules).response["violations"]
    return [f"{one['id']}: {node['html'][:200]} {node.get('failureSummary', '')}" for one in found for node in one["nodes"]]
