"""What AWS and botocore raise, said in our words. Nothing of a third party leaves this package."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from reconciler.core.errors import BackendError, Conflict, Denied, Missing, Unavailable

if TYPE_CHECKING:  # botocore takes a tenth of a second, and most commands need no AWS
    from botocore.exceptions import BotoCoreError, ClientError

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "Forbidden", "403"})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
UNKNOWN_LOGIN = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException",
     "InvalidAccessKeyId", "AuthFailure", "IncompleteSignature", "MissingAuthenticationToken"}
)  # fmt: skip
MISSING = frozenset(
    {"NoSuchEntity", "NoSuchEntityException", "ResourceNotFoundException", "NotFoundException", "ParameterNotFound",
     "InvalidResourceId", "NoSuchKey", "NoSuchBucket", "404"}
)  # fmt: skip
TAKEN = frozenset(
    {"EntityAlreadyExists", "EntityAlreadyExistsException", "ResourceExistsException", "ParameterAlreadyExists",
     "AlreadyExistsException", "ConcurrentModification", "ConcurrentModificationException", "PreconditionFailed",
     "ConditionalRequestConflict", "412"}
)  # fmt: skip
BUSY = frozenset(
    {"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestLimitExceeded", "TooManyRequestsException",
     "LimitExceededThrottling", "SlowDown", "PriorRequestNotComplete", "ServiceUnavailable", "InternalFailure", "InternalServiceError"}
)  # fmt: skip
IN_USE = frozenset({"DeleteConflict", "DeleteConflictException"})

# AWS names S3's actions otherwise than its operations.
ACTIONS = {
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:DeleteObjects": "s3:DeleteObject",
}
_LACKS = re.compile(r"not authorized to perform:? ([\w-]+:\w+)(?: on resource: (\S+))?")
_LONGEST = 300  # characters of AWS's explanation: a sentence or two; policies and tokens are longer


class Asked(NamedTuple):
    """One request, as far as an error may tell of it."""

    action: str  # "iam:GetRole"
    path: str  # the ARN or name that it is about
    private: bool  # it carried a secret value: nothing that the other side says about it is repeated

    def __str__(self) -> str:
        return f"{self.action} on {self.path}" if self.path else self.action


def from_answer(error: ClientError, asked: Asked) -> BackendError:
    """Translate an error that AWS answered."""
    answer = error.response.get("Error", {})
    code, message = str(answer.get("Code", "")), " ".join(str(answer.get("Message", "")).split())
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in DENIED:
        return _denied(message, asked)
    if code in EXPIRED:
        return BackendError(f"{asked.action}: the AWS login has expired (log in again)", path=asked.path, status=status)
    if code in UNKNOWN_LOGIN:
        remedy = "check AWS_PROFILE or the access key, and that the clock is right"
        return BackendError(f"{asked.action}: AWS does not accept these credentials ({remedy})", path=asked.path, status=status)
    if code in MISSING:
        return Missing(f"{asked}: not found", path=asked.path, status=status)
    if code in TAKEN or _pending(code, message):
        return Conflict(f"{asked}: somebody else made or changed it meanwhile ({code}): plan again", path=asked.path, status=status)
    if code in BUSY or status >= 500 or "Throttl" in code:
        return Unavailable(
            f"{asked}: AWS is busy or throttles ({code or status}), still so after all retries", path=asked.path, status=status
        )
    if code in IN_USE:
        return BackendError(f"{asked}: something still uses it; detach it there first", path=asked.path, status=status)
    said = "" if asked.private or not message else f": {message[:_LONGEST]}"
    return BackendError(f"{asked}: AWS refuses ({code or status}){said}", path=asked.path, status=status)


def _denied(message: str, asked: Asked) -> Denied:
    # AWS names the action that it checked, which may be another than the one called (iam:PassRole, kms:Decrypt).
    lacks = _LACKS.search(message)
    capability = lacks[1] if lacks else ACTIONS.get(asked.action, asked.action)
    path = asked.path or (lacks[2] if lacks and lacks[2] else "") or "*"
    return Denied(f"the AWS login may not {capability} on {path}", path=path, capability=capability)


def _pending(code: str, message: str) -> bool:
    """A secret's name is blocked while it waits for its deletion."""
    return code == "InvalidRequestException" and "scheduled for deletion" in message


def from_botocore(error: BotoCoreError, asked: Asked) -> BackendError:
    """Translate what botocore raises by itself, before or instead of an answer."""
    from botocore import exceptions as raised

    match error:
        case raised.NoCredentialsError() | raised.PartialCredentialsError():
            what = "no AWS credentials found (set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
        case raised.NoRegionError():
            what = "no AWS region (give the instance a `region`, or set AWS_REGION)"
        case raised.ProfileNotFound():
            what = "AWS_PROFILE names a profile that the AWS configuration does not have"
        case (
            raised.CredentialRetrievalError()
            | raised.TokenRetrievalError()
            | raised.SSOTokenLoadError()
            | raised.UnauthorizedSSOTokenError()
        ):
            what = "the AWS login has expired or cannot be renewed (log in again)"
        case raised.WaiterError():
            return Unavailable(f"{asked}: written, but AWS does not show it yet", path=asked.path)
        case raised.SSLError():
            what = "the certificate of the AWS endpoint is not trusted (set AWS_CA_BUNDLE for a private one)"
        case raised.ParamValidationError():
            said = "" if asked.private else f": {' '.join(str(error).split())[:_LONGEST]}"
            return BackendError(f"{asked}: not a well-formed request{said}", path=asked.path)
        case raised.HTTPClientError() | raised.ConnectionError():
            return Unavailable(f"{asked}: AWS cannot be reached ({type(error).__name__}), still so after all retries", path=asked.path)
        case _:
            what = f"botocore refuses ({type(error).__name__})"
    return BackendError(f"{asked}: {what}", path=asked.path)


_SUBJECTS = (
    "SecretId", "PolicyArn", "RoleName", "PolicyName", "AliasName", "KeyId", "ResourceId", "ResourceArn", "RoleArn", "Name", "Bucket",
)  # fmt: skip
_PRIVATE = frozenset({"SecretString", "SecretBinary", "Plaintext", "Value", "Body"})


def asked_for(service: str, operation: str, parameters: Mapping[str, object]) -> Asked:
    """Describe a request by its action and the first parameter that names something."""
    path = next((str(parameters[name]) for name in _SUBJECTS if name in parameters), "")
    return Asked(f"{service}:{operation}", path, not _PRIVATE.isdisjoint(parameters))
