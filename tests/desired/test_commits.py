"""What git tells of commits: whose they are, who else put a name to them, and what their signatures are worth."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.core.errors import ReconcilerError
from reconciler.desired.commits import Provenance, applied_between, known, provenance
from reconciler.desired.git import Repository

ADA, GRACE, EVE = "ada@example.com", "grace@example.com", "eve@example.com"


@dataclass
class Clone:
    """A repository in which several people work."""

    folder: Path

    def git(self, *arguments: str, by: str = ADA, committer: str = "") -> str:
        people = {"GIT_AUTHOR_NAME": by, "GIT_AUTHOR_EMAIL": by, "GIT_COMMITTER_NAME": by, "GIT_COMMITTER_EMAIL": committer or by}
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments], env={**os.environ, **people}, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str = "change", *options: str, by: str = ADA, committer: str = "") -> str:
        self.git("commit", "--quiet", "--allow-empty", "-m", message, *options, by=by, committer=committer)
        return self.git("rev-parse", "HEAD")

    def told(self, commit: str) -> Provenance:
        (found,) = provenance(Repository(self.folder), [commit])
        return found

    def sign_with(self, key: Path, *, trusted: bool) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        public = key.with_suffix(".pub").read_text()
        (self.folder / "signers").write_text(f"{ADA} {public}" if trusted else "")
        for name, value in (
            ("gpg.format", "ssh"),
            ("user.signingkey", str(key)),
            ("gpg.ssh.allowedSignersFile", str(self.folder / "signers")),
        ):
            self.git("config", name, value)


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    made = Clone(tmp_path / "repo")
    made.folder.mkdir()
    made.git("init", "--quiet", "--initial-branch=main", ".")
    made.commit("begin")
    return made


def test_who_wrote_and_committed_a_change_alone_is_all_there_is(clone: Clone) -> None:
    assert clone.told(clone.commit()) == Provenance(clone.git("rev-parse", "HEAD"), frozenset({ADA}), frozenset({ADA}), "none")


def test_a_merge_is_approved_by_who_merged_and_written_by_who_wrote_what_it_brought(clone: Clone) -> None:
    clone.git("checkout", "--quiet", "-b", "topic")
    clone.commit("one", by=EVE)
    clone.commit(f"two\n\nCo-authored-by: Ada <{ADA}>", by=EVE)
    clone.git("checkout", "--quiet", "main")
    clone.git("merge", "--quiet", "--no-ff", "-m", "Merge topic", "topic", by=GRACE)
    found = clone.told("HEAD")
    assert (found.authors, found.approvers) == (frozenset({ADA, EVE}), frozenset({GRACE}))


def test_who_merges_their_own_work_approves_nothing_of_others(clone: Clone) -> None:
    clone.git("checkout", "--quiet", "-b", "topic")
    clone.commit("one", by=EVE)
    clone.git("checkout", "--quiet", "main")
    clone.git("merge", "--quiet", "--no-ff", "-m", "Merge topic", "topic", by=EVE)
    found = clone.told("HEAD")
    assert not found.approvers - found.authors


def test_trailers_name_reviewers_and_a_forge_is_nobody(clone: Clone) -> None:
    squashed = clone.commit(f"Squash\n\nReviewed-by: Grace Hopper <{GRACE.upper()}>\nAcked-by: {EVE}", committer="noreply@github.com")
    found = clone.told(squashed)
    assert (found.authors, found.approvers) == (frozenset({ADA}), frozenset({GRACE, EVE}))


def test_a_signature_of_a_trusted_key_is_good(clone: Clone, tmp_path: Path) -> None:
    clone.sign_with(tmp_path / "key", trusted=True)
    assert clone.told(clone.commit("signed", "-S")).signature == "good"


def test_a_signature_that_nobody_here_can_vouch_for_is_neither_good_nor_bad(clone: Clone, tmp_path: Path) -> None:
    clone.sign_with(tmp_path / "key", trusted=False)
    assert clone.told(clone.commit("signed", "-S")).signature == "unknown"


def test_a_commit_that_was_altered_after_it_was_signed_is_not_good(clone: Clone, tmp_path: Path) -> None:
    clone.sign_with(tmp_path / "key", trusted=True)
    raw = subprocess.run(
        ["git", "-C", str(clone.folder), "cat-file", "commit", clone.commit("signed", "-S")], check=True, capture_output=True
    ).stdout
    forged = subprocess.run(
        ["git", "-C", str(clone.folder), "hash-object", "-t", "commit", "-w", "--stdin"],
        input=raw + b"forged\n",
        check=True,
        capture_output=True,
    )
    assert clone.told(forged.stdout.decode().strip()).signature == "bad"


def test_an_apply_brings_the_first_parents_since_the_one_before(clone: Clone) -> None:
    older = clone.git("rev-parse", "HEAD")
    commits = [clone.commit("one"), clone.commit("two")]
    repository = Repository(clone.folder)
    assert applied_between(repository, older, commits[-1]) == commits[::-1]
    assert applied_between(repository, "", commits[-1]) == commits[-1:]
    assert applied_between(repository, commits[-1], commits[-1]) == commits[-1:]


def test_commits_that_are_not_in_the_clone_are_told_from_the_others(clone: Clone) -> None:
    here = clone.git("rev-parse", "HEAD")
    repository = Repository(clone.folder)
    assert known(repository, [here, "0" * 40, here]) == ([here], ["0" * 40])
    with pytest.raises(ReconcilerError):
        list(provenance(repository, ["0" * 40]))
