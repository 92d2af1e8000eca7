"""kms_key: the material of an AWS KMS key. KMS keeps all of it and decrypts with what it was encrypted with, so nothing is ended."""

from __future__ import annotations

from collections.abc import Mapping

from ..backends.aws.client import AwsClient
from ..core.errors import BackendError
from .seen import Probe
from .state import Kept
from .strategy import Call, Full, NoLogins, OwnValue
from .targets import Target


class KmsKey(OwnValue, NoLogins):
    """One key. The secret holds how many rotations it has had."""

    tested = True
    undoes = False

    def __init__(self, target: Target, client: AwsClient) -> None:
        self._spec = target
        self._client = client

    @property
    def target(self) -> str:
        return f"kms {self._spec.key}"

    def make(self, main: Mapping[str, str] | None) -> dict[str, str]:
        return {"key": self._spec.key, "rotations": str(self._rotations() + bool(main))}

    def identity(self, value: Mapping[str, str]) -> str:
        return ""

    def ends(self, value: Mapping[str, str]) -> bool:
        return False

    def apply(self, call: Call, value: Kept, previous: Kept | None) -> None:
        if self.probe(call, value) is not Probe.REFUSED:
            return
        try:
            self._client.change("kms", "rotate_key_on_demand", KeyId=self._id())
        except BackendError as error:
            if "LimitExceeded" not in str(error):
                raise
            raise Full(f"{self._spec.key}: KMS rotates this key on demand no more (make another key)") from None

    def probe(self, call: Call, value: Kept) -> Probe:
        wanted = value.value.get("rotations", "")
        if not wanted.isdigit():
            return Probe.REFUSED
        if self._rotations() >= int(wanted):
            return Probe.ACCEPTED
        status = self._client.call("kms", "get_key_rotation_status", KeyId=self._id())
        # It takes KMS a while: asked again meanwhile, it would rotate twice.
        return Probe.UNSURE if "OnDemandRotationStartDate" in status else Probe.REFUSED

    def revoke(self, call: Call, value: Kept) -> None:
        raise AssertionError("old material of a KMS key cannot be ended")

    def fence(self, secret: str) -> int | None:
        return None

    def _rotations(self) -> int:
        return sum(1 for _ in self._client.pages("kms", "list_key_rotations", "Rotations", KeyId=self._id()))

    def _id(self) -> str:
        """The key's own id: an alias is not taken by these operations."""
        return str(self._client.call("kms", "describe_key", KeyId=self._spec.key)["KeyMetadata"]["KeyId"])
