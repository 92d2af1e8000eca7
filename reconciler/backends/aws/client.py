"""One client for every AWS service: calls, changes behind the gate, pages, and calls in parallel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from reconciler.core.errors import BackendError

from .errors import Asked, asked_for, from_answer, from_botocore
from .session import ATTEMPTS, CONNECT_SECONDS, READ_SECONDS, Login, config, open_session

if TYPE_CHECKING:  # heavy, and only a run that talks to AWS needs them
    import boto3
    from botocore.client import BaseClient

A = TypeVar("A")
B = TypeVar("B")
Gate = Callable[[float], None]

READS = ("get", "list", "describe", "head", "batchget", "simulate", "validate")
"""How the names of operations begin that change nothing. Anything else must pass the gate."""
HEADERS_ONLY = frozenset({"s3"})
"""Services whose answers may hold nothing. Elsewhere botocore makes an empty answer of a body that is not JSON, such as
a proxy's login page, and everything would look absent."""
CONNECTIONS = 16
"""Calls at once: IAM throttles an account at about 20 reads a second, so more would only wait."""
PRINCIPAL_WAITS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between attempts while a new role or user spreads through AWS; it takes ten at most times."""


def _always_open(_seconds: float) -> None:
    """The gate of a client that holds no lease."""


def _reads(operation: str) -> bool:
    return operation.replace("_", "").lower().startswith(READS)


def _unknown_principal(error: BackendError) -> bool:
    """IAM has made it, and other services do not know it yet."""
    said = str(error)
    return "MalformedPolicyDocument" in said and "principal" in said.lower()


def _without_page(response_dict: dict[str, Any], **_more: object) -> None:
    """A gateway tells of an outage in HTML, at which botocore gives up. An empty answer of that status it sends again."""
    if response_dict["status_code"] >= 500 and response_dict["body"].lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        response_dict["body"] = b""


def _asked(client: BaseClient, service: str, operation: str, parameters: dict[str, Any]) -> Asked:
    return asked_for(service, client.meta.method_to_api_mapping[operation], parameters)


def _not_aws(asked: Asked) -> BackendError:
    return BackendError(f"{asked}: what answers is not AWS (check AWS_ENDPOINT_URL and proxies)", path=asked.path)


@contextmanager
def _translated(asked: Asked) -> Iterator[None]:
    """Let nothing of botocore out: its errors hold requests and answers."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        raise from_answer(error, asked) from None
    except BotoCoreError as error:
        raise from_botocore(error, asked) from None
    except (ResponseParserError, KeyError):  # botocore's XML parser looks for an element that another's page lacks
        raise _not_aws(asked) from None


class AwsClient:
    """All calls of one run to one AWS account and region. Safe to use from many threads; boto3 is loaded at the first call.

    Every error is a BackendError: Denied (with the IAM action that is lacking), Missing, Conflict, Unavailable.
    """

    def __init__(
        self,
        region: str = "",
        *,
        role_arn: str = "",
        session_name: str = "reconciler",
        endpoint_url: str = "",
        gate: Gate = _always_open,
        connections: int = CONNECTIONS,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.gate = gate
        self.requests = 0  # sent, with those sent again
        self._login = Login(region, role_arn, session_name, endpoint_url)
        self._connections = connections
        self._attempts = attempts
        self._sleep = sleep
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._session: boto3.session.Session | None = None
        self._clients: dict[str, BaseClient] = {}
        self._identity: tuple[str, str, str] | None = None

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation that only reads, by its boto3 name. Raises BackendError."""
        if not _reads(operation):
            raise ValueError(f"{service}.{operation} changes something: it is for `change`")
        answer = self._send(service, operation, parameters)
        if not answer.keys() - {"ResponseMetadata"} and service not in HEADERS_ONLY:
            raise _not_aws(_asked(self._client(service), service, operation, parameters))
        return answer

    def change(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation that changes something; the gate is asked before each attempt. Raises BackendError, LeaseLost."""
        for wait in PRINCIPAL_WAITS:
            try:
                return self._send(service, operation, parameters)
            except BackendError as error:
                if not _unknown_principal(error):
                    raise
            self._sleep(wait)
        return self._send(service, operation, parameters)

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield the entries under `key` of every page of a listing. Raises BackendError."""
        client = self._client(service)
        asked = _asked(client, service, operation, parameters)
        with _translated(asked):
            for page in client.get_paginator(operation).paginate(**parameters):
                if key not in page and service not in HEADERS_ONLY:
                    raise _not_aws(asked)
                yield from page.get(key, ())

    def wait(self, service: str, waiter: str, **parameters: Any) -> None:
        """Wait until every reader sees what was written: IAM answers from copies that lag by seconds."""
        client = self._client(service)
        with _translated(asked_for(service, waiter, parameters)):
            client.get_waiter(waiter).wait(**parameters)

    def map(self, function: Callable[[A], B], values: Iterable[A]) -> list[B]:
        """Call a function for each value in parallel; the answers are in order. The first error is raised."""
        with ThreadPoolExecutor(self._connections, thread_name_prefix="aws") as pool:
            return list(pool.map(function, values))

    @property
    def region(self) -> str:
        """The region that calls go to: the instance's, or the default chain's."""
        if self._login.region:
            return self._login.region
        with _translated(Asked("the AWS configuration", "", private=False)), self._lock:
            return self._opened().region_name or ""

    @property
    def account(self) -> str:
        """The number of the account that the login belongs to."""
        return self._who()[1]

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`: the second part of every ARN there."""
        return self._who()[0]

    @property
    def role(self) -> str:
        """The name of the role that the login has; empty for a user."""
        return self._who()[2]

    def _who(self) -> tuple[str, str, str]:
        if self._identity is None:
            answer = self.call("sts", "get_caller_identity")
            sort, _, name = answer["Arn"].rpartition(":")[2].partition("/")
            role = name.partition("/")[0] if sort == "assumed-role" else ""
            self._identity = (answer["Arn"].split(":")[1], answer["Account"], role)
        return self._identity

    def _send(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        client = self._client(service)
        with _translated(_asked(client, service, operation, parameters)):
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
            if "Body" in answer:  # of S3: read here, where a broken connection still becomes an error of ours
                answer["Body"] = answer["Body"].read()
        return answer

    def _client(self, service: str) -> BaseClient:
        asked = Asked(f"the client of {service}", "", private=False)
        with _translated(asked), self._lock:  # making a client is not safe in threads
            return self._clients.get(service) or self._made(service)

    def _opened(self) -> boto3.session.Session:
        if self._session is None:
            self._session = open_session(self._login, config(self._connections, self._attempts))
        return self._session

    def _made(self, service: str) -> BaseClient:
        endpoint = self._login.endpoint_url or None
        client: BaseClient = self._opened().client(service, endpoint_url=endpoint, config=config(self._connections, self._attempts))  # type: ignore[call-overload]  # the stubs know literal names only
        client.meta.events.register("before-send", self._before_send)
        client.meta.events.register("before-parse", _without_page)
        self._clients[service] = client
        return client

    def _before_send(self, event_name: str, **_request: object) -> None:
        """Called for each attempt; raising here sends nothing and ends the call."""
        if not _reads(event_name.rpartition(".")[2]):
            self.gate(CONNECT_SECONDS + READ_SECONDS)
        with self._counting:
            self.requests += 1
