"""What is declared of a webhook."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..core.resource import Spec
from ..core.values import Seconds, StringSet
from .endpoints import TOLERANCE_SECONDS, Endpoint, SchemeName
from .networks import Cidrs, plain_network
from .paths import PlainPath

OWN_PATHS = ("/health", "/metrics")
"""Where the server itself answers: a webhook there would hide its state."""
MOST_REPEATS = 3  # in a pattern that strangers' headers are matched with: more of them can take a second a request

_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+")
_FORGES = ("github", "gitlab")


class WebhookSpec(Spec):
    """Where a sender's webhooks arrive, and how it proves that they are its own. Its secret lies in a store."""

    sparse: ClassVar[bool] = True

    route: PlainPath
    scheme: SchemeName
    secret: Annotated[str, Field(description="a path in the stores; two of its values are valid while one rotates")]
    algorithms: StringSet = ("sha256",)
    networks: Annotated[Cidrs, Field(description="from where alone it is sent; default: anywhere")] = ()
    user_agent: Annotated[str, Field(max_length=200, description="a regular expression that the sender's User-Agent must match")] = ""
    repositories: Annotated[StringSet, Field(description="whose events count, as OWNER/NAME; default: those of any")] = ()
    header: Annotated[str, Field(description="scheme generic: what carries the signature; scheme standard: webhook or svix")] = ""
    prefix: str = ""
    encoding: Literal["hex", "base64"] = "hex"
    timestamp_header: str = ""
    tolerance: Annotated[Seconds, Field(description="how far a timestamp may be off")] = TOLERANCE_SECONDS

    def endpoint(self, name: str) -> Endpoint:
        """The same for the middleware. Raises ValueError when it could not be checked as declared."""
        return Endpoint(
            name=name,
            scheme=self.scheme,
            secret=self.secret,
            algorithms=self.algorithms,
            header=self.header,
            prefix=self.prefix,
            encoding=self.encoding,
            timestamp_header=self.timestamp_header,
            tolerance=self.tolerance,
            networks=tuple(map(plain_network, self.networks)),
            user_agent=self.user_agent,
            repositories=frozenset(self.repositories),
        )


def webhook_problems(name: str, spec: WebhookSpec) -> Iterator[str]:
    """What is wrong with one declared webhook."""
    try:
        spec.endpoint(name)
    except ValueError as error:
        yield str(error)
    if any(spec.route == own or spec.route.startswith(f"{own}/") for own in OWN_PATHS):
        yield f"route: {spec.route} is the server's own"
    if not _SECRET.fullmatch(spec.secret):
        yield "secret must be a path in the stores, such as webhooks/github"
    if len(re.findall(r"(?<!\\)[*+?{]", spec.user_agent)) > MOST_REPEATS or re.search(r"\)[*+?{]", spec.user_agent):
        yield f"user_agent: a pattern of at most {MOST_REPEATS} repeats and none of a group; others can be made slow by who is matched"
    if spec.repositories and spec.scheme not in _FORGES:
        yield f"repositories are known to {' and '.join(_FORGES)} alone"
    for repository in spec.repositories:
        if not _REPOSITORY.fullmatch(repository):
            yield f"repositories: {repository!r} is not written OWNER/NAME"
