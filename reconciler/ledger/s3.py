"""The ledger in an S3 bucket, by conditional writes."""

from __future__ import annotations

from contextlib import suppress

from ..backends.aws.client import AwsClient
from ..core.errors import Conflict, Denied, Missing
from .shelf import Entry


class S3Shelf:
    """One object a key below `BUCKET/PREFIX/`. An entry's version is its ETag.

    The login needs s3:ListBucket as well: without it S3 answers 403 for what is absent.
    """

    def __init__(self, client: AwsClient, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def get(self, key: str) -> Entry | None:
        try:
            answer = self._client.call("s3", "get_object", Bucket=self._bucket, Key=self._prefix + key)
        except Missing:
            return None
        return Entry(answer["Body"], answer["ETag"])

    def put(self, key: str, content: bytes, expected: str) -> str:
        condition = {"IfMatch": expected} if expected else {"IfNoneMatch": "*"}
        try:
            answer = self._client.change("s3", "put_object", Bucket=self._bucket, Key=self._prefix + key, Body=content, **condition)
        except Missing:
            if not expected:
                raise self._no_bucket() from None
            raise Conflict(f"{key} in bucket {self._bucket} is gone since it was read (plan again)", path=key) from None
        return str(answer["ETag"])

    def add(self, key: str, content: bytes) -> None:
        with suppress(Conflict):  # it is there already, and its key says that it is the same
            self.put(key, content, "")

    def delete(self, key: str) -> None:
        with suppress(Missing):
            self._client.change("s3", "delete_object", Bucket=self._bucket, Key=self._prefix + key)

    def keys(self, prefix: str) -> tuple[str, ...]:
        try:
            found = [
                str(entry["Key"]).removeprefix(self._prefix)
                for entry in self._client.pages("s3", "list_objects_v2", "Contents", Bucket=self._bucket, Prefix=self._prefix + prefix)
            ]
        except Missing:
            return ()
        return tuple(sorted(found))

    def prepare(self) -> None:
        """Check that the bucket is there. It is not made: its name, region, encryption and policy are its owner's choice."""
        with suppress(Denied):  # listing may be denied where reading and writing are not
            try:
                self._client.call("s3", "head_bucket", Bucket=self._bucket)
            except Missing:
                raise self._no_bucket() from None

    def _no_bucket(self) -> Missing:
        remedy = "make it, private and with versioning, or correct `ledger` in the environment"
        return Missing(f"bucket {self._bucket} for the ledger does not exist ({remedy})", path=self._bucket)
