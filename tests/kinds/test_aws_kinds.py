"""What is peculiar to AWS kinds: names that wait for deletion, limits, denials, what is not ours."""

from __future__ import annotations

import itertools
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.backends.aws.client import AwsClient
from reconciler.core.address import Address
from reconciler.core.change import Action, Change
from reconciler.core.errors import Conflict, Denied, LeaseLost
from reconciler.core.kind import AnyKind, Gap, Names, Reading
from reconciler.core.secret import Secret
from reconciler.kinds import KINDS
from tests.backends.aws_endpoint import Endpoint, Said
from tests.kinds.samples_aws import READ, READ_AND_DECRYPT, SAMPLES, SECRET_POLICY, TRUST_EC2, allow, document

POLICY, ROLE, SECRET, KEY, PARAMETER = (
    KINDS[name] for name in ("aws.iam_policy", "aws.iam_role", "aws.secret", "aws.kms_key", "aws.ssm_parameter")
)


def reveal(_secret: Secret) -> str:
    return "the value"


def put(
    aws: AwsClient, kind: AnyKind, name: str, before: dict[str, Any] | None, after: dict[str, Any] | None, *, replace: bool = False
) -> None:
    """Write a change; None is absence."""
    old, new = (kind.spec.model_validate(spec) if spec is not None else None for spec in (before, after))
    action = Action.CREATE if old is None else Action.DELETE if new is None else Action.REPLACE if replace else Action.UPDATE
    kind.write(aws, Change(Address(kind.name, name), action, old, new), reveal)


def look(aws: AwsClient, kind: AnyKind, name: str) -> Any:
    """One object's spec, or None if it is surely absent."""
    reading: Reading[Any] = kind.read(aws, Names(frozenset({name})))
    assert reading.gaps == ()
    return reading.live[name].spec if name in reading.live else None


TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='\\"<>'), min_size=1, max_size=20)
TAGS = st.dictionaries(st.text("abcXYZ019", min_size=1, max_size=8), st.text("abc XYZ/_.:=+-@", max_size=8).map(str.strip), max_size=4)
WRITTEN = {
    "aws.secret": st.fixed_dictionaries({"description": TEXT, "tags": TAGS, "recovery_window_days": st.just(0)}),
    "aws.iam_policy": st.fixed_dictionaries({"description": TEXT, "tags": TAGS, "document": st.sampled_from([READ, READ_AND_DECRYPT])}),
    "aws.ssm_parameter": st.fixed_dictionaries({"description": TEXT, "tags": TAGS, "type": st.sampled_from(["String", "SecureString"])}),
}


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_what_is_written_is_what_is_read(aws: AwsClient, name: str) -> None:
    kind, numbers = KINDS[name], iter(range(1000))

    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # each example is ten requests
    @given(WRITTEN[name])
    def holds(given_spec: dict[str, Any]) -> None:
        leaf = f"name{next(numbers)}"
        more = {"value": {"from": "env:X"}} if name == "aws.ssm_parameter" else {}
        put(aws, kind, leaf, None, {**given_spec, **more})
        unseen = {field: getattr(kind.spec.model_validate(given_spec), field) for field in kind.kept}
        assert look(aws, kind, leaf).model_copy(update=unseen) == kind.spec.model_validate(given_spec)

    holds()


def test_a_secret_that_waits_for_its_deletion_is_absent_and_comes_back_with_its_value(aws: AwsClient) -> None:
    put(aws, SECRET, "db", None, {"description": "old", "tags": {"a": "1"}})
    aws.change("secretsmanager", "put_secret_value", SecretId="db", SecretString="kept")
    put(aws, SECRET, "db", {"description": "old"}, None)
    assert look(aws, SECRET, "db") is None
    put(aws, SECRET, "db", None, {"description": "new", "tags": {"b": "2"}, "resource_policy": SECRET_POLICY})
    found = look(aws, SECRET, "db")
    assert (found.description, found.tags, bool(found.resource_policy)) == ("new", {"b": "2"}, True)
    assert aws.call("secretsmanager", "get_secret_value", SecretId="db")["SecretString"] == "kept"


def test_a_secret_that_somebody_else_made_meanwhile_is_a_conflict(aws: AwsClient) -> None:
    put(aws, SECRET, "db", None, {"description": "theirs"})
    with pytest.raises(Conflict):
        put(aws, SECRET, "db", None, {"description": "ours"})
    assert look(aws, SECRET, "db").description == "theirs"


def test_a_secret_without_recovery_window_is_gone_at_once(aws: AwsClient) -> None:
    put(aws, SECRET, "db", None, {})
    put(aws, SECRET, "db", {"recovery_window_days": 0}, None)
    assert not list(aws.pages("secretsmanager", "list_secrets", "SecretList", IncludePlannedDeletion=True))
    assert "at once" in SECRET.loses("db", SECRET.spec.model_validate({"recovery_window_days": 0}))
    assert SECRET.loses("db", SECRET.spec()) == ""


def test_a_rotation_is_read_by_its_schedule_and_one_that_was_switched_off_is_none() -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:rotate"
    rules = {"ScheduleExpression": "rate(10 days)", "AutomaticallyAfterDays": 10, "Duration": "3h"}  # AWS works the days out itself
    found = {"ARN": "arn:x", "Name": "db", "RotationLambdaARN": arn, "RotationRules": rules}
    with Endpoint() as endpoint:
        for enabled, expected in ((True, {"lambda_arn": arn, "schedule_expression": "rate(10 days)", "duration": "3h"}), (False, None)):
            bodies = [{"SecretList": []}, {**found, "RotationEnabled": enabled}, {"ARN": "arn:x", "Name": "db"}]
            endpoint.script = [Said(200, body=json.dumps(body)) for body in bodies]
            assert look(endpoint.client(), SECRET, "db") == SECRET.spec.model_validate({"rotation": expected})


def test_a_deleted_key_loses_its_alias_and_waits_as_long_as_declared(aws: AwsClient) -> None:
    put(aws, KEY, "alias/x", None, {})
    key = aws.call("kms", "describe_key", KeyId="alias/x")["KeyMetadata"]
    put(aws, KEY, "alias/x", {"deletion_window_days": 7}, None)
    after = aws.call("kms", "describe_key", KeyId=key["KeyId"])["KeyMetadata"]
    assert after["KeyState"] == "PendingDeletion"
    assert (after["DeletionDate"] - key["CreationDate"]).days == 7
    assert "alias/x" not in {alias["AliasName"] for alias in aws.pages("kms", "list_aliases", "Aliases")}
    put(aws, KEY, "alias/x", {}, None)  # once more does nothing


def test_an_alias_whose_key_waits_for_deletion_is_absent_and_gets_the_same_key_back(aws: AwsClient) -> None:
    put(aws, KEY, "alias/x", None, {"description": "old"})
    key = aws.call("kms", "describe_key", KeyId="alias/x")["KeyMetadata"]["KeyId"]
    aws.change("kms", "schedule_key_deletion", KeyId=key, PendingWindowInDays=7)
    assert look(aws, KEY, "alias/x") is None
    put(aws, KEY, "alias/x", None, {"description": "new", "rotation": True})
    about = aws.call("kms", "describe_key", KeyId="alias/x")["KeyMetadata"]
    assert (about["KeyId"], about["KeyState"], about["Description"]) == (key, "Enabled", "new")
    assert look(aws, KEY, "alias/x").rotation


@pytest.mark.parametrize("sent", [1, 2, 3], ids=["without its alias", "without rotation", "with its mark"])
def test_a_key_whose_making_was_cut_short_is_found_again(moto: str, aws: AwsClient, sent: int) -> None:
    left = iter([None] * sent)

    def cut(_seconds: float) -> None:
        try:
            next(left)
        except StopIteration:
            raise LeaseLost("cut") from None

    spec = {"description": "orders", "tags": {"team": "a"}, "rotation": True}
    with pytest.raises(LeaseLost):
        put(AwsClient("us-east-1", endpoint_url=moto, gate=cut), KEY, "alias/x", None, spec)
    found = look(aws, KEY, "alias/x")
    if found is None:
        put(aws, KEY, "alias/x", None, {**spec, "description": "orders, again"})
    else:
        put(aws, KEY, "alias/x", found.model_dump(), {**spec, "description": "orders, again"})
    made = look(aws, KEY, "alias/x")
    assert (made.description, made.tags, made.rotation) == ("orders, again", {"team": "a"}, True)
    assert len(list(aws.pages("kms", "list_keys", "Keys"))) == 1


def test_a_key_that_was_made_bears_no_mark(aws: AwsClient) -> None:
    put(aws, KEY, "alias/x", None, {"tags": {"team": "a"}})
    key = aws.call("kms", "describe_key", KeyId="alias/x")["KeyMetadata"]["KeyId"]
    assert [tag["TagKey"] for tag in aws.pages("kms", "list_resource_tags", "Tags", KeyId=key)] == ["team"]


def test_a_key_without_a_policy_has_the_default_one_and_drift_from_it_is_seen(aws: AwsClient) -> None:
    put(aws, KEY, "alias/x", None, {})
    assert look(aws, KEY, "alias/x").policy == {}
    key = aws.call("kms", "describe_key", KeyId="alias/x")["KeyMetadata"]["KeyId"]
    policy = {"Version": "2012-10-17", "Statement": [allow("kms:*", Principal="*", Resource="*")]}
    aws.change("kms", "put_key_policy", KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    drifted = look(aws, KEY, "alias/x")
    assert drifted.policy != {}
    put(aws, KEY, "alias/x", drifted.model_dump(), {})
    assert look(aws, KEY, "alias/x").policy == {}


def test_a_policy_keeps_five_versions_and_the_oldest_one_goes(aws: AwsClient) -> None:
    documents = [document(allow(f"s3:Get{number}", Resource="*")) for number in range(8)]
    put(aws, POLICY, "reader", None, {"document": documents[0]})
    for old, new in itertools.pairwise(documents):
        put(aws, POLICY, "reader", {"document": old}, {"document": new})
    assert look(aws, POLICY, "reader") == POLICY.spec.model_validate({"document": documents[-1]})
    arn = "arn:aws:iam::123456789012:policy/reader"
    versions = {version["VersionId"] for version in aws.pages("iam", "list_policy_versions", "Versions", PolicyArn=arn)}
    assert versions == {"v4", "v5", "v6", "v7", "v8"}
    put(aws, POLICY, "reader", {"document": documents[-1]}, None)
    assert look(aws, POLICY, "reader") is None


def test_whoever_held_a_replaced_policy_holds_the_new_one(aws: AwsClient) -> None:
    put(aws, POLICY, "reader", None, {"document": READ})
    put(aws, ROLE, "app", None, {"trust_policy": TRUST_EC2, "managed_policies": ["arn:aws:iam::123456789012:policy/reader"]})
    put(aws, POLICY, "reader", {"document": READ}, {"document": READ, "path": "/new/"}, replace=True)
    assert look(aws, ROLE, "app").managed_policies == ("arn:aws:iam::123456789012:policy/new/reader",)


def test_a_role_that_lost_a_policy_meanwhile_is_deleted_all_the_same(aws: AwsClient) -> None:
    spec = {"trust_policy": TRUST_EC2, "inline_policies": {"own": READ, "more": READ}}
    put(aws, ROLE, "app", None, spec)
    aws.change("iam", "delete_role_policy", RoleName="app", PolicyName="own")
    put(aws, ROLE, "app", spec, None)
    assert look(aws, ROLE, "app") is None


def test_what_aws_makes_for_itself_is_not_seen_or_is_built_in(aws: AwsClient) -> None:
    aws.change("iam", "create_service_linked_role", AWSServiceName="autoscaling.amazonaws.com")
    for kind in (POLICY, ROLE, SECRET, KEY, PARAMETER):
        reading = kind.read(aws, Names(frozenset(), everything=True))
        assert {name for name in {*reading.live, *reading.seen} if not kind.is_builtin(name)} == set()
    assert ROLE.is_builtin("AWSServiceRoleForAutoScaling")
    assert KEY.is_builtin("alias/aws/ssm")


def test_names_that_nobody_asked_for_are_seen_and_not_read(aws: AwsClient) -> None:
    for name in ("one", "two"):
        put(aws, SECRET, name, None, {})
        put(aws, POLICY, name, None, {"document": READ})
    for kind in (SECRET, POLICY):
        reading = kind.read(aws, Names(frozenset({"one"})))
        assert (set(reading.live), reading.seen) == ({"one"}, frozenset({"two"}))


@pytest.fixture
def limited(aws: AwsClient, moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes the client of a login that may do nothing but some actions; the endpoint then asks for permission."""

    def enforce(after: str) -> None:
        # moto lets this many requests pass before it starts to check them.
        headers = {"Content-Type": "text/plain"}
        urllib.request.urlopen(urllib.request.Request(f"{moto}/moto-api/reset-auth", after.encode(), headers, method="POST")).close()

    def make(*actions: str) -> AwsClient:
        aws.change("iam", "create_user", UserName="limited")
        if actions:
            policy = json.dumps(document(allow(*actions, Resource="*")))
            aws.change("iam", "put_user_policy", UserName="limited", PolicyName="some", PolicyDocument=policy)
        key = aws.change("iam", "create_access_key", UserName="limited")["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        enforce("0")
        return AwsClient("us-east-1", endpoint_url=moto)

    yield make
    enforce("inf")


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_login_that_may_do_nothing_knows_nothing_and_takes_nothing_for_absent(limited: Any, name: str) -> None:
    kind, client = KINDS[name], limited()
    for everything in (False, True):
        try:
            gaps = kind.read(client, Names(frozenset({"one", "two"}), everything=everything)).gaps
        except Denied as denied:  # the survey makes one gap of it
            gaps = (Gap("", denied.path, denied.capability),)
        assert any(gap.covers("one") for gap in gaps)
        assert all(gap.capability.partition(":")[0] in ("iam", "secretsmanager", "kms", "ssm") for gap in gaps)


def test_secrets_that_may_be_described_are_known_though_they_may_not_be_listed(aws: AwsClient, limited: Any) -> None:
    put(aws, SECRET, "db", None, {"description": "known"})
    client = limited("secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy")
    reading = SECRET.read(client, Names(frozenset({"db", "absent"})))
    assert (set(reading.live), reading.gaps) == ({"db"}, ())
    assert SECRET.read(client, Names(frozenset({"db"}), everything=True)).gaps == (Gap("", "*", "secretsmanager:ListSecrets"),)


def test_one_permission_that_all_objects_lack_is_one_gap(aws: AwsClient, limited: Any) -> None:
    for name in ("one", "two"):
        put(aws, SECRET, name, None, {})
    reading = SECRET.read(limited("secretsmanager:DescribeSecret"), Names(frozenset({"one", "two"})))
    assert reading.gaps == (Gap("", "*", "secretsmanager:GetResourcePolicy"),)
