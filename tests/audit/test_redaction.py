"""Nothing that the log must not hold gets into it, in whichever field and spelling it comes."""

from __future__ import annotations

import base64
import json
import random
import string
import urllib.parse
import uuid
from collections.abc import Callable

import phonenumbers
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from stdnum import iban, luhn

from reconciler.audit.event import FREE, NO_LINE, OWN, Event, Stamp, line_of
from reconciler.audit.redaction import LONGEST, Masks, Redactor

ALNUM = string.ascii_letters + string.digits


def redactor(*known: str) -> Redactor:
    masks = Masks()
    for value in known:
        masks.add(value)
    return Redactor(masks, lambda address: "abcdefghijkl")


def logged(field: str, text: str, clean: Redactor | None = None) -> str:
    """The line of an event with a text in one field, as it would lie on the disk."""
    line = line_of(Event("decision", **{field: text}), Stamp(7, "2027-01-15T08:00:00.000Z", "f" * 16, NO_LINE), clean or redactor())
    return line.decode()


# What is planted: each draws one at random.


def of(alphabet: str, count: int) -> Callable[[random.Random], str]:
    return lambda chance: "".join(chance.choices(alphabet, k=count))


def card(chance: random.Random) -> str:
    start, length = chance.choice(
        [("4", 16), ("4", 13), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("36", 14), ("3530", 16), ("62", 16), ("6759", 16)]
    )
    digits = start + "".join(chance.choices(string.digits, k=length - len(start) - 1))
    digits += luhn.calc_check_digit(digits)
    separator = chance.choice(["", "", " ", "-"])
    return separator.join(digits[at : at + 4] for at in range(0, len(digits), 4))


def account(chance: random.Random) -> str:
    country, bank, digits = chance.choice([("DE", "", 18), ("GB", "WEST", 14), ("NL", "ABNA", 10)])
    body = bank + "".join(chance.choices(string.digits, k=digits))
    made = f"{country}{98 - _mod(body + country):02}{body}"
    spaced = " ".join(made[at : at + 4] for at in range(0, len(made), 4))
    return chance.choice([made, spaced, made.lower()])


def _mod(text: str) -> int:
    return int("".join(str(int(one, 36)) for one in text + "00")) % 97


def phone(chance: random.Random) -> str:
    sample = phonenumbers.example_number(chance.choice(["US", "GB", "DE", "FR", "JP", "IN", "BR"]))
    assert sample is not None
    shape = chance.choice([phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL])
    return phonenumbers.format_number(sample, shape)


def american(chance: random.Random) -> str:
    return f"{chance.choice(['123', '212', '456', '665', '899'])}-{chance.randrange(11, 99)}-{chance.randrange(1000, 9999)}"


def email(chance: random.Random) -> str:
    name = "".join(chance.choices(string.ascii_lowercase + string.digits + "._+-", k=chance.randrange(1, 20)))
    domain = chance.choice(["@example.com", "@mail.example.co.uk", "%40localhost", "%40example.com", "@xn--bcher-kva.example"])
    return f"x{name}{domain}"


def token_of(text: str) -> Callable[[random.Random], str]:
    """A token's form: `?` is a letter or digit, `#` a digit, `^` a capital or digit, `~` small hexadecimal."""
    kinds = {"?": ALNUM, "#": string.digits, "^": string.ascii_uppercase + string.digits, "~": "0123456789abcdef"}
    return lambda chance: "".join(chance.choice(kinds.get(one, one)) for one in text)


PLANTED: dict[str, Callable[[random.Random], str]] = {
    "card": card,
    "iban": account,
    "phone": phone,
    "ssn": american,
    "email": email,
    "ipv4": lambda chance: (
        f"{chance.choice([8, 52, 140, 203 - 2])}.{chance.randrange(1, 99)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
    ),
    "ipv6": lambda chance: f"2a00:1450:4001:{chance.randrange(1, 65535):x}::{chance.randrange(1, 65535):x}",
    "aws": token_of("AKIA" + "^" * 16),
    "aws session": token_of("ASIA" + "^" * 16),
    "aws secret": token_of("wJ7" + "?" * 37),
    "github": token_of("ghp_" + "?" * 36),
    "github app": token_of("ghs_" + "?" * 36),
    "github fine-grained": token_of("github_pat_" + "?" * 22 + "_" + "?" * 59),
    "gitlab": token_of("glpat-" + "?" * 20),
    "slack": token_of("xoxb-############-############-" + "?" * 24),
    "slack hook": token_of("https://hooks.slack.com/services/T^^^^^^^^/B^^^^^^^^/" + "?" * 24),
    "stripe": token_of("sk_live_" + "?" * 24),
    "openai": token_of("sk-" + "?" * 20 + "T3BlbkFJ" + "?" * 20),
    "anthropic": token_of("sk-ant-api03-" + "?" * 48),
    "google": token_of("AIza" + "?" * 35),
    "sendgrid": token_of("SG." + "?" * 22 + "." + "?" * 43),
    "twilio": token_of("SK" + "~" * 32),
    "mailgun": token_of("key-" + "~" * 32),
    "npm": token_of("npm_" + "?" * 36),
    "pypi": token_of("pypi-AgEIcHlwaS5vcmc" + "?" * 60),
    "digitalocean": token_of("dop_v1_" + "~" * 64),
    "shopify": token_of("shpat_" + "~" * 32),
    "vault": token_of("hvs.CAESI" + "?" * 40),
    "vault batch": token_of("hvb.AAAAAQ" + "?" * 40),
    "old vault": token_of("s." + "?" * 24),
    "jwt": token_of("eyJhbGciOiJIUzI1NiJ9.eyJ" + "?" * 30 + "." + "?" * 43),
    "private key": token_of("-----BEGIN PRIVATE KEY-----MIIE" + "?" * 60),
    "url": token_of("postgres://app:p?ss?w?rd??@db.example.com:5432/orders"),
    "webhook": token_of("whsec_" + "?" * 32),
    "age": token_of("AGE-SECRET-KEY-1" + "^" * 58),
    # Those that are spelled as ids are.
    "datadog": token_of("~" * 32),
    "circleci": token_of("~" * 40),
    "datadog in capitals": lambda chance: token_of("~" * 32)(chance).upper(),
    "heroku, secret_id of an AppRole": token_of("~~~~~~~~-~~~~-4~~~-8~~~-~~~~~~~~~~~~"),
    "databricks": token_of("dapi" + "~" * 32),
    "buildkite": token_of("bkua_" + "~" * 40),
    "rubygems": token_of("rubygems_" + "~" * 48),
    "mailchimp": token_of("~" * 32 + "-us12"),
    "hugging face": token_of("hf_" + "?" * 34),
    "docker": token_of("dckr_pat_" + "?" * 27),
    "grafana": token_of("glsa_" + "?" * 32 + "_" + "~" * 8),
    "linear": token_of("lin_api_" + "?" * 40),
    "discord": token_of("MTk4NjIyNDgzNDcxOTI1MjQ4.C" + "?" * 5 + "." + "?" * 27),
    "telegram": token_of("##########:AA" + "?" * 33),
    "azure": token_of("AccountKey=" + "?" * 86 + "=="),
    "new relic": token_of("NRAK-" + "^" * 27),
    "notion": token_of("ntn_" + "?" * 46),
    "terraform cloud": token_of("?" * 14 + ".atlasv1." + "?" * 67),
    "square": token_of("sq0atp-" + "?" * 22),
    "sentry": token_of("sntrys_" + "?" * 60),
    "atlassian": token_of("ATATT3xFfGF0" + "?" * 60),
    "postman": token_of("PMAK-" + "~" * 24 + "-" + "~" * 34),
}
AROUND = st.sampled_from(["", "vault.policy/", "user=", " ", "kv/data/", "(", "the value: ", "a,", "arn:aws:x:::", "<", "é "])
BEHIND = st.sampled_from(["", "/", " ", ")", ",x", ": no", ">", "\n", " ünd"])


@pytest.mark.parametrize("sort", PLANTED)
@settings(max_examples=12)
@given(field=st.sampled_from(sorted(FREE)), before=AROUND, behind=BEHIND, seed=st.integers(0, 10**9))
def test_what_is_planted_in_any_field_is_not_in_the_line(sort: str, field: str, before: str, behind: str, seed: int) -> None:
    planted = PLANTED[sort](random.Random(seed))
    assume(not (field in OWN and OWN[field].fullmatch(before + planted + behind)))
    line = logged(field, before + planted + behind)
    assert telling(planted) not in "".join(line.split()), line
    if sort == "email":
        assert "[email:abcdefghijkl]" in line


def telling(planted: str) -> str:
    """The part that must not be there: of an address with a password, the password."""
    part = planted.partition("://")[2].partition("@")[0].partition(":")[2] if "@db." in planted else planted
    part = part.removeprefix("AccountKey=")
    return json.dumps("".join(part.split()))[1:-1]


@settings(max_examples=300)
@given(st.text(max_size=60), st.sampled_from(sorted(FREE)))
def test_a_line_is_one_line_of_the_json_that_it_should_be(text: str, field: str) -> None:
    line = logged(field, text)
    assert "\n" not in line
    read = json.loads(line)
    assert read.keys() == {"v", "seq", "ts", "writer", "type", "prev"} | ({field} if text else set())
    assert line.encode()  # no half of a surrogate pair is left
    assert str(read.get(field, "")).isprintable()


@settings(max_examples=200)
@given(st.lists(st.sampled_from(sorted(PLANTED)), min_size=1, max_size=4), st.integers(0, 10**9))
def test_several_at_once_are_all_found_and_a_clean_text_stays_as_it_is(sorts: list[str], seed: int) -> None:
    chance = random.Random(seed)
    planted = [PLANTED[sort](chance) for sort in sorts]
    clean = redactor()(" ; ".join(planted))
    assert not any(telling(one) in "".join(clean.split()) for one in planted)
    assert redactor()(clean) == clean


@pytest.mark.parametrize(
    "hidden",
    [
        "4111\u200b1111\u200b1111\u200b1111",
        "４１１１１１１１１１１１１１１１",
        "٤١١١١١١١١١١١١١١١",
        "ada＠example.com",
        "4111 1111 1111 1111",
    ],
)
def test_nothing_hides_behind_another_spelling(hidden: str) -> None:
    assert redactor()(hidden).startswith("[")


ORDINARY = [
    "vault.approle_role/approle/service-00123",
    "vault.policy/genesis-readers@eu/team-a",
    "aws.secret/genesis/claude",
    "aws.secret/MyApp-Prod-2024-DatabasePassword",
    "vault.kv_secret/genesis/backup-20261124094540",
    "aws.iam_role/AWSServiceRoleForAutoScaling",
    "/genesis/202401011234567",
    "db/orders",
    "rotation.promote",
    "bb58236d9a30",
    "20261124T094540Z-6a8f5fc89892627b",
    "10.0.0.17",
    "2027-01-15T08:00:00Z",
    "genesis/dev+6eaad0ab",
    "GitHub Actions run 123456",
    "3",
    "",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_names_and_ids_stay_readable(text: str) -> None:
    assert redactor()(text) == text


@settings(max_examples=200)
@given(st.binary(min_size=6, max_size=11).filter(lambda raw: not raw.hex().isdigit()))
def test_short_ids_stay_as_they_are(raw: bytes) -> None:
    assert redactor()(raw.hex()) == raw.hex()


@settings(max_examples=100)
@given(st.binary(min_size=32, max_size=32), st.uuids())
def test_ids_stay_in_the_fields_that_are_for_them_and_nowhere_else(raw: bytes, version: uuid.UUID) -> None:
    digest, commit, request = raw.hex(), raw.hex()[:40], str(version)
    for field, id in (
        ("fp", digest),
        ("commit", commit),
        ("commit", digest),
        ("ver_to", request),
        ("ver_from", request),
        ("ext_req_id", request),
    ):
        assert json.loads(logged(field, id))[field] == id
    for field in sorted(FREE - OWN.keys()):
        for id in (digest, commit, request):
            assert json.loads(logged(field, id))[field] == "[id:abcdefghijkl]"
    assert json.loads(logged("commit", f"{digest}-{digest}"))["commit"] == "[id:abcdefghijkl]-[id:abcdefghijkl]"


def test_names_made_of_ids_stay_different_from_one_another() -> None:
    clean = Redactor(Masks(), lambda text: f"<{text[:4]}>")
    one, two = (clean(f"aws.kms_key/{start}{'0a' * 16}") for start in ("aaaa", "bbbb"))
    assert (one, two) == ("aws.kms_key/[id:<aaaa>]", "aws.kms_key/[id:<bbbb>]")


def test_a_value_in_memory_is_masked_in_the_fields_for_ids_too() -> None:
    value = "0a" * 20
    assert json.loads(logged("commit", value, redactor(value)))["commit"] == "[secret]"


# Values that are known.


@settings(max_examples=200)
@given(
    st.text(min_size=6, max_size=40).filter(lambda text: text.isprintable() and text.strip() == text and text not in "[secret]"),
    AROUND,
    BEHIND,
    st.sampled_from(sorted(FREE)),
)
def test_a_value_in_memory_is_masked_in_every_spelling(value: str, before: str, behind: str, field: str) -> None:
    clean = redactor(value)
    raw = value.encode()
    spellings = [
        value,
        urllib.parse.quote(raw, safe=""),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        raw.hex(),
    ]
    for one in spellings:
        found = json.loads(logged(field, before + one + behind, clean))[field]
        assert one.rstrip("=") not in found, (one, found)


def test_a_short_value_is_masked_where_it_is_the_whole_field_and_no_words_are_cut_up() -> None:
    clean = redactor("pol")
    assert clean("pol") == "[secret]"
    assert clean("vault.policy/pol") == "vault.policy/pol"


def test_a_value_that_becomes_known_later_is_masked_from_then_on() -> None:
    masks = Masks()
    clean = Redactor(masks, lambda _address: "x")
    assert clean("hunter2-hunter2") == "hunter2-hunter2"
    masks.add("hunter2-hunter2")
    assert clean("hunter2-hunter2") == "[secret]"


def test_half_a_secret_does_not_slip_through_where_a_long_text_is_cut() -> None:
    secret = "hunter2" * 30
    found = redactor(secret)("x" * (LONGEST - 10) + secret)
    assert len(found) <= LONGEST
    assert "hunter" not in found


@settings(max_examples=50)
@given(st.lists(st.text(alphabet=string.ascii_uppercase, min_size=6, max_size=20), min_size=1, max_size=50, unique=True))
def test_one_of_many_known_values_is_found(values: list[str]) -> None:
    clean = redactor(*values)
    for value in values:
        assert value not in clean(f"<{value}>")


def test_the_planted_are_what_they_claim_to_be() -> None:
    chance = random.Random(1)
    for _ in range(200):
        assert luhn.is_valid(card(chance).replace(" ", "").replace("-", ""))
        assert iban.is_valid(account(chance), check_country=False)
