"""Values of the machine that a run is on, as sources of write-only fields: `env:NAME` and `file:NAME`.

What a pull request may read here is not for it to say: `secret_env` and `secret_files` come from trusted settings.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import Invalid, Problem
from ..core.secret import FORBIDDEN_ENV, Secret

# Longer than any credential, certificate chains included: somebody has named the wrong file.
MAX_FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Local:
    """The process's environment, the names that may be read from it, and the one folder that files may be read from."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    readable: frozenset[str] = frozenset()
    folder: Path | None = None

    def text(self, secret: Secret) -> str | None:
        """What a variable or file holds; None for nothing. Raises Invalid for what may not be read."""
        problem = next(self._problems(secret), None)
        if problem:
            raise Invalid([problem])
        if secret.scheme == "env":
            # An empty one counts as not set: CI systems hand out a secret that nobody set as an empty string.
            return self.environment.get(secret.location) or None
        return _content(self.folder or Path(), secret)

    def _problems(self, secret: Secret) -> Iterator[Problem]:
        if secret.scheme == "env" and secret.location.upper().startswith(FORBIDDEN_ENV):
            yield Problem(secret.source, "", "is the run's own, and never readable from desired state")
        elif secret.scheme == "env" and secret.location not in self.readable:
            remedy = f"add {secret.location} to `secret_env` in the environment's file"
            yield Problem(secret.source, "", "is not among the variables that may be read", remedy)
        elif secret.scheme == "file" and self.folder is None:
            yield Problem(secret.source, "", "no folder of secret files is declared", "set `secret_files` in the environment's file")


def _content(folder: Path, secret: Secret) -> str | None:
    # Links are followed first and judged by where they lead: Kubernetes mounts secrets as links within the folder.
    file = (folder / secret.location).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise _invalid(secret, f"leads out of {folder}")
    try:
        # Without blocking, or a named pipe would hold up the run; without links, since what was judged must be what is read.
        with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise _invalid(secret, "is not a file")
            content = stream.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _invalid(secret, f"cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise _invalid(secret, f"is larger than {MAX_FILE_BYTES} bytes")
    try:
        # The newline that editors and `echo` leave at the end is not part of a password.
        return content.decode().removesuffix("\n").removesuffix("\r") or None
    except UnicodeDecodeError:
        raise _invalid(secret, "is not text") from None


def _invalid(secret: Secret, what: str) -> Invalid:
    return Invalid([Problem(secret.source, "", what)])
