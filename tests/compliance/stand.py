"""Evidence of an environment in which nothing is wrong, and for each check the smallest thing that breaks it."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any, NamedTuple

from reconciler.audit.search import Row
from reconciler.compliance.evidence import Declared, Endpoint, Evidence, Part, Retained, Sealed, absent
from reconciler.compliance.seen import (
    Certificate,
    Clock,
    Commit,
    Drift,
    Kept,
    Known,
    LiveKey,
    LogPlace,
    Read,
    Reads,
    Shares,
    Sinks,
    Stock,
    Strayed,
    Tallied,
    Verified,
)
from reconciler.core.address import Address, parse_address
from reconciler.core.complying import Thresholds
from reconciler.core.resource import Origin, Resource
from reconciler.core.standing import Standing
from reconciler.kinds import KINDS

NOW = datetime.datetime(2026, 6, 1, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
ORIGIN = Origin("desired-state/secrets.yaml", 7)
ELSEWHERE = Origin("desired-state/vault.yaml", 3)


def resource(address: str, **spec: Any) -> tuple[Address, Resource[Any]]:
    where = parse_address(address)
    return where, Resource(where, KINDS[where.kind].spec.model_validate(spec), ELSEWHERE)


def row(
    entry: int, action: str, name: str = "api_keys/claude", outcome: str = "applied", *, type: str = "intent", days: int = 1, **about: str
) -> Row:
    ts = (NOW - days * DAY).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    line = {"ts": ts, "type": type, "actor": "p-1", "action": action, "resource": name, "commit": "c0ffee", **about}
    return Row(entry, ts, type, "p-1", action, name, outcome, about.get("rid", f"run-{entry}"), line["commit"], line)


SECRET = Declared("secret/api_keys/claude", ORIGIN, "api_keys/claude", "api_key", "genesis", 30 * 86400, 32, 190.5, "vault")
STANDING = Standing("api_keys/claude", "vault", "api_key", "IDLE", last_rotated=int((NOW - 3 * DAY).timestamp()), scheduled=True)
POLICY = resource("vault.policy/readers", rules=[{"path": "genesis/data/shared/*", "capabilities": ["read"]}])
ROLE = resource("vault.approle_role/approle/ci", token_policies=["readers"], token_ttl=3600, token_max_ttl=7200)
ENDLESS = ROLE[1].spec.model_copy(update={"token_max_ttl": 0})
KEY = resource("vault.transit_key/transit/orders", auto_rotate_period="30d")
BY_HAND = resource("vault.policy/by-hand", rules=[{"path": "+/*", "capabilities": ["list"]}])
PKI = resource("vault.pki_role/pki/web", key_type="ec", key_bits=256, max_ttl="30d")
ROWS = (
    row(1, "apply.create", "vault.policy/readers"),
    row(2, "rotation.promote", fp="aa11", store="vault", ver_to="3"),
    row(3, "rotation.emergency", outcome="refused", type="decision", days=20),
    row(4, "backup", "b-1"),
    row(5, "drill", "b-1", days=9),
    row(6, "alert", "pager", type="decision"),
)
GOOD = Evidence(
    project="genesis",
    environment="prod",
    commit="c0ffee",
    at=NOW,
    thresholds=Thresholds(),
    resources=dict([POLICY, ROLE, KEY, PKI]),
    secrets=(SECRET,),
    endpoints=(Endpoint("vault/primary", "https://vault.example.com:8200"),),
    sealed=(Sealed("store/vault", "the barrier of the server, AES-256-GCM"), Sealed("store/files", "argon2id", "argon2id", 65536)),
    retained=Retained("retention/default", ELSEWHERE, 7 * 365 * 86400, 90 * 86400),
    inventory=Part((Known("vault.policy/readers", declared=True, there=True, origin=ELSEWHERE),)),
    drift=Part((Drift(4, ()),)),
    stock=Part((Stock("vault", "api_keys/claude", (Kept("3", NOW - 3 * DAY, True), Kept("2", NOW - 40 * DAY, True))),)),
    standings=Part((STANDING,)),
    rows=Part(ROWS),
    entries=Read(6, ROWS[0].ts, ROWS[-1].ts),
    mounts=(("primary", "genesis"),),
    verified=Part((Verified(6, (), "2026-06-01"),)),
    tallied=Part((Tallied(2, ()),)),
    access=Part(((POLICY[0], POLICY[1].spec),)),
    sinks=Part((Sinks("primary", ("file", "syslog")),)),
    places=Part((LogPlace("audit/prod", "vault primary", recorded=True),)),
    clocks=Part((Clock("primary", 0.4),)),
    shares=Part((Shares("primary", "shamir", 3, 5),)),
    certificates=Part((Certificate("vault/primary", "vault.example.com", NOW + 60 * DAY, "ec", 256, "sha256"),)),
    keys=Part((LiveKey("vault.transit_key/transit/orders", {1: NOW - 20 * DAY}, 1, exportable=False, deletable=False),)),
    commits=Part((Commit("c0ffee" * 6, frozenset({"ada@example.com"}), frozenset({"grace@example.com"}), "good"),)),
    reads=Part((Reads("vault", NOW - 400 * DAY, {"api_keys/claude": NOW - DAY}),)),
)
MISSING: Part[Any] = absent("it could not be read")


class Case(NamedTuple):
    """One way to break a check: what is broken, which address is named, and at which line it is declared."""

    check: str
    what: str
    broken: Evidence
    address: str
    origin: Origin | None = None


def altered(evidence: Evidence, parts: dict[str, Any]) -> Evidence:
    """The evidence with other parts, by name."""
    return replace(evidence, **parts)


def with_rows(*rows: Row) -> Evidence:
    return replace(GOOD, rows=Part((*ROWS, *rows)), entries=GOOD.entries._replace(number=6 + len(rows)))


def with_resource(address: str, **spec: Any) -> Evidence:
    return replace(GOOD, resources={**GOOD.resources, **dict([resource(address, **spec)])})


def with_secret(**changed: Any) -> Evidence:
    return replace(GOOD, secrets=(SECRET._replace(**changed),))


def with_standing(**changed: Any) -> Evidence:
    return replace(GOOD, standings=Part((STANDING._replace(**changed),)))


def _allowing(**said: str) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **said}]}


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
S, ALARM = "secret/api_keys/claude", int((NOW - DAY).timestamp())
CASES = (
    Case("C01", "declared and not there", replace(GOOD, inventory=Part((Known(S, True, False, ORIGIN),))), S, ORIGIN),
    Case("C01", "there and not declared", replace(GOOD, inventory=Part((Known("secret/x", False, True),))), "secret/x"),
    Case("C02", "older than its interval", with_standing(last_rotated=int((NOW - 31 * DAY).timestamp())), S, ORIGIN),
    Case(
        "C02",
        "an old value of which nobody knew when it was declared",
        replace(GOOD, stock=Part((Stock("vault", "api_keys/claude", (Kept("1", NOW - 400 * DAY, True),)),))),
        S,
        ORIGIN,
    ),
    Case("C02", "an interval longer than allowed", with_secret(interval=91 * 86400), S, ORIGIN),
    Case("C03", "no owner", with_secret(owner=""), S, ORIGIN),
    Case("C03", "no schedule", with_secret(interval=None), S, ORIGIN),
    Case("C04", "orphaned", with_standing(phase="ORPHANED", reason="the target is gone"), S, ORIGIN),
    Case("C04", "failing", with_standing(failures=2), S, ORIGIN),
    Case("C05", "a leaked value that is still good", with_standing(alarmed=ALARM), S, ORIGIN),
    Case("C05", "a drill that was not seen to end", with_rows(row(9, "rotation.emergency", outcome="exposed", type="decision")), S, ORIGIN),
    Case("C06", "too few bits", with_secret(length=16, bits=95.3), S, ORIGIN),
    Case("C06", "a short password", with_secret(type="password", length=12, bits=200.0), S, ORIGIN),
    Case(
        "C06",
        "a policy for short passwords",
        with_resource("vault.password_policy/weak", policy="length = 8\n"),
        "vault.password_policy/weak",
        ELSEWHERE,
    ),
    Case("C07", "one value for two secrets", with_rows(row(9, "rotation.promote", "db/orders", fp="aa11")), "secret/db/orders"),
    Case("C07", "a value that comes back", with_rows(row(9, "rotation.promote", fp="aa11")), S, ORIGIN),
    Case(
        "C08",
        "a passphrase that is quick to guess",
        replace(GOOD, sealed=(Sealed("store/files", "pbkdf2", "pbkdf2-hmac-sha256", 1000),)),
        "store/files",
    ),
    Case(
        "C08",
        "a secret in a plain parameter",
        with_resource("aws.ssm_parameter/genesis/db", type="String", value={"from": "env:DB"}),
        "aws.ssm_parameter/genesis/db",
        ELSEWHERE,
    ),
    Case(
        "C09",
        "an address without TLS",
        replace(GOOD, endpoints=(Endpoint("vault/eu", "http://vault.eu:8200", origin=ELSEWHERE),)),
        "vault/eu",
        ELSEWHERE,
    ),
    Case(
        "C09",
        "a certificate that is not checked",
        replace(GOOD, endpoints=(Endpoint("vault/eu", "https://vault.eu", checked=False),)),
        "vault/eu",
    ),
    Case(
        "C09",
        "a database without TLS",
        with_resource(
            "vault.database_connection/db/orders",
            plugin_name="postgresql-database-plugin",
            connection_url="postgresql://{{username}}:{{password}}@db:5432/orders?sslmode=disable",
        ),
        "vault.database_connection/db/orders",
        ELSEWHERE,
    ),
    Case(
        "C09",
        "a MySQL database without TLS",
        with_resource(
            "vault.database_connection/db/shop",
            plugin_name="mysql-database-plugin",
            connection_url="{{username}}:{{password}}@tcp(db:3306)/?tls=false",
        ),
        "vault.database_connection/db/shop",
        ELSEWHERE,
    ),
    Case("C09", "an address in capitals", replace(GOOD, endpoints=(Endpoint("vault/eu", "HTTP://vault.eu"),)), "vault/eu"),
    Case(
        "C09",
        "a target without TLS",
        with_resource(
            "secret/db/orders", type="database", target={"engine": "postgresql", "dsn": "host=db sslmode=disable", "users": ["a", "b"]}
        ),
        "secret/db/orders",
        ELSEWHERE,
    ),
    Case(
        "C10",
        "every path",
        with_resource("vault.policy/admin", rules=[{"path": "*", "capabilities": ["read"]}]),
        "vault.policy/admin",
        ELSEWHERE,
    ),
    Case(
        "C10",
        "sudo",
        with_resource("vault.policy/audit", rules=[{"path": "sys/audit", "capabilities": ["read", "sudo"]}]),
        "vault.policy/audit",
        ELSEWHERE,
    ),
    Case(
        "C10",
        "root",
        with_resource("vault.token_role/break-glass", allowed_policies=["root"], token_explicit_max_ttl=3600),
        "vault.token_role/break-glass",
        ELSEWHERE,
    ),
    Case(
        "C10",
        "every action in IAM",
        with_resource(
            "aws.iam_policy/admin", document={"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        ),
        "aws.iam_policy/admin",
        ELSEWHERE,
    ),
    *(
        Case(
            "C10",
            f"the whole store by {path}",
            with_resource("vault.policy/p", rules=[{"path": path, "capabilities": ["read"]}]),
            "vault.policy/p",
            ELSEWHERE,
        )
        for path in ("genesis*", "gen*", "genesis/da*", "genesis/+/*", "+/+/*", "+/data/*", "/genesis/*")
    ),
    *(
        Case("C10", f"{what} in IAM", with_resource("aws.iam_policy/p", document=_allowing(**actions)), "aws.iam_policy/p", ELSEWHERE)
        for what, actions in {"every action of every service": {"Action": "*:*"}, "nearly every action": {"NotAction": "iam:*"}}.items()
    ),
    Case(
        "C10",
        "AWS's own administrators",
        with_resource("aws.iam_role/ops", trust_policy=TRUST, managed_policies=["arn:aws:iam::aws:policy/AdministratorAccess"]),
        "aws.iam_role/ops",
        ELSEWHERE,
    ),
    Case("C10", "a policy that only the server has", replace(GOOD, access=Part(((BY_HAND[0], BY_HAND[1].spec),))), "vault.policy/by-hand"),
    Case(
        "C11",
        "tokens without an end",
        with_resource("vault.approle_role/approle/old", token_policies=["readers"]),
        "vault.approle_role/approle/old",
        ELSEWHERE,
    ),
    Case(
        "C11",
        "periodic tokens",
        with_resource("vault.approle_role/approle/old", token_period=3600, token_max_ttl=7200),
        "vault.approle_role/approle/old",
        ELSEWHERE,
    ),
    Case(
        "C11",
        "tokens that live too long",
        with_resource("vault.approle_role/approle/old", token_max_ttl="30d"),
        "vault.approle_role/approle/old",
        ELSEWHERE,
    ),
    Case("C11", "a role that was changed past git", replace(GOOD, access=Part(((ROLE[0], ENDLESS),))), str(ROLE[0]), ELSEWHERE),
    Case(
        "C25",
        "a declared key that was made deletable past git",
        replace(GOOD, keys=Part((GOOD.keys.found[0]._replace(deletable=True),))),
        "vault.transit_key/transit/orders",
        ELSEWHERE,
    ),
    Case(
        "C11",
        "a login for whoever",
        with_resource("vault.jwt_role/jwt/ci", role_type="jwt", user_claim="sub", bound_audiences=["vault"], token_max_ttl=3600),
        "vault.jwt_role/jwt/ci",
        ELSEWHERE,
    ),
    Case(
        "C11",
        "service accounts of any namespace",
        with_resource(
            "vault.kubernetes_role/k8s/ci",
            bound_service_account_names=["default"],
            bound_service_account_namespaces=["*"],
            token_max_ttl=3600,
        ),
        "vault.kubernetes_role/k8s/ci",
        ELSEWHERE,
    ),
    Case("C12", "one audit device", replace(GOOD, sinks=Part((Sinks("primary", ("file",)),))), "vault/primary"),
    Case("C12", "none", replace(GOOD, sinks=Part((Sinks("primary", ()),))), "vault/primary"),
    Case("C13", "a line that was edited", replace(GOOD, verified=Part((Verified(6, ("entry 3: was edited",), ""),))), "audit/prod"),
    Case(
        "C14", "a version that nobody recorded", replace(GOOD, tallied=Part((Tallied(2, ((S, "version 4 has no outcome"),)),))), S, ORIGIN
    ),
    Case("C15", "an intent without an outcome", with_rows(row(9, "secret.put", outcome="")), "audit/9"),
    Case("C15", "a line that names nobody", with_rows(row(9, "secret.put")._replace(actor="")), "audit/9"),
    Case("C15", "an apply of no commit", with_rows(row(9, "apply.create")._replace(commit="")), "audit/9"),
    Case(
        "C16", "dropped after a month", replace(GOOD, retained=GOOD.retained._replace(audit_log=30 * 86400)), "retention/default", ELSEWHERE
    ),
    Case("C17", "in a folder", replace(GOOD, places=Part((LogPlace("audit/prod", "a folder", False),))), "audit/prod"),
    Case("C18", "a clock that is a minute slow", replace(GOOD, clocks=Part((Clock("primary", -61.0),))), "vault/primary"),
    Case("C19", "an alert that did not arrive", with_rows(row(9, "alert", "pager", "failed", type="decision", days=0)), "alert/pager"),
    Case(
        "C20",
        "approved by its author",
        replace(GOOD, commits=Part((Commit("abc", frozenset({"ada"}), frozenset({"ada"}), "good"),))),
        "commit/abc",
    ),
    Case("C20", "not signed", replace(GOOD, commits=Part((Commit("abc", frozenset({"ada"}), frozenset({"eve"}), "none"),))), "commit/abc"),
    Case(
        "C21",
        "changed by hand",
        replace(GOOD, drift=Part((Drift(4, (Strayed("vault.policy/readers", "update", ("rules",), ELSEWHERE),)),))),
        "vault.policy/readers",
        ELSEWHERE,
    ),
    Case("C23", "no backup", replace(GOOD, rows=Part(tuple(one for one in ROWS if one.action != "backup"))), "environment/prod"),
    Case("C23", "an old backup", replace(GOOD, rows=Part((row(1, "backup", days=8), row(2, "drill")))), "environment/prod"),
    Case("C23", "a drill that failed", with_rows(row(9, "drill", outcome="failed")), "environment/prod"),
    Case("C24", "a weak role", with_resource("vault.pki_role/pki/old", key_type="ec", key_bits=224), "vault.pki_role/pki/old", ELSEWHERE),
    Case("C24", "certificates for ten years", with_resource("vault.pki_role/pki/old", max_ttl="10y"), "vault.pki_role/pki/old", ELSEWHERE),
    Case(
        "C24",
        "one that ends soon",
        replace(GOOD, certificates=Part((GOOD.certificates.found[0]._replace(not_after=NOW + DAY),))),
        "vault/primary",
    ),
    Case(
        "C24",
        "one that has ended",
        replace(GOOD, certificates=Part((GOOD.certificates.found[0]._replace(not_after=NOW - DAY),))),
        "vault/primary",
    ),
    Case(
        "C24",
        "a short key",
        replace(GOOD, certificates=Part((GOOD.certificates.found[0]._replace(algorithm="rsa", bits=1024),))),
        "vault/primary",
    ),
    Case(
        "C24",
        "a weak signature",
        replace(GOOD, certificates=Part((GOOD.certificates.found[0]._replace(signature="sha1"),))),
        "vault/primary",
    ),
    Case("C25", "a key that is never rotated", with_resource("vault.transit_key/transit/old"), "vault.transit_key/transit/old", ELSEWHERE),
    Case(
        "C25",
        "a key that may leave",
        with_resource("vault.transit_key/transit/old", exportable=True, auto_rotate_period="30d"),
        "vault.transit_key/transit/old",
        ELSEWHERE,
    ),
    Case(
        "C25", "a KMS key that is never rotated", with_resource("aws.kms_key/alias/old", rotation=False), "aws.kms_key/alias/old", ELSEWHERE
    ),
    Case(
        "C25",
        "a key whose backup has it in plain text",
        replace(GOOD, keys=Part((GOOD.keys.found[0]._replace(plain_backup=True),))),
        "vault.transit_key/transit/orders",
        ELSEWHERE,
    ),
    Case(
        "C25",
        "an old newest version",
        replace(GOOD, keys=Part((GOOD.keys.found[0]._replace(made={1: NOW - 366 * DAY}),))),
        "vault.transit_key/transit/orders",
        ELSEWHERE,
    ),
    Case(
        "C25",
        "an old version that still decrypts",
        replace(GOOD, keys=Part((GOOD.keys.found[0]._replace(made={1: NOW - 800 * DAY, 2: NOW - DAY}),))),
        "vault.transit_key/transit/orders",
        ELSEWHERE,
    ),
    Case(
        "C25",
        "a key that only the server has",
        replace(GOOD, keys=Part((GOOD.keys.found[0]._replace(address="vault.transit_key/transit/x", deletable=True),))),
        "vault.transit_key/transit/x",
    ),
    Case("C26", "one share", replace(GOOD, shares=Part((Shares("primary", "shamir", 1, 1),))), "vault/primary"),
    Case("C27", "an e-mail address", with_rows(row(9, "secret.put", "people/ada@example.com")), "audit/9"),
    Case(
        "C28",
        "an old version that can be read",
        replace(GOOD, stock=Part((Stock("vault", "api_keys/claude", (Kept("3", NOW - 91 * DAY, True), Kept("2", NOW - 95 * DAY, True))),))),
        S,
        ORIGIN,
    ),
    Case("C29", "a secret that nobody reads", replace(GOOD, reads=Part((Reads("vault", NOW - 400 * DAY, {}),))), S, ORIGIN),
    Case("C30", "a lockdown", with_rows(row(9, "lockdown.on", "genesis/prod", code="drill")), "audit/9"),
)
# What each check cannot do without. Those that are not named need the desired state alone.
NEEDS: dict[str, tuple[str, ...]] = {
    "C01": ("inventory",), "C02": ("standings", "stock"), "C04": ("standings",), "C05": ("rows", "standings"), "C07": ("rows",), "C10": ("access",),
    "C11": ("access",), "C12": ("sinks",), "C13": ("verified",), "C14": ("tallied",), "C15": ("rows",), "C17": ("places",), "C18": ("clocks",),
    "C19": ("rows",), "C20": ("commits",), "C21": ("drift",), "C23": ("rows",), "C24": ("certificates",), "C25": ("keys",), "C26": ("shares",),
    "C27": ("rows",), "C28": ("stock",), "C29": ("reads",), "C30": ("rows",),
}  # fmt: skip
