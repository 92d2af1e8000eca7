"""Commands in comments: `/reconcile plan|apply|rollback [WHAT]`, and who may give them.

An order is obeyed once. What was done with it stands in our notes and, since a database may be lost, in our answer on the
forge. Edited comments are not obeyed: whoever may push may edit what somebody else wrote. Nor are old ones, which a
server that forgot everything would find again.
"""

from __future__ import annotations

import calendar
import logging
import re
import time
from collections.abc import Iterator
from typing import NamedTuple

from ..core.forge import Comment, Forge, Role
from ..report.forge import answer_markdown, answer_marker
from .ports import Ports
from .talk import Talk

log = logging.getLogger(__name__)

_ORDER = re.compile(r"/reconcile[ \t]+(plan|apply|rollback)(?:[ \t]+(\S{1,80}))?[ \t]*")
_ARGUMENTS = {
    "plan": re.compile(r"[0-9a-f]{7,40}"),
    "apply": re.compile(r"sha256:[0-9a-f]{64}"),
    "rollback": re.compile(r"[0-9a-f]{7,40}"),
}
OBEYED_SECONDS = 86400.0
NEEDED = {"plan": Role.WRITE, "apply": Role.MAINTAIN, "rollback": Role.MAINTAIN}
FOLDER = "order/"


class Order(NamedTuple):
    """One command. `pull`: the number of the pull request that it was given on."""

    comment: str
    pull: int
    author: str
    word: str
    argument: str = ""
    to: str = ""  # of a rollback that was begun: the commit to go back to, which must not be chosen twice
    state: str = "waiting"
    made: str = ""  # when it was written, by the forge's clock

    def saw(self, shown: float) -> bool:
        """Whether it was written after something was shown."""
        return bool(self.made) and _seconds(self.made) >= int(shown)

    @property
    def note(self) -> str:
        return f"{FOLDER}{self.comment}"


def new_orders(ports: Ports, forge: Forge, talk: Talk, number: int) -> Iterator[Order]:
    """The commands on a pull request that nobody has dealt with, from people who may give them. Answers the others."""
    known = ports.notes.below(FOLDER)
    for comment in talk.comments:
        order = _order(comment, number)
        if order is None or order.note in known or talk.ours(answer_marker(comment.id)):
            continue
        if not is_young(comment.made, ports.clock()):
            continue
        wrong = _wrong(ports, forge, comment, order)
        if not wrong:
            yield order
            continue
        log.warning("pull request %d: %s by %s is not obeyed: %s", number, order.word, order.author, wrong)
        ports.notes.write(order.note, order._replace(state=wrong))
        if forge.role(comment.author) >= Role.WRITE:  # strangers are not answered: that would make us their loudspeaker
            talk.put(answer_marker(comment.id), answer_markdown(comment.id, comment.author, wrong))


def answered(ports: Ports, talk: Talk, order: Order, text: str) -> str:
    """End an order with an answer. The note comes last: until then it is answered again."""
    talk.put(answer_marker(order.comment), answer_markdown(order.comment, order.author, text))
    ports.notes.write(order.note, order._replace(state=text))
    return f"{order.word} of {order.author}: {text}"


def _order(comment: Comment, number: int) -> Order | None:
    found = _ORDER.fullmatch(comment.body.strip().partition("\n")[0].strip())
    return Order(comment.id, number, comment.author, found[1], found[2] or "", made=comment.made) if found else None


def _wrong(ports: Ports, forge: Forge, comment: Comment, order: Order) -> str:
    """Why a command is not obeyed; empty where it is."""
    if ports.people and comment.author not in ports.people:
        return "only the people that `forge.people` names may do this"
    if not ports.people and forge.role(comment.author) < NEEDED[order.word]:
        return f"this needs somebody who may {'push' if NEEDED[order.word] is Role.WRITE else 'maintain the repository'}"
    if comment.edited:
        return "an edited comment is not obeyed, since others may have edited it; write a new one"
    if order.argument and not _ARGUMENTS[order.word].fullmatch(order.argument):
        digits = "a digest, sha256: and 64" if order.word == "apply" else "a commit, 7 to 40"
        return f"what stands behind {order.word} must be {digits} hexadecimal digits"
    return ""


def is_young(moment: str, now: float) -> bool:
    """Whether what was written then is still obeyed."""
    return now - _seconds(moment) <= OBEYED_SECONDS


def _seconds(moment: str) -> int:
    return calendar.timegm(time.strptime(moment, "%Y-%m-%dT%H:%M:%SZ"))
