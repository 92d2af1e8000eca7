"""A look at the followed branch: apply its tip as it was reviewed, then do what comments have ordered.

With a forge, only the plan that stood on the pull request is applied, and only while its merge is the tip. What cannot be
settled so (nobody reviewed it, it would come out otherwise now, a guard says no) is said there, with the plan as it is now,
and waits for `/reconcile apply`. Without a forge the tip is applied, behind the guards; where there was one and is none any
more, only after somebody has applied by hand.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.forge import Check, Forge, Verdict
from ..report.forge import apply_marker, digest_in, outcome_markdown, plan_marker, sum_text
from .events import Claim, News
from .merges import LOCK_PAUSE, apply_or_rest, before_of, step_up
from .orders import FOLDER, Order, answered, is_young
from .ports import Done, Ports
from .talk import Talk
from .worker import Later

MOST_ATTEMPTS = 5  # of what fails part-way: each is undone, so each is a jolt to whoever uses the servers
FIRST_PAUSE = 60.0
REVIEWING = "reviewing"  # the note on whether plans are reviewed
ENDED = ("applied", "in sync", "rolled back")
FINAL = (*ENDED, "refused", "unreviewed", "given up")  # the others are put to people, who may have applied it themselves


class Settled(NamedTuple):
    """How a tip ended. `fresh`: the plan as it is now, where a person has to decide."""

    state: str
    title: str
    answer: Any = None
    log: str = ""
    fresh: str = ""


class BranchLook:
    """Looks at the subject `branch`."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports

    def __call__(self, claim: Claim) -> str:
        ports = self._ports
        tip = ports.clone.fetch_branch()
        if closed := ports.commands.locked_down():
            return f"{tip[:7]} is not applied: {closed}"
        ports.clone.move(tip)
        before = ports.notes.read("tip")
        said = [self._tip(tip), *(self._obey(order, tip) for order in self._waiting())]
        self._catch_up(claim)
        if before != ports.notes.read("tip") and (moved := ports.clone.fetch_branch()) != tip:
            # Merged while that was done, and perhaps nobody told us.
            ports.events.add(News(f"branch/{moved}", "server", "moved", "branch"))
        return "; ".join(said)

    def _waiting(self) -> list[Order]:
        found = [Order(*note) for note in self._ports.notes.below(FOLDER).values()]
        return sorted((one for one in found if one.state == "waiting"), key=lambda one: int(one.comment))

    def _tip(self, tip: str) -> str:
        ports = self._ports
        noted = ports.notes.read("tip") or {}
        same = noted.get("commit") == tip
        ended = same and noted["state"] in ENDED
        by_hand = not ended and ports.commands.applied()[-1:] == (tip,)
        if same and noted["state"] in FINAL and not by_hand:
            self._report(tip, noted)
            return f"{tip[:7]} is {noted['state']}"
        if same and noted["state"] == "failed":
            self._report(tip, noted)
        if same and noted.get("again", 0) > ports.clock():
            return f"{tip[:7]} failed and is tried again later"
        forge = ports.forge()
        if forge or by_hand:
            # A push may take the forge away. Once there was one, only who applies without it ends that plans are reviewed.
            ports.notes.write(REVIEWING, forge is not None)
        if by_hand:
            # By somebody else, or before we lost our memory; or by us, and we were killed before we could say so.
            return self._note(tip, Settled("applied", "Applied"), {}, reported=not (same and noted.get("begun")))
        digest = self._reviewed(forge, tip) if forge else ""
        if not digest and (forge or ports.notes.read(REVIEWING)):
            return self._note(tip, self._unreviewed(tip), noted if same else {})
        return self._note(tip, self._apply(tip, digest, noted if same else {}), noted if same else {})

    def _reviewed(self, forge: Forge, tip: str) -> str:
        """The digest of the plan that stood on the pull request when it was merged; empty where none did."""
        pull = forge.merged_as(tip)
        if pull is None or pull.branch != self._ports.branch:
            return ""
        noted = self._ports.notes.read(f"pull/{pull.number}")
        if noted is not None:
            # Our own memory first: whoever may push may also edit our comment.
            return str(noted["digest"]) if noted["head"] == pull.head else ""
        found = Talk(forge, pull.number).ours(plan_marker(self._ports.environment))
        return digest_in(found[0].body) if len(found) == 1 else ""

    def _unreviewed(self, tip: str) -> Settled:
        planned = self._ports.commands.plan(tip, tip)
        if planned.code == 0 and not planned.changes:
            return Settled("in sync", "Nothing to change")
        if planned.plan is None:
            return Settled("failed", "There is no plan", log=planned.log)
        return Settled("unreviewed", "Not applied: nobody has seen this plan before the merge", fresh=planned.markdown)

    def _apply(self, tip: str, digest: str, noted: dict[str, Any]) -> Settled:
        """Apply a tip. `noted`: what is known of earlier attempts at the same."""
        ports = self._ports
        begun, before = noted.get("digest") == digest and noted.get("begun", False), before_of(ports, tip)
        note = {**noted, "commit": tip, "state": "begun", "begun": True, "digest": digest, "at": ports.clock(), **before.noted()}
        ports.notes.write("tip", note)
        done = apply_or_rest(ports, tip, digest, begun=begun)
        forge = ports.forge() if done.stale(digest) else None
        if forge and step_up(ports, forge, self._reviewed, before, tip):
            done = apply_or_rest(ports, tip, digest, begun=begun)
        ports.applied()
        return self._settled(tip, done, digest)

    def _settled(self, tip: str, done: Done, digest: str) -> Settled:
        if done.code == 0:
            return Settled("applied", "Applied", done.answer, done.log)
        if done.code == 4:
            stale = done.stale(digest)
            title = "Not applied: the plan is no longer the one that was reviewed" if stale else "Not applied: refused by a guard"
            return Settled("refused", title, done.answer, done.log, self._ports.commands.plan(tip, tip).markdown)
        return Settled("failed", "Applied in part" if done.code == 5 else "Not applied", done.answer, done.log)

    def _note(self, tip: str, settled: Settled, noted: dict[str, Any], *, reported: bool = False) -> str:
        """Keep how it ended, then say it. Kept first: what was done must not be done again because a forge is down."""
        ports = self._ports
        attempts = noted.get("attempts", 0) + 1
        failed = settled.state == "failed" and attempts < MOST_ATTEMPTS
        begun = ports.notes.read("tip") or {}
        note = {
            "commit": tip,
            "state": "given up" if settled.state == "failed" and not failed else settled.state,
            "title": settled.title,
            "run": (settled.answer or {}).get("run"),
            "at": ports.clock(),
            "attempts": attempts,
            "again": ports.clock() + FIRST_PAUSE * 2.0 ** (attempts - 1) if failed else 0,
            "offer": digest_in(settled.fresh),
            "text": outcome_markdown(ports.environment, tip, settled.title, settled.answer, settled.log, settled.fresh),
            "reported": reported,
            **(
                {key: begun[key] for key in ("digest", "begun", "since", "unfinished") if key in begun}
                if begun.get("commit") == tip
                else {}
            ),
        }
        ports.notes.write("tip", note)
        self._report(tip, note)
        return f"{tip[:7]}: {settled.title}, {sum_text(settled.answer)}"

    def _report(self, tip: str, note: dict[str, Any]) -> None:
        """Say on the forge how a tip ended, unless that was said."""
        ports = self._ports
        if note["reported"]:
            return
        if forge := ports.forge():
            verdict = Verdict.SUCCESS if note["state"] in ("applied", "in sync") else Verdict.FAILURE
            forge.check(tip, Check(f"reconcile apply {ports.environment}", verdict, note["title"], note["text"]))
            pull = forge.merged_as(tip)
            if pull is not None:
                Talk(forge, pull.number).put(apply_marker(ports.environment), note["text"])
        ports.notes.write("tip", {**note, "reported": True})

    def _obey(self, order: Order, tip: str) -> str:
        """Do what a comment has ordered, once."""
        forge = self._ports.forge()
        if forge is None:
            return f"{order.word} of {order.author}: no forge is declared"
        talk = Talk(forge, order.pull)
        return self._roll_back(talk, order, tip) if order.word == "rollback" else self._apply_ordered(talk, order, tip)

    def _apply_ordered(self, talk: Talk, order: Order, tip: str) -> str:
        ports = self._ports
        noted = ports.notes.read("tip") or {}
        digest = order.argument or noted.get("offer", "") or noted.get("digest", "")
        if noted.get("state") in ("applied", "in sync"):
            return answered(ports, talk, order, f"{tip[:7]} is {noted['state']} already")
        if not order.argument and noted.get("offer") and not order.saw(noted["at"]):
            return answered(ports, talk, order, "another plan is shown since this was written: look at it, and write this again")
        if not digest:
            return answered(ports, talk, order, f"name the digest of the plan that you have seen; {tip[:7]} is {noted.get('state', 'new')}")
        done = apply_or_rest(ports, tip, digest, begun=False)
        ports.applied()
        settled = self._settled(tip, done, digest)
        self._note(tip, settled, {})
        return answered(ports, talk, order, f"{settled.title}: {sum_text(done.answer)}")

    def _roll_back(self, talk: Talk, order: Order, tip: str) -> str:
        ports = self._ports
        if order != [one for one in self._waiting() if one.word == "rollback"][-1]:
            return answered(ports, talk, order, "a later comment asks for the same")
        to = order.to or (_named(ports.commands.applied(), order.argument) if order.argument else ports.commands.goal())
        if not to:
            return answered(ports, talk, order, f"there is no applied commit {order.argument or 'before this one'} to go back to")
        if not order.to:
            # Chosen before it is done: after a crash in between, one more would be gone back.
            order = order._replace(to=to)
            ports.notes.write(order.note, order)
        done = ports.commands.rollback(to)
        ports.applied()
        if done.code == 4 and done.answer is None:
            raise Later(LOCK_PAUSE, done.log.strip() or "the lock is held")
        if done.code == 0:
            ports.notes.write("tip", {"commit": tip, "state": "rolled back", "at": ports.clock(), "reported": True})
        said = f"back at {to[:7]}" if done.code == 0 else f"not rolled back to {to[:7]}, the command ended with {done.code}"
        refused = "; ".join(one["message"] for one in (done.answer or {}).get("refusals", ()))
        return answered(ports, talk, order, ": ".join(filter(None, (said, refused or sum_text(done.answer)))))

    def _catch_up(self, claim: Claim) -> None:
        """Look at pull requests whose webhooks were lost: with a head that we have not seen, or where somebody may have commented."""
        ports = self._ports
        forge = ports.forge() if any(event.source == "timer" for event in claim.events) else None
        if forge is None:
            return
        for pull in forge.open_pulls(ports.branch):
            if (ports.notes.read(f"pull/{pull.number}") or {}).get("head") != pull.head:
                ports.events.add(News(f"pull/{pull.number}/{pull.head}", "timer", "head", f"pull/{pull.number}"))
        for pull in forge.touched_pulls(ports.branch):
            # What is older than a command can be is left alone. Our own comments touch too: one look more, which finds nothing.
            if pull.touched and is_young(pull.touched, ports.clock()):
                ports.events.add(News(f"pull/{pull.number}/{pull.touched}", "timer", "touched", f"pull/{pull.number}"))


def _named(stack: tuple[str, ...], beginning: str) -> str:
    """The applied commit that begins so; empty where none or several do."""
    found = {commit for commit in stack if commit.startswith(beginning)}
    return found.pop() if len(found) == 1 else ""
