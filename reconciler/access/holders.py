"""Who holds which policies: roles by what their logins hand out, entities and groups by themselves and by membership."""

from __future__ import annotations

import fnmatch
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from reconciler.core.address import Address, Place

from .identity import Group, Identity

POLICY, ENTITY, GROUP = "vault.policy", "vault.identity_entity", "vault.identity_group"
ALIAS, USER, TOKEN_ROLE = "vault.identity_entity_alias", "vault.userpass_user", "vault.token_role"
ROLES = ("vault.approle_role", "vault.jwt_role", "vault.kubernetes_role", "vault.cert_role", USER)
"""Kinds whose logins make tokens with `token_policies`."""
SUBJECTS = (*ROLES, TOKEN_ROLE, ENTITY, GROUP)
"""Kinds that hold policies."""
VAULT_KINDS = (*SUBJECTS, POLICY, ALIAS)
"""Kinds that say anything about who may do what."""

Specs = Mapping[Address, Any]
"""The specs of a state, desired or live: of any kinds, read by their fields."""


class Holders:
    """Who holds what in one state. Looked up in both directions, with memberships indexed once."""

    def __init__(self, specs: Specs) -> None:
        self.specs = specs
        self._groups_of: dict[Address, list[Address]] = {}
        self._entity_of: dict[Address, Address] = {}
        self._policies: dict[Place, list[str]] = {}
        for address, spec in specs.items():
            if address.kind == GROUP:
                for member in _members(address, spec):
                    self._groups_of.setdefault(member, []).append(address)
            elif address.kind == ALIAS:
                # Of all methods only userpass calls an alias what its login is called.
                self._entity_of[Address(USER, address.name, address.place)] = Address(ENTITY, spec.entity, address.place)
            elif address.kind == POLICY:
                self._policies.setdefault(address.place, []).append(address.name)

    def direct(self, subject: Address) -> tuple[Address, ...]:
        """The policies that a subject names itself, with `default` where its tokens get it."""
        spec = self.specs.get(subject)
        if spec is None:
            return ()
        names = self._named(subject, spec)
        return tuple(Address(POLICY, name, subject.place) for name in names)

    def _named(self, subject: Address, spec: Any) -> tuple[str, ...]:
        if subject.kind == POLICY:
            return (subject.name,)
        if subject.kind == TOKEN_ROLE:
            names = self._of_token_role(subject, spec)
        elif subject.kind in ROLES:
            names = tuple(name for name in spec.token_policies if "{{" not in name)
        elif subject.kind == ENTITY:
            return () if spec.disabled else tuple(spec.policies)
        else:
            return tuple(spec.policies) if subject.kind == GROUP else ()
        return names if spec.token_no_default_policy or "default" in names else (*names, "default")

    def naming(self, policies: Collection[Address]) -> Iterator[tuple[Address, Address]]:
        """Who names one of these policies, with the policy."""
        wanted = {(policy.name, policy.place): policy for policy in policies}
        for subject, spec in self.specs.items():
            if subject.kind in SUBJECTS:
                for name in self._named(subject, spec):
                    policy = wanted.get((name, subject.place))
                    if policy is not None:
                        yield subject, policy

    def _of_token_role(self, subject: Address, spec: Any) -> tuple[str, ...]:
        names = tuple(spec.allowed_policies)
        if spec.allowed_policies_glob:
            known = sorted(self._policies.get(subject.place, ()))
            names += tuple(name for name in known if _any_glob(name, spec.allowed_policies_glob) and name not in names)
        return tuple(name for name in names if name not in spec.disallowed_policies and not _any_glob(name, spec.disallowed_policies_glob))

    def through(self, subject: Address) -> tuple[Address, ...]:
        """The groups, and for a user the entity, whose policies a subject has too: nearest first."""
        found: dict[Address, None] = {}
        waiting = deque(self._next(subject))
        while waiting:
            holder = waiting.popleft()
            if holder not in found:
                found[holder] = None
                waiting.extend(self._next(holder))
        return tuple(found)

    def _next(self, subject: Address) -> Sequence[Address]:
        spec = self.specs.get(subject)
        if subject.kind == ENTITY and spec is not None and spec.disabled:
            return []
        if subject.kind == USER:
            return [self._entity_of[subject]] if subject in self._entity_of else []
        return self._groups_of.get(subject, [])

    def held(self, subject: Address) -> Mapping[Address, Address]:
        """Every policy that counts for a subject, with who of it and its groups names it first."""
        entity = self._entity_of.get(subject)
        entity_spec = self.specs.get(entity) if entity is not None else None
        if entity_spec is not None and entity_spec.disabled:
            return {}  # the server refuses a login of a disabled entity everything
        found: dict[Address, Address] = {}
        for holder in (subject, *self.through(subject)):
            for policy in self.direct(holder):
                found.setdefault(policy, holder)
        return found

    def members(self, holder: Address) -> Iterator[Address]:
        """Who has a group's or an entity's policies too, directly."""
        spec = self.specs.get(holder)
        if holder.kind == GROUP and spec is not None:
            yield from _members(holder, spec)
        if holder.kind == ENTITY:
            # An alias of another method names no user, nor does one whose user nobody declares.
            yield from (user for user, entity in self._entity_of.items() if entity == holder and user in self.specs)

    def subjects(self) -> Iterator[Address]:
        """Everybody who may hold policies."""
        return (address for address in self.specs if address.kind in SUBJECTS)

    def identity(self, subject: Address) -> Identity | None:
        """The entity that a subject is, or logs in as, as templates see it; None where only a login tells."""
        entity = subject if subject.kind == ENTITY else self._entity_of.get(subject)
        spec = self.specs.get(entity) if entity is not None else None
        if entity is None or spec is None:
            return None
        groups = [holder for holder in self.through(entity) if holder in self.specs]
        return Identity(entity.name, spec.metadata, tuple(Group(group.name, self.specs[group].metadata) for group in groups))


def _members(group: Address, spec: Any) -> Iterator[Address]:
    for name in spec.member_entities:
        yield Address(ENTITY, name, group.place)
    for name in spec.member_groups:
        yield Address(GROUP, name, group.place)


def _any_glob(name: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)
