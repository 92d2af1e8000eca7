"""Answers about who may do what: over the repository, over the servers, or over what a plan would leave."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from reconciler.access.explain import Access, Reason
from reconciler.access.holders import POLICY, SUBJECTS
from reconciler.access.iam_explain import audit_role, explain_role, roles_that_can
from reconciler.access.iam_roles import ROLE
from reconciler.access.lints import findings, notes
from reconciler.core.address import Address, Place, parse_address
from reconciler.core.errors import Usage
from reconciler.core.resource import Origin
from reconciler.desired.git import Repository
from reconciler.desired.lines import rule_lines
from reconciler.desired.load import Desired, load
from reconciler.desired.tree import Tree
from reconciler.engine.access import following
from reconciler.engine.access_live import live_access
from reconciler.kinds import KINDS
from reconciler.settings import Settings

from . import opened

Over = str
"""The repository as it is; the servers; or the servers as a plan of the repository would leave them."""


class State(NamedTuple):
    """One state to ask about. `lines` finds where a rule is written; `unread` says what the login could not see."""

    specs: Mapping[Address, Any]
    access: Access
    origins: Mapping[Address, Origin]
    lines: Callable[[Address, str], Origin | None]
    unread: tuple[str, ...] = ()

    def origin(self, policy: Address, rule: str) -> str | None:
        """The line of a rule, else of its policy; None for what the repository does not declare."""
        found = self.lines(policy, rule) or self.origins.get(policy)
        return str(found) if found is not None else None


def explained(settings: Settings, subject: str, path: str, over: Over) -> dict[str, Any]:
    """What a subject may do on a path, and which rule of which line says so."""
    who = _subject(subject)
    state = _state(settings, over, who.place.instance, who, secrets=":secret:" in path)
    _must_be_known(who, state)
    if who.kind == ROLE:
        return {**_explained_role(who, path, state), **_unread(state)}
    found = state.access.explain(who, path)
    because = [_reason(who, reason, state) for reason in found.because]
    conditional = {"conditional": sorted(found.conditional)} if found.conditional else {}
    shown = {"subject": str(who), "path": path, "capabilities": sorted(found.capabilities), **conditional, "because": because}
    return {**shown, **_unread(state)}


def _reason(who: Address, reason: Reason, state: State) -> dict[str, Any]:
    shown: dict[str, Any] = {"policy": str(reason.policy), "rule": reason.rule, "origin": state.origin(reason.policy, reason.rule)}
    shown |= {"effect": reason.effect, "capabilities": list(reason.capabilities)}
    if reason.holder != who:
        shown["through"] = str(reason.holder)
    return {**shown, "limit": reason.limit} if reason.limit else shown


def _explained_role(role: Address, resource: str, state: State) -> dict[str, Any]:
    found = explain_role(role, resource, state.specs)
    because = []
    for reason in found.because:
        address = reason.policy.partition("#")[0]
        origin = state.origins.get(parse_address(address)) if not address.startswith("arn:") else None
        shown = {"policy": reason.policy, "rule": reason.rule, "origin": str(origin) if origin else None, "effect": reason.effect}
        because.append({**shown, "capabilities": list(reason.actions)})
    conditional = {"conditional": sorted(found.conditional)} if found.conditional else {}
    return {"subject": str(role), "path": resource, "capabilities": sorted(found.actions), **conditional, "because": because}


def able(settings: Settings, path: str, capability: str | None, over: Over, instance: str) -> list[dict[str, Any]]:
    """Everybody who may do something on a path (of `instance`), and by which policies."""
    iam = path.startswith("arn:")
    state = _state(settings, over, instance, Address(ROLE if iam else POLICY, "", Place(instance)), secrets=":secret:" in path)
    if iam:
        found = [
            (role, via, maybe) for role, via, maybe in roles_that_can(path, capability, state.specs) if role.place.instance == instance
        ]
        return [_who(str(role), via, maybe) for role, via, maybe in found]
    answers = (who for who in state.access.who_can(path, capability) if who.subject.place.instance == instance)
    return [_who(str(who.subject), tuple(map(str, who.via)), who.conditional) for who in answers]


def _who(subject: str, via: tuple[str, ...], conditional: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"subject": subject, "via": list(via)}
    return {**shown, "conditional": True} if conditional else shown


def audited(settings: Settings, subject: str, over: Over) -> dict[str, Any]:
    """Everything that a subject may do."""
    who = _subject(subject)
    state = _state(settings, over, who.place.instance, who)
    _must_be_known(who, state)
    if who.kind == ROLE:
        rows = [(path, actions, via) for path, actions, via in audit_role(who, state.specs)]
        policies = sorted({source for _, _, via in rows for source in via})
    else:
        rows = [(one.path, one.capabilities, tuple(map(str, one.via))) for one in state.access.audit(who)]
        policies = [str(policy) for policy in state.access.holders.held(who)]
    access = [{"path": path, "capabilities": list(given), "via": list(via)} for path, given, via in rows]
    return {"subject": str(who), "policies": policies, "access": access, **_unread(state)}


def _subject(text: str) -> Address:
    try:
        who = parse_address(text)
    except ValueError as error:
        raise Usage(str(error)) from None
    known = (*SUBJECTS, POLICY, ROLE)
    if who.kind not in known:
        raise Usage(f"{who.kind} holds no policies (one of {', '.join(sorted(known))} does)")
    return who


def _must_be_known(who: Address, state: State) -> None:
    if who in state.specs or (who.kind == POLICY and state.access.book.known(who)):
        return
    names = [str(address) for address in state.specs if address.kind == who.kind]
    near = difflib.get_close_matches(str(who), names, 1)
    raise Usage(f"{who} is not there" + (f" (did you mean {near[0]}?)" if near else ""))


def _unread(state: State) -> dict[str, Any]:
    """Said only where it is so: an answer that may lack something must not look whole."""
    return {"unknown": list(state.unread)} if state.unread else {}


def _state(settings: Settings, over: Over, instance: str, about: Address, *, secrets: bool = False) -> State:
    if over == "desired":
        return desired_state(settings)
    with opened(settings, "plan") as session:
        backend = about.kind.partition(".")[0]
        specs, unread = live_access(session.world, backend, instance, secrets=secrets)
        if over == "plan":
            changes = session.plan((), ()).changes
            specs = following(specs, (change for change in changes if change.address.kind.startswith(f"{backend}.")))
        origins = {address: resource.origin for address, resource in session.wish.resources.items()}
        return State(specs, Access(specs, session.world.now()), origins, _no_line, unread)


def desired_state(settings: Settings) -> State:
    """The repository as it lies in the work tree."""
    tree = Repository(settings.repo).read_work_tree()
    desired = load(tree, settings.environment or None, KINDS)
    specs = {address: resource.spec for address, resource in desired.resources.items()}
    origins = {address: resource.origin for address, resource in desired.resources.items()}
    policies = [resource for address, resource in desired.resources.items() if address.kind == POLICY]
    return State(specs, Access(specs), origins, rule_lines(tree, desired.environment.name, KINDS, policies))


def policy_lints(tree: Tree, desired: Desired) -> list[str]:
    """What deserves a second look in the policies of a repository and in who holds them, each with its line."""
    specs = {address: resource.spec for address, resource in desired.resources.items()}
    found = list(findings(specs, specs.keys()))
    policies = [desired.resources[one.address] for one in found if one.rule]
    lines = rule_lines(tree, desired.environment.name, KINDS, policies)

    def origin(address: Address, rule: str) -> str:
        return str(lines(address, rule) or desired.resources[address].origin)

    return notes(found, origin)


def _no_line(_policy: Address, _rule: str) -> Origin | None:
    """A server keeps no lines."""
    return None
