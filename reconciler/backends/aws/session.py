"""Credentials and connection settings: the default chain, and the role that it assumes."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # heavy, and only a run that talks to AWS needs them
    import boto3
    import botocore.session
    from botocore.config import Config
    from botocore.loaders import Loader

CONNECT_SECONDS = 5
READ_SECONDS = 15
"""AWS answers these calls within a second; a lease must outlast both, so they cannot be generous."""
ATTEMPTS = 8
"""With botocore's back-off (at most 20 s between two) about a minute of throttling is sat out."""


class Login(NamedTuple):
    """Who a client is: the default chain, or a role that it assumes. The session's name is what CloudTrail shows."""

    region: str = ""
    role_arn: str = ""
    session_name: str = "reconciler"
    endpoint_url: str = ""  # empty: as AWS_ENDPOINT_URL and the AWS configuration say


def config(connections: int, attempts: int) -> Config:
    """Timeouts, retries and pool size of every service's client."""
    from botocore.config import Config

    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=connections,
        # Adaptive: after the first throttled answer the whole client slows down, instead of each thread finding out.
        retries={"mode": "adaptive", "total_max_attempts": attempts},
        user_agent_extra="reconciler",
    )


def open_session(login: Login, settings: Config) -> boto3.session.Session:
    """Open a session. Nothing goes over the wire before the first call; a role's credentials renew themselves."""
    import boto3

    session = _bare_session()
    if login.role_arn:
        session = _assuming(session, login, settings)
    return boto3.session.Session(botocore_session=session, region_name=login.region or None)


def _bare_session() -> botocore.session.Session:
    import botocore.session

    session = botocore.session.get_session()
    session.register_component("data_loader", _loader())
    return session


@cache
def _loader() -> Loader:
    """One for all instances: reading what a service can do takes longer than most calls of it."""
    from botocore.loaders import create_loader

    return create_loader()


def _assuming(source: botocore.session.Session, login: Login, settings: Config) -> botocore.session.Session:
    from botocore.credentials import AssumeRoleCredentialFetcher, CredentialProvider, CredentialResolver, DeferredRefreshableCredentials
    from botocore.exceptions import NoCredentialsError

    mine = source.get_credentials()
    if mine is None:
        raise NoCredentialsError
    sts = partial(source.create_client, region_name=login.region or None, endpoint_url=login.endpoint_url or None, config=settings)
    fetcher = AssumeRoleCredentialFetcher(sts, mine, login.role_arn, extra_args={"RoleSessionName": login.session_name})

    class Assumed(CredentialProvider):
        """The role's credentials, whatever the environment says: the environment's own have become the source."""

        METHOD = "assume-role"

        def load(self) -> DeferredRefreshableCredentials:
            return DeferredRefreshableCredentials(fetcher.fetch_credentials, self.METHOD)

    session = _bare_session()
    session.register_component("credential_provider", CredentialResolver([Assumed()]))
    return session
