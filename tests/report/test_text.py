from __future__ import annotations

import re

import pytest

from reconciler.core.guard import Guard, Refusal
from reconciler.core.plan import Header
from reconciler.report.text import plan_text

from .plans import ABOUT, COST, EXAMPLE, UNKNOWN, changed, plan

WHOLE = """\
prod at 4f2c1ab  vault primary (OpenBao 2.7.2), aws primary (us-east-1)

  ! vault.secrets_engine/legacy     delete: loses every secret below legacy/ (31 today)
  - vault.policy/gone
  ~ aws.iam_policy/genesis-read     desired-state/aws.yaml:3
    + document.Statement[Kms]          Allow kms:Decrypt on * if {"Bool":{"aws:SecureTransport":["true"]}}
    - document.Statement[List]         Allow secretsmanager:ListSecrets on *
    + document.Statement[Read].Action  secretsmanager:DescribeSecret
  ~ vault.approle_role/approle/ci   desired-state/roles/ci.yaml:9
      secret_id_bound_cidrs  (none)  ->  10.0.0.0/8
      token_policies         a, b    ->  b, c
      token_ttl              1h      ->  45m
  ~ vault.policy/genesis-service    desired-state/policies/service.yaml:3
      genesis/data/api_keys/*  read  ->  list, read
    + genesis/data/payments/*  read with max_wrapping_ttl 1h30m
    - old/*                    deny
  ~ vault.userpass_user/people/ann
      password  (secret changed)
  + aws.secret/genesis/claude       templates/service.yaml.j2:14 with desired-state/services.yaml:2
    + description                        Claude key
    + rotation.automatically_after_days  30
    + rotation.lambda_arn                (known after apply)
    + tags.team                          genesis
  = vault.policy/found              desired-state/policies/found.yaml:1

Access
  role genesis-service gains list on genesis/data/api_keys/* (3 secrets)

Could not be read, so nothing is planned there:
  vault.approle_role approle/ in primary/team: lacks read on auth/approle/role/*
  This grants what is missing:
    path "auth/approle/role/*" {
      capabilities = ["read"]
    }

note: vault.auth_config/jwt stays on the server: its configuration cannot be deleted

Refused by irreversible: vault.secrets_engine/legacy. Lift it with --allow irreversible or an approval document.

1 to create, 4 to update, 2 to delete, 1 to adopt. 1,204 unchanged, 17 unmanaged. Read in 0.9 s, 71 requests."""


def test_a_whole_plan_reads_like_this() -> None:
    assert plan_text(EXAMPLE, ABOUT, COST) == WHOLE


def test_colour_comes_from_the_painter_alone_and_adds_nothing_else() -> None:
    painted = plan_text(EXAMPLE, ABOUT, COST, lambda text, style: f"<{style}>{text}</{style}>")
    assert re.sub(r"</?(create|update|delete|danger|quiet|strong)>", "", painted) == WHOLE
    styles = {
        "<create>+<",
        "<update>~<",
        "<delete>-<",
        "<danger>!<",
        "<quiet>=<",
        "<danger>Refused by irreversible:<",
        "<strong>1 to create",
    }
    assert {style for style in styles if style in painted} == styles


def test_nothing_to_change_is_said_in_two_lines() -> None:
    assert plan_text(plan(unchanged=33)) == "prod at 4f2c1ab\n\nNothing to change. 33 unchanged, 0 unmanaged."
    assert plan_text(plan(unknown=(UNKNOWN,))).endswith("Nothing to change in what could be read. 0 unchanged, 0 unmanaged.")


def test_uncommitted_changes_are_said_first() -> None:
    assert plan_text(plan(header=Header("p", "dev", "4f2c1ab99", dirty=True))).startswith("dev at 4f2c1ab with uncommitted changes\n")
    assert plan_text(plan(header=Header("p", "dev", ""))).startswith("dev at no commit\n")


def test_a_long_name_does_not_push_the_others_away_nor_touch_its_origin() -> None:
    long, short = f"vault.policy/{'x' * 80}", "vault.policy/p"
    text = plan_text(plan(*(changed(name, {}, {"cas_required": True}, origin=EXAMPLE.changes[0].origin) for name in (long, short))))
    assert f"  ~ {long}  desired-state/policies/service.yaml:3" in text
    assert f"  ~ {short}  desired-state/policies/service.yaml:3" in text


def test_many_refusals_of_one_guard_are_one_group() -> None:
    found = tuple(Refusal(Guard.TAKEOVER, f"vault.policy/p{number}", "exists, and differs") for number in range(25))
    text = plan_text(plan(refusals=(*found, Refusal(Guard.DIRTY, "", "commit first"))))
    assert "Refused by takeover: 25 objects. Lift it with --allow takeover or an approval document." in text
    assert "  vault.policy/p19: exists, and differs\n  and 5 more\n" in text
    assert "Refused by dirty: commit first. Lift it with" in text


def access(path: str, gains: str = "", loses: str = "", secrets: int | None = None, subject: str = "user ann") -> dict[str, object]:
    return {"subject": subject, "path": path, "gains": gains.split(), "loses": loses.split(), "secrets": secrets}


def test_an_access_that_moves_both_ways_is_one_sentence() -> None:
    text = plan_text(plan(access=(access("kv/*", "list", "read update", 1),)))
    assert "\nAccess\n  user ann gains list and loses read, update on kv/* (1 secret)\n\n" in text


def test_access_is_told_subject_by_subject_and_what_is_alike_together() -> None:
    entries = (
        access("kv/a", "read", secrets=3),
        access("kv/b", "read", secrets=4),
        access("sys/x", "sudo"),
        access("kv/c", "list", subject="role ci"),
    )
    assert plan_text(plan(access=entries)).split("\n")[2:7] == [
        "Access",
        "  user ann",
        "    gains read on kv/a (3 secrets), kv/b (4 secrets)",
        "    gains sudo on sys/x",
        "  role ci gains list on kv/c",
    ]


def test_access_to_what_is_yet_to_be_made_names_it() -> None:
    entry = access("${{ ref('aws.secret/genesis/claude').arn }}/*", "secretsmanager:GetSecretValue")
    assert "gains secretsmanager:GetSecretValue on aws.secret/genesis/claude/*" in plan_text(plan(access=(entry,)))


def test_what_no_policy_could_grant_is_not_called_lacking() -> None:
    text = plan_text(plan(unknown=(UNKNOWN._replace(missing="there are no quotas in a namespace", policy=""),)))
    assert "in primary/team: there are no quotas in a namespace\n" in text
    assert "This grants" not in text


@pytest.mark.parametrize("nasty", ["\x1b[2J", "a\nb", "\u202etxt", "\r", "\x07"])
def test_nothing_that_moves_a_cursor_reaches_the_terminal(nasty: str) -> None:
    made = plan(
        changed(f"vault.kv_secret/kv/{nasty}", {}, {"custom_metadata": {nasty: nasty}}, origin=EXAMPLE.changes[0].origin, loses=nasty),
        notes=(nasty,),
        refusals=(Refusal(Guard.TAKEOVER, nasty, nasty),),
        unknown=(UNKNOWN._replace(prefix=nasty, policy=nasty.replace("\n", "")),),
        access=({"subject": nasty, "path": nasty, "gains": [nasty], "loses": []},),
    )
    text = plan_text(made)
    assert all(line.isprintable() for line in text.split("\n"))
    assert text.count("\n") == plan_text(made).replace(nasty, "").count("\n")


def test_all_to_whom_the_same_happens_are_told_of_together() -> None:
    entries = tuple(access("kv/*", "read", subject=f"role r{number}") for number in range(1200))
    assert "\n  role r0, role r1, role r2 and 1,197 more gains read on kv/*\n" in plan_text(plan(access=entries))


def test_access_of_very_many_is_counted() -> None:
    entries = tuple(access(f"kv/{number}", "read", subject=f"role r{number}") for number in range(1200))
    text = plan_text(plan(access=entries))
    assert "role r99 gains read on kv/99\n  and 1,100 more (the JSON names all)\n" in text
