"""How rotations stand, for people: nothing that needs a look is hidden, nothing is said that is not known."""

from __future__ import annotations

import pytest

from reconciler.core.standing import Standing
from reconciler.report.rotation import status_html, status_text

NOW = 1_800_000_000
ONE = Standing("db/orders", "vault", "database", "IDLE", last_rotated=NOW - 100, next_due=NOW + 900, warn_at=NOW + 800, scheduled=True)


def both(one: Standing) -> tuple[str, str]:
    return status_text([one], NOW), status_html([one], NOW, "Rotation")


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (ONE, "in 15m"),
        (ONE._replace(next_due=None, scheduled=False), "by hand"),
        (ONE._replace(next_due=None, last_rotated=None), "unknown"),
        (ONE._replace(consumers=31, covered=7), "7 of 31"),
        (ONE._replace(alarmed=NOW - 120), "something leaked 2m ago"),
        (ONE._replace(phase="HELD", alarmed=NOW - 120, reason="an audit"), "something leaked 2m ago"),
        (ONE._replace(phase="RETIRING", stuck=True, reason="it goes on"), "RETIRING: it goes on"),
        (ONE._replace(phase="CANARY", stage="canary", consumers=31, covered=7), "share of traffic: not measured"),
    ],
)
def test_what_counts_is_said_in_the_table_and_on_the_page(one: Standing, said: str) -> None:
    assert all(said in shown for shown in both(one))


def test_nobody_is_told_that_an_unread_secret_is_rotated_by_hand() -> None:
    assert not any("by hand" in shown for shown in both(ONE._replace(phase="UNKNOWN", next_due=None, last_rotated=None)))


def test_a_page_shows_text_from_others_as_text() -> None:
    _, page = both(ONE._replace(path="<script>x</script>", phase="HELD", reason='"><img src=x>'))
    assert "<script" not in page
    assert "<img" not in page
