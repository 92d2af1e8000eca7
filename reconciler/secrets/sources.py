"""Where the values of write-only fields come from: Vault, AWS, the environment, files.

A plan asks only for marks, which need no value and no right to read one, except for `env:` and `file:`: those are read
where they are, and compared by an HMAC whose key the plan's login is not given. An apply reveals values as it writes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from collections.abc import Callable, Iterable

from ..backends.aws.client import AwsClient
from ..backends.vault.client import VaultClient
from ..core.errors import Missing
from ..core.secret import Secret
from .source_aws import aws_made, aws_marks, aws_value
from .source_local import Local
from .source_vault import vault_made, vault_marks, vault_value
from .value import UNKNOWN, Value

_LETTERS = string.ascii_letters + string.digits  # nothing that a shell, a URL or a connection string would take for its own


def random_text(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


class Sources:
    """Marks and reveals secrets. Clients are asked for on first use. Safe to use from many threads.

    `key` returns the ledger's HMAC key, or None where this login has none. The clients must be gated: a value that is
    to be generated is written.
    """

    def __init__(
        self,
        *,
        vault: Callable[[], VaultClient],
        aws: Callable[[], AwsClient],
        key: Callable[[], bytes | None],
        local: Local,
        random: Callable[[int], str] = random_text,
    ) -> None:
        self._vault = vault
        self._aws = aws
        self._key = key
        self._local = local
        self._random = random
        self._used: dict[str, str] = {}  # source -> the mark of the value that was last revealed
        self._followed: dict[tuple[str, str], str] = {}  # place and version -> the version that we made of it
        self._fresh: dict[str, str] = {}  # source -> the version that we made when its value was last revealed

    def mark(self, secret: Secret) -> str:
        """The mark of what a source has now; "" where this login cannot tell. Raises Invalid for what may not be read."""
        return self.marks([secret])[secret.source]

    def marks(self, wanted: Iterable[Secret]) -> dict[str, str]:
        """Marks by source, each asked for once, many at a time."""
        by_source = {secret.source: secret for secret in wanted}
        found = {source: self._local_mark(one) for source, one in by_source.items() if one.scheme in ("env", "file")}
        places = {scheme: {one.location for one in by_source.values() if one.scheme == scheme} for scheme in ("vault", "aws")}
        versions = {"vault": vault_marks(self._vault(), places["vault"]) if places["vault"] else {}}
        versions["aws"] = aws_marks(self._aws(), places["aws"]) if places["aws"] else {}
        found.update((source, versions[one.scheme][one.location]) for source, one in by_source.items() if source not in found)
        return found

    def reveal(self, secret: Secret) -> str:
        """The value itself, made now if it is to be generated and is not there yet. Raises Missing, Invalid, Denied."""
        if not secret.source:
            raise Missing("the value that it had is not known here, so it cannot be put back (write it by hand)")
        value = self._made(secret) if secret.generate else self._value(secret)
        self._used[secret.source] = value.mark
        return value.text

    def used_mark(self, secret: Secret) -> str:
        """The mark of the value that was last revealed, as a plan would see it after the run; "" if none was.

        Unlike the mark that was planned with: a generated value had none then, and a source may have moved since.
        """
        mark = self._used.get(secret.source, UNKNOWN)
        place = f"{secret.scheme}:{secret.location}"
        while (place, mark) in self._followed:  # another key of the same place was generated since
            mark = self._followed[place, mark]
        return mark

    def made(self, secret: Secret) -> str:
        """The version that was written when the value was last revealed; empty where it was there already."""
        return self._fresh.get(secret.source, "")

    def _value(self, secret: Secret) -> Value:
        match secret.scheme:
            case "vault":
                return vault_value(self._vault(), secret.location, secret.key)
            case "aws":
                return aws_value(self._aws(), secret.location, secret.key)
            case _:
                text = self._local.text(secret)
                if text is None:
                    raise Missing(f"{secret.source} is not set here, or empty (set it where the apply runs)", path=secret.source)
                return Value(text, self._hmac(secret, text))

    def _made(self, secret: Secret) -> Value:
        fresh = self._random(secret.generate.length if secret.generate else 0)
        if secret.scheme == "vault":
            value, before = vault_made(self._vault(), secret.location, secret.key, fresh)
        else:
            value, before = aws_made(self._aws(), secret.location, secret.key, fresh)
        self._fresh[secret.source] = "" if before is None else value.mark
        if before:
            self._followed[f"{secret.scheme}:{secret.location}", before] = value.mark
        return value

    def _local_mark(self, secret: Secret) -> str:
        text = self._local.text(secret)
        if self._key() is None:
            return UNKNOWN
        # A machine that plans may lack the value: that is no change of it. One that must write it says so.
        return UNKNOWN if text is None else self._hmac(secret, text)

    def _hmac(self, secret: Secret, text: str) -> str:
        key = self._key()
        if key is None:
            return UNKNOWN
        # The source is part of it: two sources with one value must not be seen to have it.
        return hmac.new(key, f"{secret.source}\0{text}".encode(), hashlib.sha256).hexdigest()[:32]
