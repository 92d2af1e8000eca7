"""What the commands of the audit log do with it: verify, search, prove, anchor, archive."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.audit.archive import archive, prune
from reconciler.audit.event import moment
from reconciler.audit.head import Listed
from reconciler.audit.log import Log
from reconciler.audit.merkle import EMPTY_ROOT
from reconciler.audit.note import Checkpoint, NoteError, read_checkpoint, read_note
from reconciler.audit.proof import Proof, check_growth, prove, prove_growth
from reconciler.audit.redaction import Masks, Redactor
from reconciler.audit.search import Row, Wanted, raw_lines, search
from reconciler.audit.verdict import Anchor, Known, Verdict, read_known
from reconciler.audit.verify import verify
from reconciler.core.errors import BackendError, Refused, Usage
from reconciler.core.keeping import ArchivePlace
from reconciler.core.values import parse_duration
from reconciler.desired.environments import Environment, read_environment
from reconciler.desired.git import Repository
from reconciler.dev.state import ensure_state_folder
from reconciler.retention import segments
from reconciler.settings import Settings

from .archives import holds_at_head, named, shelf_of_archive
from .auditing import book_of, declared_keys, recording
from .clients import ClientPool

ANCHORS = ".audit"
"""The folder of the repository where checkpoints are anchored."""


@dataclass(frozen=True)
class Opened:
    """The log of the work tree's environment, for the commands that read it."""

    settings: Settings
    environment: Environment
    clients: ClientPool
    book: Log

    @property
    def name(self) -> str:
        return self.environment.name

    def verified(self, *, incremental: bool = False, anchors: Path | None = None, max_age: str = "") -> Verdict:
        """Verify it, and remember how far it was found good."""
        found = self.anchors(anchors)
        verdict = verify(self.book, anchors=found, known=self._known(), incremental=incremental)
        with suppress(Refused):  # one that is not ours is among the findings
            verdict.anchored = max((self._opened(one.note).size for one in found), default=0)
        if self.environment.audit.anchor and not found:
            verdict.fail(
                "no anchor",
                f"`anchor: {self.environment.audit.anchor}` is declared, and no checkpoint is anchored (reconcile audit anchor)",
            )
        if max_age and verdict.newest < moment(time.time() - parse_duration(max_age)):
            verdict.fail("empty", f"nothing was recorded for {max_age}: the newest entry is of {verdict.newest or 'never'}")
        if self.environment.audit.key.file and not self.environment.audit.trusted:
            verdict.unseen.append(
                "another log, put here together with another key file (`audit: {trusted: ...}` names the key that counts)"
            )
        if verdict.ok and verdict.known is not None:
            with suppress(OSError):  # nothing is lost but the next verification's short cut
                ensure_state_folder(self.settings.repo)
                self.book.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._known_file.write_text(verdict.known.write(), encoding="utf-8")
        return verdict

    def _known(self) -> Known | None:
        try:
            return read_known(self._known_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    @property
    def _known_file(self) -> Path:
        return self.book.folder / "verified"

    def anchors(self, folder: Path | None = None) -> list[Anchor]:
        """The checkpoint that is anchored: in a folder, or in HEAD, else in the work tree."""
        name = f"{ANCHORS}/{self.name}.checkpoint"
        if folder is not None:
            found = _text(folder / name)
        else:
            found = _decoded(Repository(self.settings.repo).content("HEAD", name)) or _text(self.settings.repo / name)
        return [Anchor(name, found)] if found else []

    def search(self, wanted: Wanted, person: str = "") -> list[dict[str, Any]]:
        """What fits, with the names of who did it as far as they are known here."""
        people = self.book.people
        actors = frozenset({*people.pseudonyms(person), person}) if person else frozenset()
        rows = search(self.book, wanted._replace(actors=actors), Redactor(Masks(), people.hidden))
        try:
            names = people.names()
        except BackendError:
            names = {}  # this login may not read them: pseudonyms are shown
        return [_row(one, names) for one in rows]

    def vkey(self) -> str:
        """The public key that signs."""
        return self.book.signer().verifier.vkey

    def erase(self, name: str) -> int:
        """Forget a person; how many pseudonyms lost their name."""
        return self.book.people.erase(name)

    def lines(self, since: str, until: str) -> Iterator[bytes]:
        return raw_lines(self.book, since, until)

    def prove(self, entry: int) -> Proof:
        return prove(self.book, entry)

    def anchor(self, folder: Path | None = None) -> tuple[Checkpoint, Checkpoint | None]:
        """Write the newest checkpoint, and the proof that the one before is its beginning. Returns both. Raises Refused."""
        root = folder or self.settings.repo
        (root / ANCHORS).mkdir(parents=True, exist_ok=True)
        before = self.anchors(folder)
        old = self._opened(before[0].note) if before else None
        proof = prove_growth(self.book, old or Checkpoint(self.book.origin, 0, EMPTY_ROOT))
        note = proof.partition("\n\n")[2]
        if before and note == before[0].note:
            return self._opened(note), old  # the proof from the one before that to this one is still to be read
        (root / ANCHORS / f"{self.name}.checkpoint").write_text(note, encoding="utf-8")
        (root / ANCHORS / f"{self.name}.growth").write_text(proof, encoding="utf-8")
        return self._opened(note), old

    def _opened(self, note: str) -> Checkpoint:
        try:
            return self.book.opened(note)[0]
        except NoteError as error:
            raise Refused(f"{ANCHORS}/{self.name}.checkpoint is not ours: {error}") from None

    def ripe(self, age: str) -> list[Listed]:
        """Segments that ended longer ago than that, and that no legal hold keeps."""
        return list(segments.look(self.book, moment(time.time() - parse_duration(age)), holds_at_head(self.settings))[1])

    def archive(self, old: Sequence[Listed], to: ArchivePlace, *, keep: bool) -> None:
        """Copy segments to an archive, and drop their lines here unless they are kept. Raises Refused where the log does not verify."""
        if not old:
            return
        verdict = self.verified()
        if not verdict.ok:
            # Whatever somebody did to it can be told only while all of it is here.
            raise Refused(f"the audit log does not verify, so nothing of it is archived: {verdict.findings[0]} (reconcile audit verify)")
        place = shelf_of_archive(self.settings, self.clients, to)
        archived = [archive(self.book, one, place) for one in old]
        if not keep:
            with recording(self.settings, self.clients, "audit.archive") as scribe:
                prune(self.book, archived, named(to), verdict.pruned, scribe.keep_signed)


@contextmanager
def opened_book(settings: Settings, purpose: str = "plan") -> Iterator[Opened]:
    """The log of the work tree's environment."""
    environment = read_environment(Repository(settings.repo).read_work_tree(), settings.environment or None)
    clients = ClientPool(environment, purpose, settings.environ, {}, lambda _seconds: None)
    try:
        yield Opened(settings, environment, clients, book_of(settings, environment, clients, writing=purpose == "apply"))
    finally:
        clients.close()


def _row(row: Row, names: Mapping[str, str]) -> dict[str, Any]:
    known = {"entry": row.entry if row.entry >= 0 else None, "time": row.ts, "type": row.type, "by": names.get(row.actor, row.actor)}
    known |= {"action": row.action, "resource": row.resource, "outcome": row.outcome, "run": row.rid, "commit": row.commit}
    hidden = ("v", "seq", "ts", "writer", "prev", "id", "cause_id", "actor", "rid")
    return known | {name: value for name, value in row.about.items() if name not in known and name not in hidden}


def verdict_json(environment: str, verdict: Verdict) -> dict[str, Any]:
    """What `audit verify -o json` prints."""
    checkpoint = verdict.checkpoint
    return {
        "ok": verdict.ok,
        "environment": environment,
        "entries": verdict.size,
        "segments": verdict.segments,
        "checked": verdict.checked,
        "uncommitted": verdict.uncommitted,
        "newest": verdict.newest or None,
        "anchored": verdict.anchored,
        "checkpoint": checkpoint and {"size": checkpoint.size, "root": checkpoint.root.hex(), "signed_by": verdict.by},
        "findings": [one._asdict() | {"entry": one.entry if one.entry >= 0 else None} for one in verdict.findings],
        "notes": verdict.notes,
        "unseen": verdict.unseen,
        "unanswered": [
            {"id": one.id, "action": one.action, "resource": one.resource, "commit": one.commit, "run": one.rid}
            for one in verdict.unanswered.values()
        ],
    }


def check_anchors(settings: Settings, base: str) -> list[str]:
    """Hold the anchors of the work tree against those of a commit, offline; what was found, in words. Raises Refused.

    Keys are those that the commit's environments trust, so a change cannot bring its own.
    """
    repository = Repository(settings.repo)
    tree = repository.read(repository.resolve_trusted(base))
    return [words for name in tree.environments() if (words := _checked(settings, repository, tree.commit, read_environment(tree, name)))]


def _checked(settings: Settings, repository: Repository, base: str, environment: Environment) -> str:
    name = f"{ANCHORS}/{environment.name}"
    old, new = _decoded(repository.content(base, f"{name}.checkpoint")), _text(settings.repo / f"{name}.checkpoint")
    if old == new or not old:
        return f"{name}: unchanged" if old else ""
    keys = declared_keys(environment)
    if not keys:
        raise Refused(f"{name}: it cannot be checked, since the environment declares no `audit: {{trusted: ...}}` (reconcile audit key)")
    proof = _text(settings.repo / f"{name}.growth")
    if not new or proof.partition("\n\n")[2] != new:
        raise Refused(f"{name}: the checkpoint was taken away, or is not the one that the proof beside it is about")
    try:
        before = read_checkpoint(read_note(old).text)
        after = check_growth(before, proof, keys)
    except NoteError as error:
        raise Refused(f"{name}: {error}") from None
    return f"{name}: {before.size:,} entries are the beginning of {after.size:,}"


def moment_of(text: str) -> str:
    """A moment of the command line as lines have it: as it is, or so long ago. Raises Usage."""
    if not text or (text[:4].isdigit() and "-" in text):
        return text
    try:
        return moment(time.time() - parse_duration(text))
    except ValueError:
        raise Usage(f"{text!r} is neither a moment (2027-01-15 or 2027-01-15T08:00) nor a duration (7d)") from None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _decoded(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace")


__all__ = ["Opened", "Wanted", "check_anchors", "moment_of", "opened_book", "verdict_json"]
