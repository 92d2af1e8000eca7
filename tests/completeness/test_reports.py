"""`report rotation` and `report runs` on a real server."""

from __future__ import annotations

from reconciler.core.rotated import Ended, RotationReport
from reconciler.core.standing import Standing
from reconciler.report.rotation_report import report_json, report_markdown, report_text
from tests.cli.site import Site

SECRETS = """
kind: secret
name: hooks/a
spec: {type: webhook_secret, generate: {length: 40}, rotation: hooks, owner: platform}
---
kind: secret
name: hooks/b
spec: {type: webhook_secret, generate: {length: 40}, rotation: hooks, owner: platform}
---
kind: rotation_policy
name: hooks
spec: {interval_days: 90, overlap_hours: 0}
"""
STORES = "project: genesis\nvault: {primary: {}}\nstores: {vault: {mount: genesis}}\n"
MOUNT = "---\nkind: vault.secrets_engine\nname: genesis\nspec: {type: kv-v2}\n"


def declare(site: Site) -> None:
    site.write("desired-state/environments/dev.yaml", STORES)
    site.write("desired-state/secrets.yaml", SECRETS + MOUNT)
    site.commit()
    site.apply()


def test_the_report_counts_the_rotations_that_the_log_knows(site: Site) -> None:
    declare(site)
    assert site.run("rotate", "--secret-path", "hooks/a").code == 0
    assert site.run("rotate", "hold", "hooks/b", "--reason", "the partner sleeps").code == 0
    found = site.run("report", "rotation", "-o", "json").json
    assert found["summary"] == {
        "secrets": 2,
        "overdue": 0,
        "due_soon": 0,
        "held": 1,
        "orphaned": 0,
        "in_trouble": 0,
        "succeeded": 3,
        "failed": 0,
        "rate": 1.0,
    }
    assert {one["path"]: (one["succeeded"], one["phase"]) for one in found["secrets"]} == {"hooks/a": (2, "IDLE"), "hooks/b": (1, "HELD")}
    assert "the partner sleeps" in site.run("report", "rotation").out
    assert "No rotation came to an end since" in site.run("report", "rotation", "--since", "2100-01-01").out


def test_runs_of_every_sort_are_listed_newest_first(site: Site) -> None:
    declare(site)
    assert site.run("rotate", "--secret-path", "hooks/a").code == 0
    assert site.run("secret", "put", "by/hand", "value=correct-horse").code == 0
    found = site.run("report", "runs", "-o", "json").json
    assert [(one["sort"], one["outcome"]) for one in found][:2] == [("secret", "applied"), ("rotate", "applied")]
    assert [one["sort"] for one in found].count("apply") == 1
    assert found[0]["summary"] == {"secret.put": 1}
    assert len({one["actor"] for one in found}) == 1
    page = site.run("report", "runs", "-o", "markdown").out
    assert page.startswith("| run | what |")
    assert "1 secret.put" in page
    assert "correct-horse" not in page
    assert site.run("report", "runs", "--since", "2100-01-01").out == "Nothing was applied yet.\n"


def test_a_report_says_what_is_wrong_in_each_form() -> None:
    stuck = Standing("db/orders", "vault", "database", "ORPHANED", failures=6, reason="the server | is gone", scheduled=True)
    late = Standing("api/x", "vault", "api_key", "IDLE", last_rotated=0, next_due=100, overdue=True, scheduled=True)
    found = RotationReport("prod", 86_500, "", (late, stuck), {"db/orders": Ended(1, 3), "gone": Ended(7, 7)})
    text = report_text(found)
    assert "2 secrets, 1 overdue, 1 in trouble. 1 of 4 rotations (25%) came to their end." in text
    assert text.index("db/orders") < text.index("api/x")
    assert "overdue by 1d" in text
    assert "the server &#124; is gone" in report_markdown(found)
    assert report_json(found)["summary"]["orphaned"] == 1
    assert report_json(found)["secrets"][1]["rate"] is None
