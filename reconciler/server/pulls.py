"""A look at one pull request: plan what it proposes, say so on the forge, take commands.

The plan uses the login that reads, and takes instances, logins and guards from the followed branch, so that a pull
request can send no credentials anywhere. One from a fork is validated only, until somebody who may push names its commit.
"""

from __future__ import annotations

from typing import Any

from ..core.errors import Unavailable
from ..core.forge import Check, Forge, Pull, Verdict
from ..report.forge import fork_markdown, no_plan_markdown, plan_marker
from .events import Claim, News
from .orders import Order, answered, new_orders
from .ports import Done, Planned, Ports
from .talk import Talk
from .worker import Later

BEHIND_SECONDS = 2.0  # a forge's git may be behind its API
SHORTEST_COMMIT = 7


class PullLook:
    """Looks at the subject `pull/NUMBER`."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def __call__(self, claim: Claim) -> str:
        ports, number = self._ports, int(claim.subject.partition("/")[2])
        forge = ports.forge()
        pull = forge.pull(number) if forge else None
        if forge is None or pull is None:
            return "there is no such pull request"
        talk = Talk(forge, number)
        asked = False
        said = []
        for order in new_orders(ports, forge, talk, number):
            if order.word == "plan":
                asked = self._plan_ordered(talk, pull, order) or asked
            else:
                said.append(self._hand_over(order))
        if pull.state == "open" and pull.branch == ports.branch:
            said.append(self._plan(forge, talk, pull, asked=asked))
        return "; ".join(said) or f"pull request {number} is {pull.state}, for {pull.branch}: nothing to do"

    def _hand_over(self, order: Order) -> str:
        """What writes is done by the look at the branch, one after the other."""
        self._ports.notes.write(order.note, order)
        self._ports.events.add(News(order.note, "forge", order.word, "branch", f"{order.author} on {order.pull}"))
        return f"{order.word} asked by {order.author}"

    def _plan_ordered(self, talk: Talk, pull: Pull, order: Order) -> bool:
        if pull.state != "open":
            answered(self._ports, talk, order, f"pull request {pull.number} is {pull.state}")
            return False
        if pull.fork and not (len(order.argument) >= SHORTEST_COMMIT and pull.head.startswith(order.argument)):
            # Without the commit, whoever pushes between the look and the word would be planned unseen.
            answered(self._ports, talk, order, f"it comes from a fork: name the commit that you looked at (now {pull.head[:12]})")
            return False
        if pull.fork:
            self._ports.notes.write(f"fork/{pull.number}", pull.head)
        answered(self._ports, talk, order, f"planned at {pull.head[:12]}")
        return True

    def _plan(self, forge: Forge, talk: Talk, pull: Pull, *, asked: bool) -> str:
        ports = self._ports
        trusted = ports.clone.fetch_branch()
        noted = ports.notes.read(f"pull/{pull.number}") or {}
        if not asked and (noted.get("head"), noted.get("trusted")) == (pull.head, trusted):
            return f"{pull.head[:7]} is planned already"
        if ports.clone.fetch(forge.head_ref(pull.number)) != pull.head:
            raise Later(BEHIND_SECONDS, f"the head of pull request {pull.number} moves")
        if pull.fork and ports.notes.read(f"fork/{pull.number}") != pull.head:
            return self._validate(forge, talk, pull, trusted)
        return self._planned(forge, talk, pull, trusted)

    def _validate(self, forge: Forge, talk: Talk, pull: Pull, trusted: str) -> str:
        ports = self._ports
        done = self._checked(pull)
        valid = done.code == 0
        said = "valid" if valid else "not valid"
        verdict = Verdict.SUCCESS if valid else Verdict.FAILURE
        talk.put(plan_marker(ports.environment), fork_markdown(ports.environment, pull.head, valid, done.log))
        forge.check(pull.head, Check(f"reconcile validate {ports.environment}", verdict, f"The desired state is {said}"))
        self._keep(pull, trusted, {"code": done.code, "digest": ""})
        return f"{pull.head[:7]} of a fork is {said}"

    def _checked(self, pull: Pull) -> Done:
        """What `validate` says. That it takes too long is said of the fork, and not tried again: it was made to."""
        try:
            return self._ports.commands.validate(pull.head)
        except Unavailable as error:
            return Done(1, None, str(error))

    def _planned(self, forge: Forge, talk: Talk, pull: Pull, trusted: str) -> str:
        ports = self._ports
        name = f"reconcile plan {ports.environment}"
        forge.check(pull.head, Check(name, Verdict.PENDING, "Planning"))
        planned = ports.commands.plan(pull.head, trusted)
        body = planned.markdown or no_plan_markdown(ports.environment, planned.log)
        talk.put(plan_marker(ports.environment), body)
        title, verdict = _verdict(planned)
        forge.check(pull.head, Check(name, verdict, title, body))
        if planned.plan is not None:
            ports.notes.write(f"reviewed/{planned.digest}", planned.changes)
        self._keep(pull, trusted, {"code": planned.code, "digest": planned.digest})
        return f"{pull.head[:7]}: {title}"

    def _keep(self, pull: Pull, trusted: str, result: dict[str, Any]) -> None:
        """Last of all: until then it is planned again."""
        note = {"head": pull.head, "trusted": trusted, "author": pull.author, "at": self._ports.clock(), **result}
        self._ports.notes.write(f"pull/{pull.number}", note)


def _verdict(planned: Planned) -> tuple[str, Verdict]:
    plan = planned.plan
    if plan is None:
        return "There is no plan; the comment says why", Verdict.FAILURE
    count = len(plan["changes"])
    said = f"{count:,} change{'s' if count != 1 else ''}" if count else "Nothing would change"
    if planned.code == 4:
        guards = ", ".join(sorted({one["guard"] for one in plan["refusals"]}))
        return f"{said}; refused by {guards}", Verdict.FAILURE
    if planned.code not in (0, 3):
        return f"{said} where it could be read; not all could", Verdict.FAILURE
    return said, Verdict.SUCCESS
