"""The page of a compliance report in a real browser: it loads nothing, runs nothing, is readable by all, and prints well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from reconciler.core.findings import Status
from reconciler.report.compliance_html import compliance_html
from tests.server.browser import PATIENCE, chromium, violations

from .reports import FRAMEWORKS, OLD, report, result, whole

Scheme = Literal["light", "dark"]
GROUNDS: dict[Scheme, str] = {"light": "rgb(255, 255, 255)", "dark": "rgb(16, 22, 29)"}
PHONE, DESK = {"width": 360, "height": 740}, {"width": 1200, "height": 900}
LONG = replace(OLD, address="vault.approle_role/" + "x" * 200)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page of a report with one of everything and a name that is very long, as a file."""
    file = tmp_path / "report.html"
    file.write_text(compliance_html(report(*whole().results, result("C10", Status.FAIL, LONG)), FRAMEWORKS), encoding="utf-8")
    opened = browser.new_page()
    opened.set_default_timeout(PATIENCE)
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(file.as_uri())
    yield opened
    assert asked == [file.as_uri()], "the page asks for nothing else"
    assert [line for line in said if "Content Security" in line] == []
    opened.close()


def test_axe_finds_nothing_to_complain_of_in_either_scheme_on_a_desk_or_a_phone(page: Page) -> None:
    found = {}
    for scheme, ground in GROUNDS.items():
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground, "the style sheet is in effect"
        for size in (PHONE, DESK):
            page.set_viewport_size(size)  # type: ignore[arg-type]  # a TypedDict of two integers
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is pushed out of sight"
            found[scheme, size["width"]] = violations(page)
    assert {place: one for place, one in found.items() if one} == {}


def test_a_control_leads_to_its_checks(page: Page) -> None:
    page.get_by_role("row", name=re.compile("CC7.5")).get_by_role("link", name="C23").click()
    assert page.url.endswith("#C23")
    assert page.get_by_role("heading", name="C23 Backups and drills").is_visible()


def test_printed_it_is_a4_light_on_a_dark_screen_too_and_each_framework_begins_a_page(page: Page) -> None:
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == GROUNDS["light"]
    printed = page.pdf(prefer_css_page_size=True)
    sizes = {(round(float(wide)), round(float(high))) for wide, high in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)}
    assert sizes == {(595, 842)}
    pages = re.search(rb"/Type /Pages\s*/Count (\d+)", printed)
    assert pages
    assert int(pages[1]) > len(FRAMEWORKS)
