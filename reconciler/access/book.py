"""The policies of one state, compiled when they are first asked for, and shared between states where they are equal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from reconciler.core.address import Address

from .hcl import PolicyError
from .holders import POLICY, Specs
from .identity import Identity, filled
from .rules import Rules, canonical
from .vault_acl import NOTHING, ROOT_POLICY, Policy, compiled

# What the server writes into the policy `default` when it is first started, and is seldom changed.
_DEFAULT: Final[Mapping[str, tuple[str, ...]]] = {
    "auth/token/lookup-self": ("read",),
    "auth/token/renew-self": ("update",),
    "auth/token/revoke-self": ("update",),
    "cubbyhole/*": ("create", "delete", "list", "read", "update"),
    "identity/entity/id/{{identity.entity.id}}": ("read",),
    "identity/entity/name/{{identity.entity.name}}": ("read",),
    "identity/oidc/provider/+/authorize": ("read", "update"),
    "sys/capabilities-self": ("update",),
    "sys/internal/ui/resultant-acl": ("read",),
    "sys/leases/lookup": ("update",),
    "sys/leases/renew": ("update",),
    "sys/tools/hash": ("update",),
    "sys/tools/hash/*": ("update",),
    "sys/wrapping/lookup": ("update",),
    "sys/wrapping/unwrap": ("update",),
    "sys/wrapping/wrap": ("update",),
}
DEFAULT_RULES: Final[Rules] = canonical({"path": path, "capabilities": given} for path, given in _DEFAULT.items())


class Book:
    """Compiled policies by address. `earlier` is the book of the state that this one follows."""

    def __init__(self, specs: Specs, now: datetime | None = None, earlier: Book | None = None) -> None:
        self.specs = specs
        self._now = now
        self._earlier = earlier
        self._compiled: dict[Address, Policy] = {}

    def policy(self, address: Address, who: Identity | None = None) -> Policy:
        """The policy; an empty one where it is not known. `who` fills in templates."""
        if address.name == "root":
            return ROOT_POLICY
        if who is not None and any("{{" in rule["path"] for rule in self.rules(address)):
            return self._filled(address, who)
        found = self._compiled.get(address)
        if found is None:
            found = self._compiled[address] = self._shared(address) or compiled(self.rules(address), address.place.namespace, self._now)
        return found

    def known(self, address: Address) -> bool:
        """Whether the state says what the policy holds."""
        return address in self.specs or address.name in ("root", "default")

    def rules(self, address: Address) -> Rules:
        """The rules of a policy; none where it is not known, or could not be read."""
        spec = self.specs.get(address)
        if spec is None:
            return DEFAULT_RULES if address.name == "default" else ()
        if self._now is not None and spec.expiration and datetime.fromisoformat(spec.expiration) < self._now:
            return ()
        rules: Rules = spec.rules
        return rules

    def _shared(self, address: Address) -> Policy | None:
        """The earlier state's, where nothing that counts has changed."""
        if self._earlier is None or not _same(self.specs.get(address), self._earlier.specs.get(address)):
            return None
        return self._earlier.policy(address)

    def _filled(self, address: Address, who: Identity) -> Policy:
        spec = self.specs.get(address)
        wildcards = spec is not None and spec.allow_wildcards_in_identity_templates
        slashes = spec is not None and spec.allow_slashes_in_identity_templates
        try:
            rules = filled(self.rules(address), who, wildcards=wildcards, slashes=slashes)
        except PolicyError as error:
            return Policy({}, {}, (), (), broken=str(error))
        return compiled(rules, address.place.namespace, self._now)


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    if one is None or other is None:
        return False
    return bool(one.rules == other.rules and one.expiration == other.expiration)


__all__ = ["DEFAULT_RULES", "NOTHING", "POLICY", "Book"]
