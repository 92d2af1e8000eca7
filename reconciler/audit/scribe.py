"""Records for one process: intents before mutations and outcomes after them, in a segment of its own that ends in the log."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..core.errors import BackendError, ReconcilerError
from .event import Event, cleaned, moment
from .head import Unanswered
from .log import NOTE, Log, Told
from .recovery import left_behind, take_over
from .redaction import Masks, Redactor
from .segment import SUFFIX, Segment, Unloggable, Written

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 60.0


class About(NamedTuple):
    """Whose process this is, and for what: the first line of its segment."""

    actor: str
    """A name; the log gets a pseudonym."""
    authn: str
    commit: str
    action: str
    resource: str
    rid: str = ""


class Scribe:
    """The recorder of one process, with a segment of the log. Safe to use from many threads.

    Nothing is opened before the first event: a run that changes nothing leaves nothing. `guarded`: every outcome is
    followed by a checkpoint; otherwise decisions are, and once a minute whatever there is.
    """

    def __init__(
        self,
        book: Log,
        about: About,
        masks: Masks,
        *,
        guarded: bool = False,
        now: Callable[[], float] = time.time,
        beat: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._book = book
        self._about = about
        self._guarded = guarded
        self._now = now
        self._beat = beat
        self.clean = Redactor(masks, book.people.hidden)
        self._lock = threading.Lock()
        self._sealing = threading.Lock()
        self._segment: Segment | None = None
        self._left: dict[str, Unanswered] | None = None  # by earlier processes
        self._mine: dict[str, Event] = {}  # intents of this process that have no outcome yet
        self._answered: set[str] = set()  # intents of earlier processes that have one now
        self._ended = threading.Event()

    def intent(self, action: str, resource: str, **fields: str) -> str:
        made = self._identified(Event("intent", action=action, resource=resource, **fields))
        self._begin([made])
        return made.id

    def intents(self, wanted: Iterable[tuple[str, str, str]]) -> list[str]:
        """Keep several (action, resource, version before) for the price of one; return their ids."""
        asked = list(wanted)
        random, commit, rid = secrets.token_hex(8 * len(asked)), self._about.commit, self._about.rid
        made = [
            Event("intent", random[16 * at : 16 * at + 16], commit=commit, action=action, resource=resource, ver_from=version, rid=rid)
            for at, (action, resource, version) in enumerate(asked)
        ]
        self._begin(made)
        return [event.id for event in made]

    def _begin(self, made: Sequence[Event]) -> None:
        self._opened().append(made)
        with self._lock:
            self._mine.update((event.id, event) for event in made)

    def outcome(self, id: str, outcome: str, **fields: str) -> None:
        self._answer(Event("outcome", cause_id=id, outcome=outcome, **fields), wait=True)
        if self._guarded:
            self._seal()

    def outcome_soon(self, id: str, outcome: str, **fields: str) -> None:
        """Keep an outcome with what is kept next, or at the end: enough where looking would tell it, too."""
        self._answer(Event("outcome", cause_id=id, outcome=outcome, **fields), wait=False)

    def _answer(self, event: Event, *, wait: bool) -> None:
        self._opened().append([event], wait=wait)
        with self._lock:
            if self._mine.pop(event.cause_id, None) is None:
                self._answered.add(event.cause_id)
                if self._left:
                    self._left.pop(event.cause_id, None)

    def decision(self, action: str, resource: str, **fields: str) -> None:
        """Keep what a person or a guard decided."""
        self._opened().append([self._identified(Event("decision", action=action, resource=resource, **fields))])
        self._seal()

    def keep(self, event: Event) -> None:
        """Keep any event."""
        self._opened().append([event])

    def keep_signed(self, event: Event) -> None:
        """Keep an event that allows something that nobody can take back. Raises where it cannot be signed."""
        segment = self._opened()
        segment.append([self._identified(event)])
        self._write_note(segment)

    def dangling(self, resource: str) -> tuple[Unanswered, ...]:
        shown = self.clean(resource)
        return tuple(one for one in self.unanswered() if one.resource == shown)

    def unanswered(self) -> Sequence[Unanswered]:
        """All intents that had no outcome when this process began, and have none since."""
        with self._lock:
            if self._left is None:
                self._left = self._look()
            return tuple(self._left.values())

    def close(self) -> None:
        """Commit what was recorded. Where that cannot be done now, the next run does it: the lines are on the disk."""
        self._ended.set()
        with self._lock:
            segment, self._segment = self._segment, None
        if segment is None:
            return
        try:
            written = segment.finish()
            self._book.commit(written.id, written.leaves, self._told(written))
        except (ReconcilerError, OSError) as error:
            log.warning("audit: what this run recorded is on this disk, but not yet in the log: %s", error)
            self._seal_left(segment)
        finally:
            segment.abandon()

    def _told(self, written: Written) -> Told:
        left = {
            id: Unanswered(*(cleaned(name, getattr(one, name), self.clean) for name in Unanswered._fields))
            for id, one in self._mine.items()
        }
        return Told(moment(written.begun), moment(written.ended), left, self._answered)

    def _seal_left(self, segment: Segment) -> None:
        """Sign what could not be committed, so that nobody takes from it until it is."""
        try:
            self._write_note(segment)
        except (ReconcilerError, OSError) as error:
            log.warning("audit: no checkpoint could be made of it: %s", error)

    def __enter__(self) -> Scribe:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _identified(self, event: Event) -> Event:
        return event._replace(id=secrets.token_hex(8), commit=event.commit or self._about.commit, rid=event.rid or self._about.rid)

    def _look(self) -> dict[str, Unanswered]:
        try:
            return left_behind(self._book)
        except BackendError as error:
            # The store of the log may be down while others are up; what was left is answered by a later run.
            log.warning("audit: intents without an outcome cannot be looked for: %s", error)
            return {}

    def _opened(self) -> Segment:
        with self._lock:
            if self._segment is None:
                if self._ended.is_set():
                    raise Unloggable("the audit log is closed, so nothing is changed")
                self._segment = self._open()
            return self._segment

    def _open(self) -> Segment:
        about, writer = self._about, secrets.token_hex(8)
        began = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now()))
        try:
            self._book.prepare()
            actor = self._book.people.pseudonym(about.actor)
        except (BackendError, OSError) as error:
            raise Unloggable(f"the audit log cannot be written, so nothing is changed: {error}") from None
        segment = Segment(self._book.open_folder / f"{began}-{writer}{SUFFIX}", writer, self._now, self.clean)
        segment.append([Event("segment", **about._replace(actor=actor)._asdict())])
        try:
            take_over(self._book, lambda event: segment.append([event]))
        except OSError as error:
            log.warning("audit: what an earlier run left cannot be looked after: %s", error.strerror)
        threading.Thread(target=self._live, args=(segment,), name="audit", daemon=True).start()
        return segment

    def _live(self, segment: Segment) -> None:
        """Give a sign of life, and seal what there is, once a minute."""
        while not self._ended.wait(self._beat):
            try:
                if self._now() - segment.last >= self._beat / 2:
                    segment.append([Event("heartbeat")])
                self._seal()
            except Unloggable:
                return  # whoever records next is told

    def _seal(self) -> None:
        """Sign what there is. That the key cannot be reached stops nothing: the lines are on the disk."""
        segment = self._segment
        if segment is None:
            return
        try:
            self._write_note(segment)
        except Unloggable:
            raise
        except (ReconcilerError, OSError) as error:
            log.warning("audit: no checkpoint could be made: %s", error)

    def _write_note(self, segment: Segment) -> None:
        with self._sealing:  # a later note must not be overtaken by an earlier one
            note = self._book.sign(segment.tree(), segment.writer)
            path = segment.path.with_suffix(NOTE)
            new = path.with_suffix(".new")
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
                stream.write(note)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(new, path)
