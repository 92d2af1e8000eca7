"""The command line of rotation, on a real server."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.cli.site import Site
from tests.rotation.kv import read, request, write

HOOK = """
kind: secret
name: webhooks/github
spec: {type: webhook_secret, generate: {length: 48}, rotation: hooks, owner: platform, consumers: [a, b, c]}
---
kind: rotation_policy
name: hooks
spec: {interval_days: 90, overlap_hours: 1}
"""

HASTY = """
---
kind: rotation_policy
name: hasty
spec: {interval_days: 1, warning_days: 0.5, overlap_hours: 24}
"""


def declare(site: Site, text: str) -> None:
    site.write("desired-state/secrets.yaml", text)
    site.commit()


def status(site: Site) -> Any:
    ran = site.run("rotate", "status", "-o", "json")
    assert ran.code == 0, ran.err
    return ran.json


def test_applying_a_new_secret_makes_its_first_value_and_no_other(site: Site) -> None:
    declare(site, HOOK)
    assert "first value was made" in site.run("apply", "--yes").err
    first = value(site)
    assert len(first) == 48
    assert status(site)[0]["phase"] == "IDLE"
    declare(site, HOOK.replace("owner: platform", "owner: security"))
    site.apply()
    assert value(site) == first


def test_a_value_that_is_there_is_never_replaced_by_an_apply(site: Site) -> None:
    write(site, "webhooks/github", {"value": "from-before"})
    declare(site, HOOK)
    site.apply()
    assert value(site) == "from-before"
    assert site.run("rotate", "--all").code == 0
    assert value(site) == "from-before", "an unknown last rotation is recorded as now, not as overdue"
    assert status(site)[0]["overdue"] is False


def test_a_secret_is_rotated_on_demand_and_waits_for_its_overlap(site: Site) -> None:
    declare(site, HOOK)
    site.apply()
    first = value(site)
    ran = site.run("rotate", "--secret-path", "webhooks/github")
    assert ran.code == 0, ran.err
    assert re.search(r"both good for another (1h|59m)", ran.out)
    assert value(site) != first
    assert status(site)[0]["phase"] == "OVERLAP"
    assert "both good" in site.run("rotate", "--all").out


def test_one_pass_does_one_thing(site: Site) -> None:
    declare(site, HOOK)
    phases = []
    for _ in range(9):
        assert site.run("rotate", "--secret-path", "webhooks/github", "--once").code == 0
        phases.append(status(site)[0]["phase"])
        if phases[-1] == "IDLE":
            break
    assert phases == ["STAGED", "APPLIED", "VALIDATED", "PROMOTING", "PROMOTING", "OVERLAP", "RETIRING", "IDLE"]


def test_a_dry_run_says_what_is_next_and_does_nothing(site: Site) -> None:
    declare(site, HOOK)
    ran = site.run("rotate", "--all", "--dry-run")
    assert "begin a rotation" in ran.out
    assert read(site, "webhooks/github") is None
    assert status(site)[0]["last_rotated"] is None


def test_status_is_a_table_with_a_timeline_json_and_one_page(site: Site) -> None:
    declare(site, HOOK)
    site.apply()
    entry = status(site)[0]
    assert list(entry) == [
        "path", "store", "type", "phase", "stage", "last_rotated", "next_due", "warn", "overdue", "covered", "consumers", "failures",
    ]  # fmt: skip
    assert "webhooks/github" in site.run("rotate", "status").out
    page = site.run("rotate", "status", "-o", "html").out
    assert page.startswith("<!doctype html>")
    assert "webhooks/github" in page
    assert not any(sign in page for sign in ("<script", "src=", "href=", "url("))


def test_a_held_secret_is_left_alone_until_it_is_released(site: Site) -> None:
    declare(site, HOOK)
    site.apply()
    first = value(site)
    assert site.run("rotate", "hold", "webhooks/github", "--reason", "audit").code == 0
    ran = site.run("rotate", "--secret-path", "webhooks/github")
    assert ran.code == 0
    assert "audit" in ran.out
    assert value(site) == first
    assert site.run("rotate", "release", "webhooks/github").code == 0
    site.run("rotate", "--secret-path", "webhooks/github")
    assert value(site) != first


def test_deleting_a_secret_from_git_leaves_its_value(site: Site) -> None:
    declare(site, HOOK)
    site.apply()
    first = value(site)
    declare(site, HOOK.partition("---")[2])
    plan = site.plan()
    assert [change["action"] for change in plan["changes"]] == ["forget"]
    assert "its value stays in the store" in plan["notes"][0]
    site.apply()
    assert value(site) == first


def test_an_emergency_waits_for_nothing(site: Site) -> None:
    declare(site, HOOK)
    site.apply()
    first = value(site)
    ran = site.run("rotate", "--secret-path", "webhooks/github", "--emergency", "--leaked", "current")
    assert ran.code == 0, ran.err
    assert status(site)[0]["phase"] == "IDLE"
    assert value(site) != first


def test_wrong_ways_to_call_it_are_usage_errors(site: Site) -> None:
    declare(site, HOOK)
    for arguments in ([], ["--all", "--secret-path", "x"], ["--all", "--emergency", "--leaked", "all"], ["--secret-path", "nope"]):
        assert site.run("rotate", *arguments).code == 2, arguments


def test_what_cannot_be_honest_is_refused(site: Site) -> None:
    one_user = """
kind: secret
name: db/orders
spec:
  type: database
  rotation: rollout
  target: {engine: postgresql, dsn: "host=127.0.0.1 dbname=orders", admin: {from: env:PG_ADMIN}, users: [orders]}
---
kind: rotation_policy
name: rollout
spec: {interval_days: 30, staged_rollout: {enabled: true}}
"""
    declare(site, one_user)
    ran = site.run("validate")
    assert ran.code == 1
    assert "accepts one value at a time" in ran.err
    two_users = one_user.replace("users: [orders]", "users: [orders_a, orders_b]")
    declare(site, two_users)
    assert site.run("validate").code == 0
    declare(site, two_users + HASTY)
    ran = site.run("validate")
    assert ran.code == 1
    assert "not longer than overlap_hours" in ran.err


def test_the_older_form_of_policies_is_read(site: Site) -> None:
    declare(
        site,
        "policies: {api_keys: {type: api_key, rotation_interval_days: 30, warning_days: 7, validation_required: true, "
        "staged_rollout: {enabled: true}}}",
    )
    shown = site.plan()["changes"]
    assert [change["address"] for change in shown] == ["rotation_policy/api_keys"]
    assert shown[0]["after"]["interval_days"] == 30


def test_metrics_are_written_for_the_textfile_collector(site: Site) -> None:
    declare(site, HOOK)
    site.apply()
    file = site.repo / "rotation.prom"
    assert site.run("rotate", "--all", "--metrics", str(file)).code == 0
    text = file.read_text()
    assert 'reconciler_rotation_overdue{project="genesis",environment="dev"} 0' in text
    assert text.endswith("\n")


def test_no_value_is_in_anything_that_is_said_or_kept(site: Site) -> None:
    declare(site, HOOK)
    said = [site.run("apply", "--yes", "-o", "json")]
    values = [value(site)]
    for arguments in (["--secret-path", "webhooks/github"], ["status"], ["status", "-o", "json"], ["status", "-o", "html"]):
        said.append(site.run("rotate", *arguments))
    values.append(value(site))
    text = json.dumps([(one.out, one.err) for one in said])
    text += "".join(file.read_text(errors="replace") for file in (site.repo / ".reconcile").rglob("*") if file.is_file())
    assert values[0] != values[1]
    assert not any(one in text for one in values)


def value(site: Site) -> str:
    held = read(site, "webhooks/github")
    assert held is not None
    return held["value"]


def test_a_plan_says_what_is_new_what_changed_and_what_is_overdue(site: Site) -> None:
    declare(site, HOOK)
    plan = site.plan()
    assert [change["action"] for change in plan["changes"]] == ["create", "create"]
    site.apply()
    assert site.plan()["notes"] == []
    long_ago = {"reconciler_last_rotated": "2020-01-01T00:00:00Z"}
    assert request(site, "POST", "kv/metadata/webhooks/github", {"custom_metadata": long_ago})[0] == 204
    declare(site, HOOK.replace("interval_days: 90", "interval_days: 60"))
    plan = site.plan()
    assert plan["notes"][0].startswith("secret/webhooks/github is overdue for rotation since 2020-0")
    assert [field["path"] for field in plan["changes"][0]["fields"]] == ["/interval_days"]


def test_rotation_can_be_switched_off_also_by_the_older_variables(site: Site) -> None:
    declare(site, HOOK)
    ran = site.run("rotate", "--all", VAULT_ROTATION_ENABLED="false")
    assert ran.code == 4
    assert "switched off" in ran.err
    assert site.run("rotate", "--all", VAULT_AUTO_ROTATE="0").code == 0
    assert read(site, "webhooks/github") is None
    assert site.run("rotate", "--secret-path", "webhooks/github", VAULT_AUTO_ROTATE="0").code == 0
    assert read(site, "webhooks/github")


def test_a_secret_that_somebody_else_writes_in_the_middle_is_not_written_over(site: Site) -> None:
    declare(site, HOOK)
    write(site, "webhooks/github", {"value": "first"})
    for _ in range(3):
        site.run("rotate", "--secret-path", "webhooks/github", "--once")
    write(site, "webhooks/github", {"value": "by-hand"})
    ran = site.run("rotate", "--secret-path", "webhooks/github")
    assert value(site) == "by-hand"
    assert ran.code == 5
    assert "a person wrote the secret meanwhile" in ran.out


def refusal(site: Site, text: str, environment: str = "") -> str:
    if environment:
        site.write("desired-state/environments/dev.yaml", environment)
    declare(site, text)
    ran = site.run("validate")
    assert ran.code == (1 if ran.err else 0), ran.err
    return ran.err


def test_a_short_interval_needs_no_word_about_warnings(site: Site) -> None:
    assert not refusal(site, HOOK.replace("interval_days: 90", "interval_days: 7"))
    assert "warning_days must be shorter" in refusal(site, HOOK.replace("interval_days: 90", "interval_days: 7, warning_days: 14"))


def test_a_store_that_the_environment_does_not_declare_is_refused(site: Site) -> None:
    declared = HOOK.replace("type: webhook_secret", "store: aws, type: webhook_secret")
    assert "declares no store `aws`" in refusal(site, declared)
    assert "declares no store" in refusal(site, HOOK, "project: genesis\n")
    assert not refusal(site, declared, "project: genesis\nstores: {aws: {}}\n")


def test_an_overlap_that_is_shorter_than_what_consumers_keep_is_refused(site: Site) -> None:
    database = """
kind: secret
name: db/orders
spec:
  type: database
  rotation: p
  target: {engine: postgresql, dsn: "host=127.0.0.1 dbname=orders", admin: {from: env:PG_ADMIN}, users: [USERS]}
---
kind: rotation_policy
name: p
spec: {interval_days: 30, overlap_hours: 0, consumer_cache: 5m}
"""
    two, one = database.replace("USERS", "orders_a, orders_b"), database.replace("USERS", "orders")
    assert "overlap_hours: shorter than consumer_cache" in refusal(site, two)
    assert not refusal(site, one), "one user has no overlap"
    assert not refusal(site, two.replace("5m", "0"))
    assert not refusal(site, two.replace(", consumer_cache: 5m", "")), "nobody said that consumers keep anything"


def test_the_intervals_of_an_environment_are_held_to_the_same_rule(site: Site) -> None:
    text = HOOK.replace("interval_days: 90, overlap_hours: 1", "overlap_hours: 48")
    assert not refusal(site, text)
    assert "not longer than overlap_hours" in refusal(
        site, text, "project: genesis\nstores: {vault: {mount: kv}}\nrotation: {default_interval_days: 2}\n"
    )


def test_a_secret_that_aws_rotates_itself_is_refused(site: Site) -> None:
    native = """
kind: secret
name: api_keys/claude
spec: {store: aws, type: api_key, generate: {length: 40}, rotation: hooks}
---
kind: aws.secret
name: genesis/api_keys/claude
spec: {rotation: {lambda_arn: "arn:aws:lambda:us-east-1:123456789012:function:rotate", automatically_after_days: 30}}
---
kind: rotation_policy
name: hooks
spec: {interval_days: 90}
"""
    environment = "project: genesis\naws: {primary: {region: us-east-1}}\nstores: {aws: {prefix: genesis/}}\n"
    assert "AWS rotates it itself" in refusal(site, native, environment)
    assert not refusal(site, native.replace("genesis/api_keys", "other/api_keys"))


def test_a_command_is_given_neither_logins_nor_what_opens_stores(site: Site) -> None:
    environment = (
        "project: genesis\nsecret_env: [PG_ADMIN]\nforge: {type: github, token: {from: env:FORGE_TOKEN}}\n"
        "stores: {vault: {mount: kv}, files: {path: .secrets, slots: [{passphrase: {from: env:STORE_PASSPHRASE}}]}}\n"
    )
    site.write("desired-state/environments/dev.yaml", environment)
    site.write("partner-key", "#!/bin/sh\nenv > seen.txt\ncat > /dev/null\n")
    (site.repo / "partner-key").chmod(0o755)
    declare(
        site,
        """
kind: secret
name: api_keys/partner
spec: {store: vault, type: external, generate: {length: 40}, target: {command: [./partner-key]}}
""",
    )
    canary = "canary-" + "of-a-login"
    names = ("PG_ADMIN", "FORGE_TOKEN", "STORE_PASSPHRASE", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN")
    ran = site.run("rotate", "--secret-path", "api_keys/partner", **dict.fromkeys(names, canary), PARTNER_HINT="harmless")
    assert ran.code == 0, ran.out + ran.err
    seen = (site.repo / "seen.txt").read_text()
    assert "PARTNER_HINT=harmless" in seen
    assert canary not in seen
    assert site.environ["VAULT_TOKEN"] not in [line.partition("=")[2] for line in seen.splitlines()]
