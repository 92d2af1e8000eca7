"""What the next pass would do: everything is read and decided, and nothing done."""

from __future__ import annotations

from ..core.errors import ReconcilerError
from ..core.rotated import Outlook
from .job import Job, Memory, load
from .look import next_action
from .seen import Apply, Asked, Copy, Discard, Evict, Promote, Record, Revoke, Wait
from .state import Phase


def outlook_of(job: Job, asked: Asked | None) -> Outlook:
    """One secret's next step, in words."""
    try:
        state = load(job)
        action = next_action(job, state, Memory(), asked)
    except ReconcilerError as error:
        return Outlook(job.path, "UNKNOWN", "nothing", str(error))
    match action:
        case Record(after) if after.phase is Phase.STAGED and state.phase is Phase.IDLE:
            return Outlook(job.path, state.word, "begin a rotation", f"asked for by {after.requested_by}" if asked else "due")
        case Record(after) if after.phase is state.phase:
            return Outlook(job.path, state.word, "take note", after.reason)
        case Record(after):
            return Outlook(job.path, state.word, f"go on to {after.phase}", after.reason)
        case Promote():
            return Outlook(job.path, state.word, "write the secret")
        case Copy(place):
            return Outlook(job.path, state.word, f"copy the secret to {place.store}")
        case Apply():
            return Outlook(job.path, state.word, "make a value good at the target")
        case Revoke() | Discard():
            return Outlook(job.path, state.word, "end a value at the target")
        case Evict():
            return Outlook(job.path, state.word, "end sessions at the target")
        case Wait(reason):
            return Outlook(job.path, state.word, "nothing", reason)
