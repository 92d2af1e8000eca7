"""The AWS client: who it is, what it says when something is wrong, and when it sends nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.backends.aws.client import PRINCIPAL_WAITS, AwsClient
from reconciler.core.errors import BackendError, Conflict, Denied, LeaseLost, Missing, Unavailable
from tests.backends.aws_endpoint import Endpoint, Said

CANARY = "canary-5e1d0c77a2"
NO_ROLES = "<ListRolesResponse><ListRolesResult><Roles/></ListRolesResult></ListRolesResponse>"
PRINCIPAL = ("MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals.")


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as made:
        yield made


def test_the_login_says_its_account_and_partition(aws: AwsClient) -> None:
    assert (aws.account, aws.partition, aws.region) == ("123456789012", "aws", "us-east-1")
    assert aws.requests == 1  # asked once, and counted


def test_a_role_is_assumed_and_its_session_bears_our_name(moto: str) -> None:
    role = "arn:aws:iam::123456789012:role/reconciler"
    client = AwsClient("us-east-1", role_arn=role, session_name="reconciler-4f2c1ab", endpoint_url=moto)
    arn = client.call("sts", "get_caller_identity")["Arn"]
    assert arn == "arn:aws:sts::123456789012:assumed-role/reconciler/reconciler-4f2c1ab"


def test_the_endpoint_and_region_come_from_the_default_chain(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    client = AwsClient()
    assert (client.account, client.region) == ("123456789012", "eu-west-1")


def test_what_is_not_there_is_missing_and_what_is_taken_is_a_conflict(aws: AwsClient) -> None:
    with pytest.raises(Missing, match="iam:GetRole on nobody: not found"):
        aws.call("iam", "get_role", RoleName="nobody")
    aws.change("kms", "create_alias", AliasName="alias/x", TargetKeyId=aws.change("kms", "create_key")["KeyMetadata"]["KeyId"])
    with pytest.raises(Conflict, match="plan again"):
        aws.change("secretsmanager", "create_secret", Name="twice") and aws.change("secretsmanager", "create_secret", Name="twice")


def test_pages_are_read_to_the_end(aws: AwsClient) -> None:
    aws.map(lambda number: aws.change("secretsmanager", "create_secret", Name=f"s{number}"), range(12))
    names = {entry["Name"] for entry in aws.pages("secretsmanager", "list_secrets", "SecretList", MaxResults=5)}
    assert names == {f"s{number}" for number in range(12)}


def test_answers_of_parallel_calls_are_in_order(aws: AwsClient) -> None:
    assert aws.map(lambda number: number * 2, range(50)) == [number * 2 for number in range(50)]


@pytest.mark.parametrize(
    ("said", "lacks"),
    [
        (Said(400, "AccessDeniedException", "no"), "kms:DescribeKey"),
        (
            Said(400, "AccessDeniedException", "User: arn:x is not authorized to perform: kms:Decrypt on resource: arn:y because"),
            "kms:Decrypt",
        ),
    ],
    ids=["AWS does not say why", "AWS names another action"],
)
def test_a_denial_names_the_action_that_is_lacking(endpoint: Endpoint, said: Said, lacks: str) -> None:
    endpoint.script = [said]
    with pytest.raises(Denied) as caught:
        endpoint.client().call("kms", "describe_key", KeyId="alias/x")
    assert (caught.value.capability, caught.value.path) == (lacks, "alias/x")


def test_a_denial_of_iam_is_understood_too(endpoint: Endpoint) -> None:
    endpoint.script = [Said(403, "AccessDenied", "no")]
    with pytest.raises(Denied) as caught:
        endpoint.client().call("iam", "get_role", RoleName="app")
    assert (caught.value.capability, caught.value.path) == ("iam:GetRole", "app")


@pytest.mark.parametrize(
    ("code", "said"),
    [("ExpiredTokenException", "has expired"), ("UnrecognizedClientException", "does not accept these credentials")],
)
def test_a_bad_login_is_an_error_and_no_denial(endpoint: Endpoint, code: str, said: str) -> None:
    endpoint.otherwise = Said(400, code, "The security token is wrong")
    with pytest.raises(BackendError, match=said) as caught:
        endpoint.client().call("kms", "describe_key", KeyId="alias/x")
    assert not isinstance(caught.value, Denied)  # it would make everything "unknown" instead of stopping


def test_what_something_else_still_holds_is_not_deleted_and_that_is_said(endpoint: Endpoint) -> None:
    endpoint.script = [Said(409, "DeleteConflict", "Cannot delete a policy attached to entities.")]
    with pytest.raises(BackendError, match="iam:DeletePolicy on arn:aws:iam::123456789012:policy/x: something still uses it"):
        endpoint.client().change("iam", "delete_policy", PolicyArn="arn:aws:iam::123456789012:policy/x")


def test_no_credentials_at_all_is_said_in_words(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    for role in ("", "arn:aws:iam::123456789012:role/x"):
        with pytest.raises(BackendError, match="no AWS credentials found"):
            endpoint.client(role_arn=role).call("kms", "describe_key", KeyId="alias/x")
    assert endpoint.asked == []


def test_a_throttled_call_is_sent_again(endpoint: Endpoint) -> None:
    endpoint.script = [Said(400, "ThrottlingException", "slow down")]
    client = endpoint.client()
    client.call("kms", "list_aliases")
    assert client.requests == len(endpoint.asked) == 2


def test_a_gateways_page_about_an_outage_is_no_last_word(endpoint: Endpoint) -> None:
    page = Said(503, body="<!doctype html>\n<html lang=en>\n<title>503 Service Unavailable</title>")
    endpoint.script = [page, Said(200, body=NO_ROLES)]
    endpoint.client().call("iam", "list_roles")
    assert len(endpoint.asked) == 2
    endpoint.script = [page, page]
    with pytest.raises(Unavailable, match="iam:ListRoles: AWS is busy"):
        endpoint.client().call("iam", "list_roles")


@pytest.mark.parametrize("status", [400, 503], ids=["throttled", "broken"])
def test_what_fails_to_the_last_attempt_is_unavailable(endpoint: Endpoint, status: int) -> None:
    endpoint.otherwise = Said(status, "ThrottlingException" if status == 400 else "Oops", "slow down")
    with pytest.raises(Unavailable, match="kms:ListAliases: AWS is busy"):
        endpoint.client().call("kms", "list_aliases")
    assert len(endpoint.asked) == 2


def test_an_endpoint_that_is_down_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        AwsClient("us-east-1", endpoint_url="http://127.0.0.1:1", attempts=1).call("kms", "list_aliases")


@pytest.mark.parametrize("body", [f"<html>{CANARY}</html>", f"<html><p>{CANARY}</html>", f'{{"hello": "{CANARY}"}}'])
@pytest.mark.parametrize("service", ["kms", "iam"])
def test_a_body_that_is_not_of_aws_is_an_error_and_never_an_absence(endpoint: Endpoint, service: str, body: str) -> None:
    endpoint.otherwise = Said(200, body=body)
    operation, key = {"kms": ("list_aliases", "Aliases"), "iam": ("list_roles", "Roles")}[service]
    for ask in (lambda: endpoint.client().call(service, operation), lambda: list(endpoint.client().pages(service, operation, key))):
        with pytest.raises(BackendError, match="what answers is not AWS") as caught:
            ask()
        assert CANARY not in str(caught.value)


def test_a_reading_call_cannot_write(endpoint: Endpoint) -> None:
    with pytest.raises(ValueError, match="it is for `change`"):
        endpoint.client().call("kms", "schedule_key_deletion", KeyId="x")
    assert endpoint.asked == []


def test_the_gate_is_asked_before_each_attempt_of_a_change_and_never_for_a_read(endpoint: Endpoint) -> None:
    asked: list[float] = []
    client = endpoint.client(gate=asked.append)
    client.call("kms", "list_aliases")
    assert asked == []
    endpoint.script = [Said(503, "Oops")]
    client.change("kms", "create_key")
    assert asked == [20, 20]  # the longest that one attempt may take


def test_a_lease_that_ends_between_two_attempts_sends_nothing_more(endpoint: Endpoint) -> None:
    def gate(_seconds: float) -> None:
        if endpoint.asked:
            raise LeaseLost("the lease is over")

    endpoint.otherwise = Said(503, "Oops")
    with pytest.raises(LeaseLost):
        endpoint.client(gate=gate).change("kms", "create_key")
    assert endpoint.asked == ["CreateKey"]


def test_a_principal_that_aws_does_not_know_yet_is_waited_for(endpoint: Endpoint) -> None:
    slept: list[float] = []
    endpoint.script = [Said(400, *PRINCIPAL), Said(400, *PRINCIPAL)]
    endpoint.client(sleep=slept.append).change("kms", "create_key", Policy="{}")
    assert slept == list(PRINCIPAL_WAITS[:2])


def test_a_principal_that_never_comes_is_an_error_with_its_reason(endpoint: Endpoint) -> None:
    slept: list[float] = []
    endpoint.otherwise = Said(400, *PRINCIPAL)
    with pytest.raises(BackendError, match="invalid principals"):
        endpoint.client(sleep=slept.append).change("kms", "create_key", Policy="{}")
    assert slept == list(PRINCIPAL_WAITS)


def test_another_error_in_a_document_is_not_waited_for(endpoint: Endpoint) -> None:
    slept: list[float] = []
    endpoint.otherwise = Said(400, "MalformedPolicyDocumentException", "Syntax errors in policy.")
    with pytest.raises(BackendError, match=r"Syntax errors in policy\."):
        endpoint.client(sleep=slept.append).change("kms", "create_key", Policy="{}")
    assert slept == []


def test_no_error_repeats_a_secret_value(endpoint: Endpoint) -> None:
    endpoint.otherwise = Said(400, "ValidationException", f"Value '{CANARY}' at 'value' failed to satisfy constraint")
    client = endpoint.client()
    with pytest.raises(BackendError, match="ValidationException") as answered:
        client.change("ssm", "put_parameter", Name="/x", Value=CANARY, Type="String")
    with pytest.raises(BackendError, match="not a well-formed request") as refused:
        client.change("ssm", "put_parameter", Name="/x", Value=[CANARY], Type="String")
    for error in (answered.value, refused.value):
        assert CANARY not in str(error)
        assert error.__cause__ is None
        assert error.__suppress_context__
