"""The stores that hold secret values, and one client in front of them; and the sources of write-only fields.

As a library: `from reconciler.secrets import SecretClient`, then `SecretClient.from_environment("path/of/the/repository")`.
Not to be confused with `core.secret.Secret`, a write-only field, or with the kind `secret`, which declares one.
"""

from .client import SecretClient
from .revealed import Revealed

__all__ = ["Revealed", "SecretClient"]
